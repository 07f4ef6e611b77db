//! `/init` of the initrd. See the library for the story.

use os_kit_init::{InitError, command_line, machine};

fn main() -> ! {
    let error = start();
    machine::give_up(&error)
}

/// Starts systemd in the place of this program; comes back only with the reason why not.
fn start() -> InitError {
    match prepare() {
        Ok(device) => machine::switch_root(&device),
        Err(error) => error,
    }
}

fn prepare() -> Result<std::path::PathBuf, InitError> {
    machine::mount_kernel_file_systems()?;
    let root_hash = command_line::root_hash(&machine::command_line()?)?;
    machine::load_modules()?;
    let mapping = machine::find_root(&root_hash)?;
    machine::say(&format!("root {}, root hash {}", mapping.root, os_kit_init::hex(&root_hash)));
    machine::map(&mapping)
}
