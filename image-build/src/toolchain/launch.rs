//! How the programs of a toolchain run: this executable stands under their names in a folder, and replaces
//! itself by the loader of the toolchain with the program's own libraries.
//!
//! ```text
//!  cargo build --PATH--> tools/rustc (we) --exec--> TOOLCHAIN/.../ld-linux-x86-64.so.2
//!                           |                          --inhibit-cache --library-path TOOLCHAIN/...
//!                     tools/launch.json                --argv0 tools/rustc TOOLCHAIN/usr/bin/rustc ...
//! ```
//!
//! Nothing of the host takes part: the loader is named by its path, looks into no cache, and finds every library in
//! the toolchain (which was checked when it was unpacked). There is no shell. Whoever is started gets the
//! arguments that keep it inside of the toolchain and that keep the folder's path out of what it writes.
//!
//! Programs come in two kinds. What is compiled to run while something is built (build scripts, and what
//! they compile to try things out) asks for the toolchain's loader and libraries by their paths. What goes into
//! images asks for the loader and libraries of the image, by the usual names.

use super::{Layout, below};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a folder of tools is described by.
const PLAN: &str = "launch.json";
/// How programs of images are linked; only rustc's launcher names it.
const IMAGE_LINKER: &str = "image-cc";
/// The names that stand in the folder.
const NAMES: [&str; 9] =
    ["ar", "c++", "cargo", "cc", "clang", "clang++", IMAGE_LINKER, "ld.lld", "rustc"];

/// How everything is linked. clang would choose by the host's distribution, which it reads from
/// `/etc/os-release`; what is said here comes last and counts. The id of a program follows from its content.
const LINK: &str = "-Wl,--hash-style=gnu,--enable-new-dtags,-z,relro,-z,now,--build-id=sha1";

/// What the launchers of one build know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The folder of the toolchain.
    pub root: PathBuf,
    /// Where its programs are.
    pub layout: Layout,
    /// Folders that must not be named in what is compiled, and what is named for them.
    pub remap: Vec<(PathBuf, String)>,
}

impl Plan {
    /// Puts the launchers and this plan into a folder. `launcher` is an executable that calls [`launch`] first.
    pub fn install(&self, launcher: &Path, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let text = serde_json::to_vec(self).expect("a plan has only plain values");
        fs::write(folder.join(PLAN), text)?;
        let first = folder.join(NAMES[0]);
        let _ = fs::remove_file(&first);
        fs::copy(launcher, &first)?;
        fs::set_permissions(&first, Permissions::from_mode(0o755))?;
        for name in &NAMES[1..] {
            let path = folder.join(name);
            let _ = fs::remove_file(&path);
            fs::hard_link(&first, &path)?;
        }
        Ok(())
    }

    /// What is executed in the place of a tool: a program and its arguments.
    fn command(&self, tools: &Path, name: &str, arguments: &[OsString]) -> Option<Call> {
        let (program, arguments) = match name {
            "ar" | "cargo" => (name, arguments.to_vec()),
            "rustc" => ("rustc", self.rustc(tools, arguments)),
            "ld.lld" => ("lld", arguments.to_vec()),
            "cc" | "c++" | "clang" | "clang++" => {
                ("clang", self.clang(tools, arguments, Runs::WhileBuilding))
            }
            IMAGE_LINKER => ("clang", self.clang(tools, arguments, Runs::InImages)),
            _ => return None,
        };
        // clang and lld tell by their own name what they are asked for.
        let shown = tools.join(if name == IMAGE_LINKER { "cc" } else { name });
        let mut all: Vec<OsString> = vec!["--inhibit-cache".into(), "--library-path".into()];
        all.push(self.libraries());
        all.extend(["--argv0".into(), shown.into()]);
        all.push(below(&self.root, self.layout.program(program)).into());
        all.extend(arguments);
        Some(Call { program: below(&self.root, &self.layout.loader), arguments: all })
    }

    /// All that the launchers of a toolchain add to what is asked of them, without the places of one machine:
    /// a change of it makes other programs.
    pub fn settings(layout: &Layout) -> String {
        let plan = Self {
            root: "/toolchain".into(),
            layout: layout.clone(),
            remap: vec![("/work".into(), "/plinth".into())],
        };
        let sample: Vec<OsString> = ["--crate-name", "a", "--target", "b"].map(Into::into).into();
        let both = [&sample[..], &sample[..2]];
        let calls: Vec<_> = NAMES
            .iter()
            .flat_map(|name| both.map(|given| plan.command(Path::new("/tools"), name, given)))
            .collect();
        format!("{calls:?}")
    }

    /// The folders of libraries, as the loader takes them.
    fn libraries(&self) -> OsString {
        let paths: Vec<_> =
            self.layout.libraries.iter().map(|path| below(&self.root, path)).collect();
        let paths: Vec<_> = paths.iter().map(|path| path.as_os_str()).collect();
        paths.join(OsStr::new(":"))
    }

    fn rustc(&self, tools: &Path, arguments: &[OsString]) -> Vec<OsString> {
        let mut all = arguments.to_vec();
        // Only to print something.
        if !arguments.iter().any(|argument| argument == "--crate-name") {
            all.extend(["--sysroot".into(), below(&self.root, "/usr").into()]);
            return all;
        }
        // cargo names a target for what will run in images, and none for what runs while it builds.
        let for_images = arguments.iter().any(|argument| argument == "--target");
        let linker = tools.join(if for_images { IMAGE_LINKER } else { "cc" });
        all.extend(["--sysroot".into(), below(&self.root, "/usr").into()]);
        all.extend(["-C".into(), joined("linker=", &linker)]);
        all.extend(["-C".into(), "linker-flavor=gcc".into()]);
        for (from, to) in &self.remap {
            let mut pair = from.as_os_str().to_owned();
            pair.push("=");
            pair.push(to);
            all.extend(["--remap-path-prefix".into(), pair]);
        }
        all
    }

    fn clang(&self, tools: &Path, arguments: &[OsString], runs: Runs) -> Vec<OsString> {
        // clang starts itself for each of several files: that call is complete.
        if arguments.first().is_some_and(|first| first == "-cc1" || first == "-cc1as") {
            return arguments.to_vec();
        }
        // Not every call links, and what is not used is no mistake.
        let mut all: Vec<OsString> = vec!["--start-no-unused-arguments".into()];
        all.extend(["--no-default-config".into(), "-no-canonical-prefixes".into()]);
        all.push(joined("--sysroot=", &self.root));
        all.push("-resource-dir".into());
        all.push(below(&self.root, &self.layout.clang_resources).into());
        all.push(joined("--ld-path=", &tools.join("ld.lld")));
        for (from, to) in &self.remap {
            let mut pair = joined("-ffile-prefix-map=", from);
            pair.push("=");
            pair.push(to);
            all.push(pair);
        }
        all.push(LINK.into());
        if runs == Runs::WhileBuilding {
            let loader = below(&self.root, &self.layout.loader);
            all.extend(["-Xlinker".into(), joined("--dynamic-linker=", &loader)]);
            // Also for libraries of libraries: the old form of the tag, which counts for them.
            all.extend(["-Xlinker".into(), "--disable-new-dtags".into()]);
            for path in &self.layout.libraries {
                all.extend(["-Xlinker".into(), joined("-rpath=", &below(&self.root, path))]);
            }
        }
        all.push("--end-no-unused-arguments".into());
        all.extend(arguments.iter().cloned());
        all
    }
}

/// When a linked program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    WhileBuilding,
    InImages,
}

/// What is executed.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    program: PathBuf,
    arguments: Vec<OsString>,
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut joined = OsString::from(option);
    joined.push(path);
    joined
}

/// Becomes the tool whose name this executable was started under, if it lies in a folder of tools; returns
/// otherwise. To be called before anything else; the arguments are those of the process.
pub fn launch(arguments: &[OsString]) {
    let Some(program) = std::env::current_exe().ok() else { return };
    let Some(tools) = program.parent() else { return };
    let Ok(text) = fs::read(tools.join(PLAN)) else { return };
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let fail = |problem: String| -> ! {
        // Whoever started us reads this: cargo, or a build script.
        eprintln!("error: {name}: {problem}");
        std::process::exit(1);
    };
    let plan: Plan = match serde_json::from_slice(&text) {
        Ok(plan) => plan,
        Err(error) => {
            fail(format!("{} is damaged ({error}); build again", tools.join(PLAN).display()))
        }
    };
    let rest = arguments.get(1..).unwrap_or_default();
    let Some(call) = plan.command(tools, &name, rest) else {
        fail("it is no tool of the toolchain".into());
    };
    let error = Command::new(&call.program).args(&call.arguments).exec();
    fail(format!("cannot start {} ({error})", call.program.display()));
}

/// Whether the bytes of a file name a path.
pub fn names_path(bytes: &[u8], path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    !path.is_empty() && bytes.windows(path.len()).any(|window| window == path)
}

#[cfg(test)]
mod tests;
