use super::*;
use crate::pe::tests::sample;

/// A stub: the sample with the mark of systemd.
pub(crate) fn stub() -> Vec<u8> {
    let mut image = sample();
    let pe = Pe::parse(&image).unwrap();
    let mark = NewSection { name: ".sdmagic", data: b"#### x ####", characteristics: READ };
    pe.append(&mut image, &[mark], true).unwrap();
    image
}

pub(crate) fn kernel() -> Vec<u8> {
    let mut kernel = sample();
    kernel[KERNEL_MARK_AT..KERNEL_MARK_AT + 4].copy_from_slice(b"HdrS");
    kernel
}

/// A whole image.
pub(crate) fn image() -> Vec<u8> {
    assemble(&stub(), &Parts { linux: &kernel(), ..PARTS }).unwrap()
}

const PARTS: Parts = Parts {
    os_release: "ID=plinth\n",
    command_line: "console=ttyS0 quiet",
    initrd: &[7; 5_000],
    uname: "6.12.118+deb13-amd64",
    linux: &[],
};

#[test]
fn sections_are_found_again() {
    let kernel = kernel();
    let image = assemble(&stub(), &Parts { linux: &kernel, ..PARTS }).unwrap();
    let pe = Pe::parse(&image).unwrap();
    let data = |name: &str| &image[pe.section(name).unwrap().data.clone()];
    assert_eq!(data(".osrel"), b"ID=plinth\n");
    assert_eq!(data(".cmdline"), b"console=ttyS0 quiet");
    assert_eq!(data(".initrd"), [7; 5_000]);
    assert_eq!(data(".uname"), b"6.12.118+deb13-amd64");
    assert_eq!(data(".linux"), kernel);
    assert_eq!(data(".sbat"), b"sbat,1\n");
    let names: Vec<&str> = pe.sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names[3..], SECTIONS);
}

#[test]
fn the_flag_follows_the_kernel() {
    let mut kernel = kernel();
    kernel[88 + 71] = 0;
    let image = assemble(&stub(), &Parts { linux: &kernel, ..PARTS }).unwrap();
    assert!(!Pe::parse(&image).unwrap().nx_compatible);
}

fn check(stub: &[u8], parts: &Parts, expected: &str) {
    let error = assemble(stub, parts).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_makes_no_image_is_refused() {
    let (stub, kernel) = (stub(), kernel());
    let parts = Parts { linux: &kernel, ..PARTS };
    check(b"MZ", &parts, "stub cannot be used");
    check(&sample(), &parts, "none of systemd");
    check(&assemble(&stub, &parts).unwrap(), &parts, "an image already");
    check(&[&stub[..], &[0; 512]].concat(), &parts, "after its last section");
    check(&stub, &Parts { linux: &sample(), ..PARTS }, "kernel cannot be started");
    for command_line in ["", "a\nb", " a", "a\0", "ä"] {
        check(&stub, &Parts { command_line, ..parts }, "command line");
    }
    check(&stub, &Parts { command_line: &"x".repeat(2_048), ..parts }, "2,047");
    check(&stub, &Parts { uname: &"6".repeat(64), ..parts }, "kernel release");
    check(&stub, &Parts { os_release: "ID=x", ..parts }, "os-release");
    check(&stub, &Parts { initrd: &[], ..parts }, "initrd is empty");
}

/// `objdump` and `objcopy` of binutils see the same sections.
#[test]
fn binutils_find_the_sections() {
    let (kernel, dir) = (kernel(), tempfile::tempdir().unwrap());
    let (image_path, out) = (dir.path().join("image.efi"), dir.path().join("out"));
    std::fs::write(&image_path, assemble(&stub(), &Parts { linux: &kernel, ..PARTS }).unwrap())
        .unwrap();
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let output = std::process::Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let listing = run("objdump", &["-h".as_ref(), image_path.as_os_str()]);
    assert!(listing.contains("file format pei-x86-64"), "{listing}");
    let contents: [&[u8]; 4] = [b"ID=plinth\n", b"console=ttyS0 quiet", &[7; 5_000], &kernel];
    for (name, content) in [".osrel", ".cmdline", ".initrd", ".linux"].into_iter().zip(contents) {
        let dump = format!("--dump-section={name}={}", out.display());
        run("objcopy", &[dump.as_ref(), image_path.as_os_str(), "/dev/null".as_ref()]);
        // What is dumped ends with the padding of the file.
        let dumped = std::fs::read(&out).unwrap();
        let (data, padding) = dumped.split_at(content.len());
        assert!(data == content && padding.iter().all(|byte| *byte == 0), "{name}");
    }
}
