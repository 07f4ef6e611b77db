//! Small images out of packages made by hand: the whole way, and every file that must be refused.

use super::*;
use crate::archive::testing::{Sample, deb, device, directory, file, hard_link, symlink};
use crate::lock::{LockedIndex, LockedToolchain};
use crate::tree::Node;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;

const SCRIPT: &[u8] = b"#!/bin/sh\nuseradd _a\n";

/// A clone with packages, in a temporary folder.
struct Bench {
    folder: tempfile::TempDir,
    packages: Vec<(LockedPackage, PathBuf)>,
    inputs: Vec<(LockedPackage, PathBuf)>,
    manifest: String,
    models: String,
}

fn locked(name: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1".into(),
        architecture: "all".into(),
        suite: "trixie".into(),
        path: format!("pool/{name}.deb"),
        size: 1,
        sha256: hex::encode(Sha256::digest(name)),
        source: name.into(),
        source_version: "1".into(),
    }
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("rootfs/etc")).unwrap();
        fs::create_dir_all(folder.path().join("scratch")).unwrap();
        fs::write(folder.path().join("rootfs/etc/hostname"), "small\n").unwrap();
        let manifest = "{image: small, purpose: for tests, packages: [], rootfs: rootfs, units: {},\
            kernel: {package: kk, modules: [], initrd_modules: [], command_line: []},\
            budget: {root_bytes_max: 10000000, payload_bytes_max: 1}, EXTRA}";
        let (packages, models) = (Vec::new(), "[]".into());
        let mut bench =
            Self { folder, packages, inputs: Vec::new(), manifest: manifest.into(), models };
        bench.add(
            "kk",
            &[],
            &[
                file("./boot/vmlinuz-6.1", 0o644, b"kernel"),
                file("./usr/lib/modules/6.1/modules.builtin", 0o644, b"kernel/fs/a.ko\n"),
                file("./usr/lib/modules/6.1/modules.builtin.modinfo", 0o644, b"a.alias=fs-a\0"),
                file("./usr/lib/modules/6.1/modules.order", 0o644, b""),
            ],
        );
        bench.add("base", &[], &[directory("./usr/lib/sysusers.d/")]);
        bench
    }

    fn add(&mut self, name: &str, control: &[Sample], data: &[Sample]) {
        let text = format!("Package: {name}\nVersion: 1\nArchitecture: all\n");
        let fields = file("./control", 0o644, text.as_bytes());
        let mut parents: Vec<String> = Vec::new();
        for entry in data {
            for (at, _) in entry.path.match_indices('/').skip(1) {
                let parent = format!("{}/", &entry.path[..at]);
                if !parents.contains(&parent) && parent != entry.path {
                    parents.push(parent);
                }
            }
        }
        let mut entries: Vec<Sample> = parents.iter().map(|path| directory(path)).collect();
        entries.extend(data.iter().map(copy));
        let mut control: Vec<Sample> = control.iter().map(copy).collect();
        control.push(fields);
        self.add_bytes(name, &deb(&control, &entries));
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(format!("{name}.deb"));
        fs::write(&path, bytes).unwrap();
        self.packages.push((locked(name), path));
    }

    fn assemble(&self, extra: &str) -> Result<Rootfs, String> {
        let text = self.manifest.replace("EXTRA", extra);
        let manifest = Manifest::parse(&text, Path::new("small.yaml")).unwrap();
        let index = LockedIndex {
            suite: "trixie".into(),
            area: "debian".into(),
            date: "2026-11-21T09:15:44Z".into(),
            release_sha256: String::new(),
            packages_sha256: String::new(),
            signed_by: Vec::new(),
        };
        let lock = Lock {
            format: crate::lock::FORMAT,
            time_s: 1_795_252_544,
            indexes: vec![index],
            images: BTreeMap::new(),
            toolchain: LockedToolchain { request_sha256: String::new(), packages: Vec::new() },
            packages: Vec::new(),
        };
        let scripts = Scripts::parse(&self.models).unwrap();
        let of = |(package, path): &'_ (LockedPackage, PathBuf)| (package.clone(), path.clone());
        let kernel = of(&self.packages[0]);
        let others: Vec<_> = self.packages[1..].iter().map(of).collect();
        let inputs: Vec<_> = self.inputs.iter().map(of).collect();
        let parts = Parts {
            manifest: &manifest,
            additions: None,
            image: "small".into(),
            lock: &lock,
            packages: others.iter().map(|(package, path)| (package, path.clone())).collect(),
            kernel: (&kernel.0, kernel.1),
            inputs: inputs.iter().map(|(package, path)| (package, path.clone())).collect(),
            scripts: &scripts,
            clone: self.folder.path(),
            binaries: self.folder.path(),
            scratch: &self.folder.path().join("scratch"),
        };
        assemble(&parts, &mut |_| {}).map_err(|error| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text += &format!(": {error}");
                cause = error.source();
            }
            text
        })
    }

    fn check_error(&self, extra: &str, expected: &[&str]) {
        let error = self.assemble(extra).map(|_| ()).unwrap_err();
        for part in expected {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}

fn copy<'a>(sample: &Sample<'a>) -> Sample<'a> {
    Sample { path: sample.path, ..*sample }
}

fn read(rootfs: &Rootfs, path: &str) -> String {
    let inode = rootfs.tree.get(&tree_path(path).unwrap()).unwrap_or_else(|| panic!("{path}"));
    match &inode.node {
        Node::File(content) => String::from_utf8(content.read().unwrap()).unwrap(),
        Node::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
        Node::Directory => "directory".into(),
    }
}

fn mode(rootfs: &Rootfs, path: &str) -> u16 {
    rootfs.tree.get(&tree_path(path).unwrap()).unwrap().meta.mode
}

#[test]
fn packages_become_an_image() {
    let mut bench = Bench::new();
    let data = [
        file("./lib/a", 0o755, b"below the old name of /usr/lib"),
        file("./usr/bin/su", 0o4755, b"sets an id"),
        hard_link("./usr/bin/second", "./usr/bin/su"),
        symlink("./usr/bin/link", "su"),
        file("./usr/share/doc/aa/copyright", 0o644, b"Format: x\n"),
        file("./usr/share/man/man1/a.1", 0o644, b"left out"),
        file("./etc/hostname", 0o644, b"of the package\n"),
    ];
    bench.add("aa", &[], &data);
    let extra = "exclude: [/usr/share/doc, /usr/*/man], writable: {/var: 64},\
        directories: {/data/x: '0750'}, links: {/etc/mtab: ../proc/self/mounts}";
    let rootfs = bench.assemble(extra).unwrap();
    assert_eq!(read(&rootfs, "/usr/lib/a"), "below the old name of /usr/lib");
    assert_eq!(read(&rootfs, "/lib"), "-> usr/lib");
    assert_eq!(read(&rootfs, "/usr/bin/link"), "-> su");
    assert_eq!(read(&rootfs, "/usr/bin/second"), "sets an id");
    assert_eq!(mode(&rootfs, "/usr/bin/su"), 0o755);
    assert_eq!(mode(&rootfs, "/data/x"), 0o750);
    assert_eq!(read(&rootfs, "/etc/hostname"), "small\n");
    assert_eq!(read(&rootfs, "/etc/machine-id"), "");
    assert!(read(&rootfs, "/etc/fstab").contains("tmpfs /var tmpfs"));
    assert!(read(&rootfs, "/etc/os-release").contains("usr/lib/os-release"));
    assert!(read(&rootfs, "/usr/lib/os-release").contains("IMAGE_ID=small\n"));
    assert!(rootfs.tree.get(&tree_path("/usr/share/doc").unwrap()).is_none());
    let unpacked = rootfs.unpacked.iter().find(|found| found.package == "aa").unwrap();
    assert_eq!(unpacked.stripped, [tree_path("/usr/bin/su").unwrap()]);
    assert_eq!(unpacked.copyright.as_deref(), Some(b"Format: x\n".as_slice()));
    assert_eq!(rootfs.kernel.version, "6.1");
}

#[test]
fn the_order_of_entries_and_the_scratch_folder_do_not_matter() {
    let names = |rootfs: &Rootfs| -> Vec<String> {
        rootfs.tree.walk().map(|(path, _, inode)| format!("{path} {:?}", inode.meta)).collect()
    };
    let data = [file("./usr/bin/a", 0o755, b"a"), file("./usr/bin/b", 0o755, b"b")];
    let swapped = [copy(&data[1]), copy(&data[0])];
    let (mut one, mut other) = (Bench::new(), Bench::new());
    one.add("aa", &[], &data);
    other.add("aa", &[], &swapped);
    assert_eq!(names(&one.assemble("").unwrap()), names(&other.assemble("").unwrap()));
}

#[test]
fn a_script_runs_never_and_is_modelled_or_refused() {
    let mut bench = Bench::new();
    bench.add(
        "aa",
        &[file("./postinst", 0o755, SCRIPT), file("./prerm", 0o755, b"never of interest")],
        &[file("./usr/share/a.conf", 0o644, b"a = 1\n")],
    );
    let sha256 = hex::encode(Sha256::digest(SCRIPT));
    bench.check_error("", &["package aa 1 has a postinst", &sha256, "images/scripts.yaml"]);
    bench.models = format!(
        "[{{package: aa, script: postinst, sha256: {sha256}, does: makes a user, effects: [\
         {{user: {{name: _a, comment: A, home: /var/lib/a}}}},\
         {{group: {{name: g}}}},\
         {{copy: {{from: /usr/share/a.conf, to: /etc/a/a.conf, mode: '0600'}}}},\
         {{link: {{path: /etc/a/link, target: a.conf}}}},\
         {{directory: {{path: /etc/b, mode: '0700'}}}}]}}]"
    );
    bench.check_error("", &["_a has no number", "ids in the manifest"]);
    let rootfs = bench.assemble("ids: {_a: 900, g: 901}").unwrap();
    assert_eq!(read(&rootfs, "/etc/passwd"), "_a:x:900:900:A:/var/lib/a:/usr/sbin/nologin\n");
    assert_eq!(read(&rootfs, "/etc/shadow"), "_a:!*:::::::\n");
    assert_eq!(read(&rootfs, "/etc/group"), "_a:x:900:\ng:x:901:\n");
    assert_eq!(read(&rootfs, "/etc/a/a.conf"), "a = 1\n");
    assert_eq!((mode(&rootfs, "/etc/a/a.conf"), mode(&rootfs, "/etc/b")), (0o600, 0o700));
    // A script that was changed is another script.
    bench.models = bench.models.replacen(&sha256, &"0".repeat(64), 1);
    bench.check_error("", &["has a postinst that is not modelled"]);
}

#[test]
fn models_are_read_strictly() {
    let hash = "0".repeat(64);
    let check = |text: &str, expected: &str| {
        let error = Scripts::parse(text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    let model =
        |rest: &str| format!("[{{package: aa, script: postinst, sha256: '{hash}', {rest}}}]");
    check(&model("does: x, runs: y"), "runs");
    check(&model("does: ''"), "say what");
    check(&model("does: x, effects: [{exec: /bin/sh}]"), "exec");
    check(&model("does: x").replace("postinst", "prerm"), "prerm");
    check(&model("does: x").replace(&hash, "00"), "hash");
    check("no list", "scripts.yaml");
}

#[test]
fn users_of_sysusers_are_written_by_number() {
    let mut bench = Bench::new();
    let text = b"# comment\nu root 0 \"Super User\" /root /bin/bash\ng tty 5 -\nu! dyn - \"D\"\nm dyn tty\n\
        u shared 6:5 - /x\n";
    bench.add("aa", &[], &[file("./usr/lib/sysusers.d/a.conf", 0o644, text)]);
    let rootfs = bench.assemble("ids: {dyn: 900}").unwrap();
    let passwd = "root:x:0:0:Super User:/root:/usr/sbin/nologin\nshared:x:6:5::/x:/usr/sbin/nologin\n\
        dyn:x:900:900:D:/:/usr/sbin/nologin\n";
    assert_eq!(read(&rootfs, "/etc/passwd"), passwd);
    assert_eq!(read(&rootfs, "/etc/group"), "root:x:0:\ntty:x:5:dyn\ndyn:x:900:\n");
    bench.check_error("ids: {dyn: 0}", &["both have the number 0"]);
    for (line, expected) in [
        ("u a:b 1", "no name"),
        ("x a", "no kind of line"),
        ("u aa one", "no number"),
        ("u aa 1 \"open", "not closed"),
    ] {
        let mut bench = Bench::new();
        bench.add("aa", &[], &[file("./usr/lib/sysusers.d/a.conf", 0o644, line.as_bytes())]);
        bench.check_error("", &["/usr/lib/sysusers.d/a.conf:1", expected]);
    }
}

#[test]
fn units_are_enabled_masked_and_found() {
    let mut bench = Bench::new();
    let unit = b"[Unit]\n[Install]\nAlias=b.service\nWantedBy=multi-user.target\n";
    bench.add(
        "aa",
        &[],
        &[
            file("./usr/lib/systemd/system/a.service", 0o644, unit),
            file("./usr/lib/systemd/system/t@.service", 0o644, b"[Install]\nWantedBy=x.target\n"),
            file("./usr/lib/systemd/system/plain.service", 0o644, b"[Unit]\n"),
            file("./usr/lib/systemd/system/multi-user.target", 0o644, b""),
        ],
    );
    let units =
        "units: {default: multi-user.target, enable: [a.service, t@1.service], mask: [m.service]}";
    bench.manifest = bench.manifest.replace("units: {}", units);
    let rootfs = bench.assemble("").unwrap();
    let system = "/etc/systemd/system";
    let file = "-> /usr/lib/systemd/system/a.service";
    assert_eq!(read(&rootfs, &format!("{system}/multi-user.target.wants/a.service")), file);
    assert_eq!(read(&rootfs, &format!("{system}/b.service")), file);
    let instance = read(&rootfs, &format!("{system}/x.target.wants/t@1.service"));
    assert_eq!(instance, "-> /usr/lib/systemd/system/t@.service");
    assert_eq!(read(&rootfs, &format!("{system}/m.service")), "-> /dev/null");
    let default = read(&rootfs, &format!("{system}/default.target"));
    assert_eq!(default, "-> /usr/lib/systemd/system/multi-user.target");
    for (unit, expected) in [("none.service", "no package"), ("plain.service", "who wants it")] {
        bench.manifest = bench.manifest.replace("a.service, t@1.service", unit);
        bench.check_error("", &[unit, expected]);
        bench.manifest = bench.manifest.replace(unit, "a.service, t@1.service");
    }
}

#[test]
fn scripts_and_interpreters_need_leave() {
    let mut bench = Bench::new();
    bench.add(
        "aa",
        &[],
        &[
            file("./usr/bin/tool", 0o755, b"#!/bin/sh\nexit\n"),
            file("./usr/share/example", 0o644, b"#!/bin/sh\nnot executable\n"),
            file("./usr/bin/bash", 0o755, b"\x7fELF"),
        ],
    );
    bench.check_error(
        "",
        &["2 file(s)", "/usr/bin/tool is a script (#!/bin/sh)", "/usr/bin/bash is an"],
    );
    let both = "allow: {scripts: {/usr/bin/tool: why}, interpreters: {/usr/bin/bash: why}}";
    let rootfs = bench.assemble(both).unwrap();
    assert_eq!(rootfs.audit.scripts.len(), 1);
    assert_eq!(rootfs.audit.interpreters.len(), 1);
    let idle =
        "allow: {scripts: {/usr/bin/tool: why, /gone: why}, interpreters: {/usr/bin/bash: why}}";
    bench.check_error(idle, &["/gone needs no leave"]);
}

#[test]
fn a_program_without_its_libraries_is_refused() {
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let mut bench = Bench::new();
    bench.manifest = bench.manifest.replace("10000000", "10000000000");
    bench.add("aa", &[], &[file("./usr/bin/tool", 0o755, &program)]);
    bench.check_error("", &["/usr/bin/tool needs ", "libc.so.6", "which nothing brings"]);
    assert!(bench.assemble("allow: {unresolved: {/usr/bin/tool: why}}").is_ok());
}

#[test]
fn a_program_brings_its_loader_and_its_libraries() {
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let mut tree = Tree::new(0);
    let mut add = |path: &str, link: Option<&str>| {
        let path = tree_path(path).unwrap();
        ensure_parent(&mut tree, &path).unwrap();
        match link {
            Some(target) => tree.add_symlink(path, Meta::root(0o777), target.into()).unwrap(),
            None => tree.add_file(path, Meta::root(0o755), Content::bytes(*b"lib")).unwrap(),
        }
    };
    add("/lib64", Some("usr/lib64"));
    let folder = "/usr/lib/x86_64-linux-gnu";
    add("/usr/lib64/ld-linux-x86-64.so.2", Some("../lib/x86_64-linux-gnu/ld.so"));
    add(&format!("{folder}/ld.so"), None);
    add(&format!("{folder}/libm.so.6"), None);
    add(&format!("{folder}/libgcc_s.so.1"), Some("libgcc_s.so.1.0"));
    add(&format!("{folder}/libgcc_s.so.1.0"), None);
    let error = libraries_of(&tree, &program).unwrap_err();
    assert!(error.contains("libc.so.6, which nothing brings"), "{error}");
    let path = tree_path(&format!("{folder}/libc.so.6")).unwrap();
    tree.add_file(path.clone(), Meta::root(0o755), Content::bytes(*b"lib")).unwrap();
    let found = libraries_of(&tree, &program).unwrap();
    let loader = tree_path("/lib64/ld-linux-x86-64.so.2").unwrap();
    assert!(found.contains_key(&path) && found.contains_key(&loader), "{found:?}");
    assert!(libraries_of(&tree, b"no program").unwrap().is_empty());
}

#[test]
fn files_of_inputs_are_taken_out_of_their_packages() {
    let mut bench = Bench::new();
    bench.add("fw", &[], &[file("./usr/share/fw/a.fd", 0o644, b"firmware")]);
    bench.inputs = vec![bench.packages.pop().unwrap()];
    let manifest = |path: &str| {
        format!(
            "inputs: {{fw: {{reason: x}}}},\
             package_files: {{/usr/lib/a.fd: {{package: fw, path: {path}}}}}"
        )
    };
    let rootfs = bench.assemble(&manifest("/usr/share/fw/a.fd")).unwrap();
    let path = tree_path("/usr/lib/a.fd").unwrap();
    let Some(Node::File(content)) = rootfs.tree.get(&path).map(|inode| &inode.node) else {
        panic!("the file is in the image");
    };
    assert_eq!(content.read().unwrap(), b"firmware");
    assert_eq!(rootfs.unpacked.last().map(|last| last.package.as_str()), Some("fw"));
    assert!(rootfs.tree.get(&tree_path("/usr/share/fw/a.fd").unwrap()).is_none());
    bench.check_error(&manifest("/usr/share/b.fd"), &["fw has no file /usr/share/b.fd"]);
}

#[test]
fn what_does_not_fit_into_an_image_is_refused() {
    let long = "x".repeat(90);
    for (entry, expected) in [
        (device("./dev/null"), "character device"),
        (file("./usr/../../etc/passwd", 0o644, b""), "name of dots"),
        (symlink("./usr/out", "../../../etc/passwd"), "out of the image"),
        (hard_link("./usr/h", "./usr/none"), "/usr/none"),
        (hard_link("./usr/h", "../../etc/passwd"), "name of dots"),
        (file("./etc/hostname/below", 0o644, b""), "hostname"),
    ] {
        let mut bench = Bench::new();
        let keep = file("./usr/keep", 0o644, long.as_bytes());
        bench.add_bytes(
            "aa",
            &deb(
                &[file("./control", 0o644, b"Package: aa\nVersion: 1\nArchitecture: all\n")],
                &[file("./etc/hostname", 0o644, b"x"), keep, entry],
            ),
        );
        bench.check_error("", &["package aa", expected]);
    }
}

#[test]
fn a_file_through_a_link_stays_in_the_image() {
    let mut bench = Bench::new();
    bench.add("aa", &[], &[directory("./usr/real/"), symlink("./usr/link", "real")]);
    bench.add("bb", &[], &[file("./usr/link/file", 0o644, b"through")]);
    let rootfs = bench.assemble("").unwrap();
    assert_eq!(read(&rootfs, "/usr/real/file"), "through");
}

#[test]
fn names_need_not_be_utf8() {
    let mut tar = deb(
        &[file("./control", 0o644, b"Package: aa\nVersion: 1\nArchitecture: all\n")],
        &[file("./usr/f\u{f6}", 0o644, b"x")],
    );
    let mut bench = Bench::new();
    bench.add_bytes("aa", &std::mem::take(&mut tar));
    let rootfs = bench.assemble("").unwrap();
    let path = TreePath::new("usr/f\u{f6}".as_bytes()).unwrap();
    assert!(rootfs.tree.get(&path).is_some());
    assert_eq!(TreePath::new(b"usr/\xff").unwrap().to_string(), "/usr/\\xff");
}

#[test]
fn two_packages_do_not_share_a_file() {
    let mut bench = Bench::new();
    bench.add("aa", &[], &[file("./usr/x", 0o644, b"1")]);
    bench.add("bb", &[], &[file("./usr/x", 0o644, b"2")]);
    bench.check_error("", &["/usr/x comes with aa and with bb"]);
}

#[test]
fn a_package_must_be_what_the_lock_says() {
    let mut bench = Bench::new();
    let control = file("./control", 0o644, b"Package: aa\nVersion: 2\nArchitecture: all\n");
    bench.add_bytes("aa", &deb(&[control], &[]));
    bench.check_error("", &["says aa 2 all", "lock says aa 1 all"]);
}

#[test]
fn damaged_packages_are_named() {
    let control = file("./control", 0o644, b"Package: aa\nVersion: 1\nArchitecture: all\n");
    let good = deb(&[control], &[file("./usr/a", 0o644, &[5; 4000])]);
    for cut in [0, 7, 70, good.len() / 2, good.len() - 2] {
        let mut bench = Bench::new();
        bench.add_bytes("aa", &good[..cut]);
        bench.check_error("", &["package aa"]);
    }
}

#[test]
fn what_the_manifest_names_in_vain_is_told() {
    let bench = Bench::new();
    bench.check_error("exclude: [/usr/none]", &["/usr/none", "drop it from exclude"]);
    bench.check_error("binaries: {tool: /usr/bin/tool}", &["tool is missing", "--binaries"]);
    let mut small = Bench::new();
    small.manifest = small.manifest.replace("10000000", "1");
    small.check_error("", &["its budget is 1"]);
    let mut modules = Bench::new();
    modules.manifest = modules.manifest.replace("modules: []", "modules: [none]");
    modules.check_error("", &["no module none"]);
}

#[test]
fn a_full_disk_is_told() {
    let mut bench = Bench::new();
    bench.add("aa", &[], &[file("./usr/a", 0o644, &[5; 400_000])]);
    let sha256 = locked("aa").sha256;
    let scratch = bench.folder.path().join(format!("scratch/{sha256}.tar"));
    std::os::unix::fs::symlink("/dev/full", scratch).unwrap();
    bench.check_error("", &["aa", "No space left"]);
}
