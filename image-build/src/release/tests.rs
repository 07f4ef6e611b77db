//! A small release made by the real writers: a guest that is booted directly, and a machine with a unified
//! kernel, whose disk carries the guest.

use super::*;
use crate::build::{Artifact, Contents};
use crate::lock::{FORMAT, LockedImage, LockedIndex, LockedPackage, LockedToolchain};
use crate::payload;
use crate::rootfs::Unpacked;
use crate::sbom::Bill;
use crate::sbom::crates::Crate;
use crate::tree::{Content, Meta, Tree, TreePath};
use crate::verity::{HashTree, Salt};
use crate::{archive::Control, cpio, disk, erofs, fat, uki};
use sha2::{Digest as _, Sha256};

const FIRMWARE: &[u8] = include_bytes!("../../../attestation/vectors/launch/guest-firmware.bin");
const TIME_S: u64 = 1_750_000_000;

/// Where a release and the clone that it came from are.
pub(crate) struct Made {
    pub folder: tempfile::TempDir,
    pub clone: tempfile::TempDir,
    pub release: Release,
}

pub(crate) fn naming() -> Naming {
    let version = |text| Version::parse(text).unwrap();
    Naming { version: version("1.4.0"), security_version: 3, upgrade_from: version("1.2.0") }
}

/// Builds the whole release.
pub(crate) fn made() -> Made {
    let (folder, clone) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let crates = [Crate {
        name: "serde".into(),
        version: "1.0.1".into(),
        sha256: "5".repeat(64),
        licence: Some("MIT".into()),
        binaries: vec!["replica".into()],
    }];
    let lock = lock();
    fs::create_dir(clone.path().join("image-build")).unwrap();
    fs::write(lock_path(clone.path()), lock.text()).unwrap();
    fs::write(crates_path(clone.path()), crate::sbom::crates::text(&crates)).unwrap();
    image("guestos", folder.path(), &lock, &crates);
    image("setupos", folder.path(), &lock, &crates);
    let release = make(folder.path(), clone.path(), &["guestos", "setupos"], naming()).unwrap();
    write_manifest(&release, &folder.path().join(RELEASE_FILE)).unwrap();
    Made { folder, clone, release }
}

fn package(name: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1:2+x".into(),
        architecture: "amd64".into(),
        suite: "trixie".into(),
        path: format!("pool/{name}.deb"),
        size: 1,
        sha256: hex::encode(Sha256::digest(name)),
        source: name.into(),
        source_version: "2+x".into(),
    }
}

fn lock() -> Lock {
    let image = |install: &[&str]| LockedImage {
        request_sha256: "1".repeat(64),
        kernel: "linux".into(),
        install: install.iter().map(|name| (*name).to_owned()).collect(),
        inputs: vec!["ovmf".into()],
    };
    Lock {
        format: FORMAT,
        time_s: TIME_S,
        indexes: vec![LockedIndex {
            suite: "trixie".into(),
            area: "debian".into(),
            date: "2025-06-15T15:06:40Z".into(),
            release_sha256: "2".repeat(64),
            packages_sha256: "3".repeat(64),
            signed_by: vec![],
        }],
        images: [("guestos", image(&["libc6", "systemd"])), ("setupos", image(&["systemd"]))]
            .map(|(name, image)| (name.to_owned(), image))
            .into(),
        toolchain: LockedToolchain { request_sha256: "4".repeat(64), packages: vec![] },
        packages: ["libc6", "linux", "ovmf", "systemd"].map(package).into(),
    }
}

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

/// Bytes that hardly compress, the same in each run.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

fn root(seed: u64) -> Tree {
    let mut tree = Tree::new(TIME_S);
    for folder in ["etc", "usr", "usr/lib"] {
        tree.add_directory(path(folder), Meta::root(0o755)).unwrap();
    }
    for (name, length) in [("etc/os-release", 60), ("usr/lib/libc.so", 90_000), ("usr/lib/x", 300)]
    {
        let content = Content::bytes(noise(length, seed + length as u64));
        tree.add_file(path(name), Meta::root(0o644), content).unwrap();
    }
    let replica = Content::bytes(noise(400_000, seed));
    tree.add_file(path("usr/replica"), Meta::root(0o755), replica).unwrap();
    tree
}

fn initrd() -> Vec<u8> {
    let mut tree = Tree::new(0);
    tree.add_file(path("init"), Meta::root(0o755), Content::bytes(noise(9_000, 4))).unwrap();
    let mut archive = Vec::new();
    cpio::write(&tree, &mut archive).unwrap();
    zstd::bulk::compress(&archive, 3).unwrap()
}

fn create(path: &Path) -> File {
    fs::File::options().read(true).write(true).create_new(true).open(path).unwrap()
}

fn image(name: &str, folder: &Path, lock: &Lock, crates: &[Crate]) {
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    let options = erofs::Options { label: "plinth-root".into(), last: vec![path("usr/replica")] };
    let tree = root(name.len() as u64);
    erofs::Plan::new(&tree, &options).unwrap().write(&mut create(&file("root.erofs"))).unwrap();
    let data = File::open(file("root.erofs")).unwrap();
    let hashes = HashTree::of(&data, Salt::of(&format!("{name}/root")), 2).unwrap();
    hashes.write(&mut create(&file("root.verity"))).unwrap();
    let root_hash = hex::encode(hashes.root_hash);
    let mut command_line = format!("console=ttyS0 plinth.roothash={root_hash}");
    if name == "guestos" {
        let mut archive = Tree::new(0);
        let parts = [
            ("cmdline", command_line.clone().into_bytes()),
            ("initrd", initrd()),
            ("kernel", noise(20_000, 8)),
        ];
        for (name, bytes) in parts {
            archive.add_file(path(name), Meta::root(0o644), Content::bytes(bytes)).unwrap();
        }
        cpio::write(&archive, &mut create(&file("boot.cpio"))).unwrap();
        fs::write(file("firmware.fd"), FIRMWARE).unwrap();
    } else {
        let mut carried = Tree::new(TIME_S);
        for ending in ["guestos.json", "guestos.payload"] {
            let content = Content::file(&folder.join(ending)).unwrap();
            carried.add_file(path(ending), Meta::root(0o644), content).unwrap();
        }
        let options = erofs::Options { label: "plinth-payload".into(), last: vec![] };
        let plan = erofs::Plan::new(&carried, &options).unwrap();
        plan.write(&mut create(&file("carried.erofs"))).unwrap();
        let sha256 = digest_of(&file("carried.erofs")).unwrap().sha256;
        command_line = format!("console=ttyS0 plinth.payload={sha256} plinth.roothash={root_hash}");
        let parts = uki::Parts {
            os_release: "ID=plinth\n",
            command_line: &command_line,
            initrd: &initrd(),
            uname: "6.12.1",
            linux: &uki::tests::kernel(),
        };
        let unified = uki::assemble(&uki::tests::stub(), &parts).unwrap();
        fs::write(file("efi"), &unified).unwrap();
        let mut esp = Tree::new(TIME_S);
        for folder in ["EFI", "EFI/BOOT"] {
            esp.add_directory(path(folder), Meta::root(0o755)).unwrap();
        }
        let program = path("EFI/BOOT/BOOTX64.EFI");
        esp.add_file(program, Meta::root(0o644), Content::bytes(unified)).unwrap();
        fat::write(&esp, "PLINTH-ESP", 5 << 20, &mut create(&file("esp"))).unwrap();
    }
    let contents = Contents::in_folder(folder, name).unwrap();
    let mut compressed = create(&file("disk.zst"));
    let by_label = contents.by_label().unwrap();
    disk::write_compressed(contents.table, &by_label, None, 2, &mut compressed).unwrap();
    payload::write(&contents.payload(), 2, &mut create(&file("payload"))).unwrap();
    bills(name, folder, lock, crates);
    let endings = [
        "boot.cpio",
        "carried.erofs",
        "cdx.json",
        "disk.zst",
        "efi",
        "esp",
        "firmware.fd",
        "payload",
        "root.erofs",
        "root.verity",
        "spdx.json",
    ];
    let artifact = |ending: &&str| -> Option<Artifact> {
        let name = format!("{name}.{ending}");
        file(ending).exists().then(|| crate::build::artifact(&name, &file(ending)).unwrap())
    };
    let built = Built {
        image: name.into(),
        lock_sha256: lock.sha256(),
        origin: Origin::Locked {
            toolchain_sha256: "a".repeat(64),
            source_sha256: "b".repeat(64),
            crates_sha256: "c".repeat(64),
        },
        root_hash,
        command_line: Some(command_line),
        kernel_version: "6.12.1".into(),
        package_count: 2,
        content_bytes: 490_360,
        program_count: 1,
        module_count: 0,
        artifacts: endings.iter().filter_map(artifact).collect(),
    };
    fs::write(file("json"), crate::build::description(&built)).unwrap();
}

fn bills(name: &str, folder: &Path, lock: &Lock, crates: &[Crate]) {
    let locked = &lock.images[name];
    let names = locked.install.iter().chain([&locked.kernel]).chain(&locked.inputs);
    let packages: Vec<&LockedPackage> = names.map(|name| lock.package(name).unwrap()).collect();
    let unpacked: Vec<Unpacked> = packages
        .iter()
        .map(|package| Unpacked {
            package: package.name.clone(),
            control: Control::default(),
            copyright: Some(b"plain words".to_vec()),
            entry_count: 1,
            stripped: Vec::new(),
        })
        .collect();
    let bill = Bill::of(name, (lock.sha256(), TIME_S), &packages, &unpacked, crates);
    fs::write(folder.join(format!("{name}.spdx.json")), bill.spdx()).unwrap();
    fs::write(folder.join(format!("{name}.cdx.json")), bill.cyclonedx()).unwrap();
}

#[test]
fn a_manifest_names_every_file() {
    let made = made();
    let read = read(made.folder.path()).unwrap();
    assert_eq!(read, made.release);
    let mut listed: Vec<String> = read.all_files().map(|(name, _)| name.to_owned()).collect();
    listed.push(RELEASE_FILE.to_owned());
    listed.sort();
    let mut there: Vec<String> = fs::read_dir(made.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(listed, there);
    let guest = &read.images["guestos"];
    let launch = guest.launch_digests.as_ref().unwrap();
    assert_eq!(launch.command_line, guest.command_line);
    let setup = read.images["setupos"].measurements.as_ref().unwrap();
    assert_eq!(
        setup.pcrs.iter().map(|value| value.pcr).collect::<Vec<_>>(),
        [4, 7, 9, 11, 12, 13, 14]
    );
    let shown = text(&read);
    for expected in
        ["release 1.4.0", "upgrades from     1.2.0", "guestos.payload", "EPYC-Milan", "PCRs"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(made.clone.path().exists());
}

/// The manifest's form of measurements and that of `measure` are one: nothing is lost or renamed.
#[test]
fn measurements_are_carried_whole() {
    let made = made();
    let unified = fs::read(made.folder.path().join("setupos.efi")).unwrap();
    let measured = measure::measurements(&unified, &measure::Conditions::default()).unwrap();
    let kept: Measurements = carried(&measured);
    assert_eq!(serde_json::to_value(&kept).unwrap(), serde_json::to_value(&measured).unwrap());
    let back: measure::Measurements =
        serde_json::from_value(serde_json::to_value(&kept).unwrap()).unwrap();
    assert_eq!(back, measured);
    assert!(back.prediction().is_ok());
}

#[test]
fn what_makes_no_release_is_refused() {
    let made = made();
    let folder = made.folder.path();
    let refused =
        |images: &[&str]| chain(&make(folder, made.clone.path(), images, naming()).unwrap_err());
    assert!(refused(&["hostos"]).contains("build it there with `plinth image build hostos`"));
    let newer = Naming { upgrade_from: Version::parse("2.0.0").unwrap(), ..naming() };
    let error = make(folder, made.clone.path(), &["guestos"], newer).unwrap_err();
    assert!(error.to_string().contains("newer than the release"), "{error}");
    let root = folder.join("guestos.root.erofs");
    let mut bytes = fs::read(&root).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&root, &bytes).unwrap();
    assert!(refused(&["guestos"]).contains("guestos.root.erofs is not what its description says"));
    let lock = lock_path(made.clone.path());
    fs::write(
        &lock,
        fs::read_to_string(&lock).unwrap().replace("time_s: 1750000000", "time_s: 1750000001"),
    )
    .unwrap();
    assert!(refused(&["setupos"]).contains("another lock"));
}
