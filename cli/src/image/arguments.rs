//! The arguments of `plinth image`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `plinth image ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum ImageCommand {
    /// Choose the packages of all images, and write their hashes to image.lock.
    Lock(LockArguments),
    /// Build an image out of what image.lock names, without root and without running a package's code.
    Build(BuildArguments),
    /// Unpack a disk image, IMAGE.disk.zst, into a file whose empty parts take no room.
    Disk(DiskArguments),
    /// Build an image twice under everything that may differ between machines, and compare every byte.
    VerifyReproducible(VerifyArguments),
    /// Run `plinth image build` as another machine would: part of verify-reproducible.
    #[command(hide = true)]
    BuildElsewhere(ElsewhereArguments),
    /// Compile the programs that images carry, out of what image.lock and Cargo.lock name.
    Programs(ProgramsArguments),
}

/// Where packages come from.
#[derive(Clone, Debug, Args)]
pub struct Places {
    /// The clone to work in.
    #[arg(long, default_value = ".")]
    pub source: PathBuf,
    /// A mirror of an archive, as AREA=http://host/path or AREA=FOLDER (areas: debian,
    /// debian-security); may be repeated [default: $PLINTH_MIRROR, separated by commas; then those of
    /// this machine's apt].
    #[arg(long)]
    pub mirror: Vec<String>,
}

/// What is built from, and with how much of the machine.
#[derive(Clone, Debug, Args)]
pub struct Inputs {
    #[command(flatten)]
    pub places: Places,
    /// A snapshot archive, which has what mirrors have dropped.
    #[arg(long)]
    pub snapshot: Option<String>,
    /// Where packages, crates, toolchains and programs are kept [default: ~/.cache/plinth/packages].
    #[arg(long)]
    pub cache: Option<PathBuf>,
    /// Threads [default: one for each processor].
    #[arg(long)]
    pub jobs: Option<usize>,
}

/// `plinth image lock`.
#[derive(Clone, Debug, Args)]
pub struct LockArguments {
    #[command(flatten)]
    pub places: Places,
    /// Take the release of this suite although its time is over; may be repeated.
    #[arg(long)]
    pub accept_expired: Vec<String>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `plinth image build`.
#[derive(Clone, Debug, Args)]
pub struct BuildArguments {
    /// Which image: guestos, hostos or setupos; or all, one after the other. SetupOS carries the
    /// other two, which must be in the folder of the result.
    pub image: String,
    /// The folder of the result.
    #[arg(long)]
    pub out: PathBuf,
    /// The variant with a root console, which is another image with another measurement.
    #[arg(long)]
    pub dev: bool,
    /// A folder with the programs of this workspace, compiled elsewhere; the image's description says so
    /// [default: they are compiled as by `plinth image programs`].
    #[arg(long)]
    pub binaries: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Where packages are unpacked; memory (/dev/shm) is fastest [default: the folder of the result].
    #[arg(long)]
    pub scratch: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `plinth image verify-reproducible`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArguments {
    /// Which image: guestos, hostos or setupos; or all.
    #[arg(default_value = "all")]
    pub image: String,
    /// Compile the programs once, for both builds; by default they are compiled twice as well.
    #[arg(long)]
    pub image_only: bool,
    /// A folder with programs that both builds take, compiled elsewhere.
    #[arg(long)]
    pub binaries: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// A folder on a disk for both builds [default: that of the system for temporary files].
    #[arg(long)]
    pub scratch: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `plinth image build-elsewhere`.
#[derive(Clone, Debug, Args)]
pub struct ElsewhereArguments {
    /// The umask, in octal.
    #[arg(long)]
    pub umask: String,
    /// A host name, in a namespace of its own.
    #[arg(long)]
    pub hostname: Option<String>,
    /// A user and group to become.
    #[arg(long)]
    pub uid: Option<u32>,
    /// The arguments of `plinth image build`.
    #[arg(last = true)]
    pub build: Vec<std::ffi::OsString>,
}

/// `plinth image programs`.
#[derive(Clone, Debug, Args)]
pub struct ProgramsArguments {
    /// The folder that the programs are copied to.
    #[arg(long)]
    pub out: PathBuf,
    /// A program of the workspace; may be repeated [default: all that images carry].
    #[arg(long)]
    pub program: Vec<String>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `plinth image disk`.
#[derive(Clone, Debug, Args)]
pub struct DiskArguments {
    /// The compressed disk, such as DIR/hostos.disk.zst.
    pub disk: PathBuf,
    /// The file to make.
    #[arg(long)]
    pub out: PathBuf,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}
