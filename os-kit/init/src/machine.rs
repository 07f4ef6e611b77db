//! The machine: mounts, modules, devices. Each function is one step; what is decided is decided elsewhere.

use crate::device_mapper::{self, Mapping};
use crate::partitions::{self, Pair, Partition};
use crate::superblock::{self, HEAD_BYTES};
use crate::{Examined, InitError, RootHash, choose};
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, thread};

/// The modules of the initrd; their names sort in the order in which they are loaded.
const MODULES: &str = "/modules";
const BLOCK_DEVICES: &str = "/sys/class/block";
/// Where the root is mounted before it becomes the root.
const NEW_ROOT: &str = "/root";
/// The file systems that systemd takes over.
const KEPT: [&str; 4] = ["dev", "proc", "run", "sys"];
/// Controllers of real disks answer within seconds; slow ones within half a minute.
const DISKS_WAIT_MAX: Duration = Duration::from_secs(60);
/// Between two looks at the devices.
const DISKS_WAIT: Duration = Duration::from_millis(50);
/// So long a message stays before the machine starts again: as long as after a panic of the kernel.
const READING_TIME: Duration = Duration::from_secs(10);
/// Levels of the kernel's log.
const ERROR: u8 = 3;
const INFORMATION: u8 = 6;

/// Mounts what every further step needs.
pub fn mount_kernel_file_systems() -> Result<(), InitError> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    for (kind, place, flags, options) in [
        ("proc", "/proc", quiet | MsFlags::MS_NODEV, None),
        ("sysfs", "/sys", quiet | MsFlags::MS_NODEV, None),
        ("devtmpfs", "/dev", MsFlags::MS_NOSUID, Some("mode=0755")),
        ("tmpfs", "/run", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755")),
    ] {
        mount(Some(kind), place, Some(kind), flags, options)
            .map_err(InitError::at("mount", place))?;
    }
    Ok(())
}

/// Loads the modules of the initrd, in their order.
pub fn load_modules() -> Result<(), InitError> {
    let listing = fs::read_dir(MODULES).map_err(InitError::io("list", MODULES))?;
    let mut paths: Vec<PathBuf> = listing
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(InitError::io("list", MODULES))?;
    paths.sort();
    for path in paths {
        let file = File::open(&path).map_err(InitError::io("open", &path))?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            // The kernel has it already, or the processor lacks what it is for. What would miss it says so.
            Ok(()) | Err(Errno::EEXIST | Errno::ENODEV) => {}
            Err(errno) => return Err(InitError::at("load the module", path)(errno)),
        }
    }
    Ok(())
}

/// The command line that the kernel was given.
pub fn command_line() -> Result<String, InitError> {
    fs::read_to_string("/proc/cmdline").map_err(InitError::io("read", "/proc/cmdline"))
}

/// Waits until a disk has the root, and says how to map it.
pub fn find_root(root_hash: &RootHash) -> Result<Mapping, InitError> {
    let start = Instant::now();
    loop {
        let chosen = choose(examine(root_hash), root_hash);
        if chosen.is_ok() || start.elapsed() > DISKS_WAIT_MAX {
            return chosen;
        }
        thread::sleep(DISKS_WAIT);
    }
}

fn examine(root_hash: &RootHash) -> Vec<Examined> {
    let read = |pair: &Pair| {
        let mut head = [0; HEAD_BYTES];
        File::open(Path::new("/dev").join(&pair.hash.device))
            .and_then(|mut file| file.read_exact(&mut head))
            .map_err(|error| format!("cannot be read ({error})"))?;
        superblock::read(&head, root_hash)
    };
    let pairs = partitions::pairs(&list());
    pairs.into_iter().map(|pair| (pair.clone(), read(&pair))).collect()
}

/// All partitions that the kernel knows now. A device that goes away while it is read is none.
fn list() -> Vec<Partition> {
    let Ok(listing) = fs::read_dir(BLOCK_DEVICES) else { return Vec::new() };
    let read = |folder: &Path| {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        // The folder of a partition lies in that of its disk.
        let real = fs::canonicalize(folder).ok()?;
        let disk = real.parent()?.file_name()?.to_str()?.to_owned();
        partitions::parse(&text("uevent")?, &text("size")?, &disk)
    };
    listing.filter_map(|entry| read(&entry.ok()?.path())).collect()
}

/// Makes the verity device and gives its path.
pub fn map(mapping: &Mapping) -> Result<PathBuf, InitError> {
    const CONTROL: &str = "/dev/mapper/control";
    let control = OpenOptions::new().read(true).write(true).open(CONTROL);
    let control = control.map_err(InitError::io("open", CONTROL))?;
    let mut made = device_mapper::create();
    request(&control, Call::Create, &mut made)
        .map_err(InitError::at("make the device of", &mapping.root))?;
    let minor = device_mapper::minor(&made).expect("an answer is as long as its request");
    request(&control, Call::Load, &mut device_mapper::load(mapping))
        .map_err(InitError::at("set up dm-verity over", &mapping.root))?;
    request(&control, Call::Suspend, &mut device_mapper::resume())
        .map_err(InitError::at("start dm-verity over", &mapping.root))?;
    Ok(PathBuf::from(format!("/dev/dm-{minor}")))
}

/// What is asked of the device mapper, by its number.
enum Call {
    Create = 3,
    Suspend = 6,
    Load = 9,
}

/// Sends a request; the answer takes its place.
fn request(control: &File, call: Call, bytes: &mut [u8]) -> nix::Result<()> {
    let number = nix::request_code_readwrite!(0xfd, call as u8, device_mapper::HEADER_BYTES);
    // SAFETY: the kernel reads and writes as many bytes behind the pointer as the request itself says in
    // `data_size`, which `device_mapper` sets to the length of these very bytes; they are borrowed alone
    // until the call returns. Nix and std have no safe form of this call.
    let result = unsafe { nix::libc::ioctl(control.as_raw_fd(), number, bytes.as_mut_ptr()) };
    Errno::result(result).map(|_| ())
}

/// Mounts the root, makes it the root of everything, and becomes systemd. Does not return if all is well.
pub fn switch_root(device: &Path) -> InitError {
    match enter(device) {
        Err(error) => error,
        Ok(()) => {
            const SYSTEMD: &str = "/usr/lib/systemd/systemd";
            let mut command = std::process::Command::new(SYSTEMD);
            let error = std::os::unix::process::CommandExt::exec(&mut command);
            InitError::io("start", SYSTEMD)(error)
        }
    }
}

fn enter(device: &Path) -> Result<(), InitError> {
    let none = None::<&str>;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(Some(device), NEW_ROOT, Some("erofs"), flags, none)
        .map_err(InitError::at("mount", device))?;
    for name in KEPT {
        let (from, to) = (Path::new("/").join(name), Path::new(NEW_ROOT).join(name));
        mount(Some(&from), &to, none, MsFlags::MS_MOVE, none)
            .map_err(InitError::at("move the mount of", from))?;
    }
    free_memory();
    env::set_current_dir(NEW_ROOT).map_err(InitError::io("enter", NEW_ROOT))?;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none)
        .map_err(InitError::at("move the mount of", NEW_ROOT))?;
    std::os::unix::fs::chroot(".").map_err(InitError::io("make the root of", NEW_ROOT))?;
    env::set_current_dir("/").map_err(InitError::io("enter", "/"))
}

/// Nobody can reach the files of the initrd any more, but they would stay in memory. What cannot be removed
/// costs memory and nothing else.
fn free_memory() {
    for path in [MODULES, "/lib", "/lib64", "/init"] {
        let path = Path::new(path);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}

/// Says something on every console.
pub fn say(text: &str) {
    log(INFORMATION, text);
}

/// Says why the start ended, and starts the machine again: a host that watches sees a guest that ended, and
/// firmware may choose another slot. There is no shell to fall into.
pub fn give_up(error: &dyn std::error::Error) -> ! {
    log(ERROR, &format!("this image does not start: {error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        log(ERROR, &format!("because: {error}"));
        cause = error.source();
    }
    log(ERROR, "the machine starts again in 10 seconds");
    thread::sleep(READING_TIME);
    let refused = reboot(RebootMode::RB_AUTOBOOT);
    // The end of the first program is a panic of the kernel, which starts the machine again as well.
    panic!("the kernel does not start again: {refused:?}");
}

/// Through the kernel's log: it reaches all consoles, and the journal later.
fn log(level: u8, text: &str) {
    let line = format!("<{level}>plinth init: {text}\n");
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut kernel_log| kernel_log.write_all(line.as_bytes()));
    if written.is_err() {
        eprint!("{line}");
    }
}
