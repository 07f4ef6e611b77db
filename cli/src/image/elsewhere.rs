//! `plinth image build-elsewhere`: becomes what another machine would be (umask, host name, user) and then
//! `plinth image build`. A process of its own, since all of this belongs to a whole process.

use super::ImageError;
use super::arguments::ElsewhereArguments;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Where the kernel takes the host name of this namespace.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Does not return but with an error.
pub fn run(arguments: &ElsewhereArguments) -> Result<String, ImageError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        ImageError::Argument(format!("cannot {what} ({error})"))
    };
    let mode = u32::from_str_radix(&arguments.umask, 8)
        .ok()
        .and_then(Mode::from_bits)
        .ok_or_else(|| failed("set the umask", &"it is no octal number"))?;
    if let Some(name) = &arguments.hostname {
        unshare(CloneFlags::CLONE_NEWUTS)
            .map_err(|error| failed("have a host name of its own", &error))?;
        std::fs::write(HOSTNAME, name).map_err(|error| failed("set the host name", &error))?;
    }
    if let Some(id) = arguments.uid {
        let become_user = || {
            setgroups(&[])?;
            setgid(Gid::from_raw(id))?;
            setuid(Uid::from_raw(id))
        };
        become_user().map_err(|error| failed("become another user", &error))?;
    }
    umask(mode);
    let this = std::env::current_exe().map_err(|error| failed("find itself", &error))?;
    let error = Command::new(this).args(["image", "build"]).args(&arguments.build).exec();
    Err(failed("start the build", &error))
}
