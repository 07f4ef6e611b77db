//! The manifests of the clone, and what is refused.

use super::*;

const SMALL: &str = "
image: small
purpose: for tests
kernel: {package: linux-image-amd64, modules: [], initrd_modules: [], command_line: [quiet]}
packages: [systemd]
omit: {debconf: nothing asks}
rootfs: guestos/rootfs
units: {enable: [a.service], mask: [b.service]}
budget: {root_bytes_max: 1, payload_bytes_max: 1}
dev: {packages: [bash, debconf], units: {enable: [b.service]}, command_line: [console=ttyS0]}
";

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(text, Path::new("small.yaml")).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })
}

fn check_error(from: &str, to: &str, expected: &str) {
    assert!(SMALL.contains(from), "{from}");
    let error = parse(&SMALL.replacen(from, to, 1)).unwrap_err();
    assert!(error.contains(expected), "{expected}: {error}");
}

#[test]
fn a_variant_has_its_additions() {
    let manifest = parse(SMALL).unwrap();
    assert_eq!(manifest.name(Variant::Production), "small");
    assert_eq!(manifest.name(Variant::Dev), "small-dev");
    let dev = manifest.variant(Variant::Dev);
    assert!(dev.packages.contains("bash") && !dev.omit.contains_key("debconf"));
    assert!(dev.units.enable.contains("b.service") && dev.units.mask.is_empty());
    assert_eq!(dev.kernel.command_line, ["quiet", "console=ttyS0"]);
    let production = manifest.variant(Variant::Production);
    assert!(!production.packages.contains("bash") && production.dev.packages.is_empty());
}

#[test]
fn unknown_fields_are_refused_by_name() {
    check_error("purpose:", "prupose:", "prupose");
    check_error("modules: []", "moduls: []", "moduls");
    check_error("dev: {", "dev: {unit: x, ", "unit");
    check_error("omit:", "packages: [x]\nomit:", "packages");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    check_error("image: small", "image: Small OS", "no name of an image");
    check_error("nothing asks", "''", "say for which reason debconf");
    check_error("[systemd]", "[systemd, debconf]", "both installed and omitted");
    check_error("guestos/rootfs", "../rootfs", "below the root of the clone");
    check_error("guestos/rootfs", "/etc", "below the root of the clone");
    check_error("[quiet]", "[root=/dev/vda]", "comes from the builder");
    check_error("[quiet]", "['a b']", "not one word");
    check_error("mask: [b.service]", "mask: [a.service]", "both enabled and masked");
    check_error("rootfs:", "exclude: [usr/share]\nrootfs:", "begin with /");
    check_error("rootfs:", "directories: {/a: '0999'}\nrootfs:", "no octal mode");
    check_error("rootfs:", "links: {/a/../b: c}\nrootfs:", "links");
    check_error("rootfs:", "inputs: {ovmf: {reason: ''}}\nrootfs:", "reason ovmf is needed");
    let firmware = "command_line: [quiet], firmware: {package: fw, path: /x}";
    check_error("command_line: [quiet]", firmware, "/x of fw is used: name it in inputs");
    let file = "package_files: {/a: {package: fw, path: x}}\nrootfs:";
    check_error("rootfs:", file, "begin with /");
    check_error("command_line: [quiet]", "command_line: [quiet], init: a", "name one of the two");
    check_error("[quiet]", "[plinth.payload=0]", "comes from the builder");
    check_error("rootfs:", "allow: {scripts: {/a: ' '}}\nrootfs:", "reason /a");
}

#[test]
fn files_of_inputs_and_programs_are_known() {
    let text = SMALL
        .replace("[quiet]", "[quiet], init: first, stub: {package: boot, path: /stub}")
        .replace(
            "rootfs:",
            "inputs: {boot: {reason: x}, fw: {reason: x}}\nbinaries: {agent: /usr/bin/agent}\n\
             package_files: {/fw: {package: fw, path: /f}}\nrootfs:",
        );
    let manifest = parse(&text).unwrap();
    assert_eq!(Vec::from_iter(manifest.programs()), ["agent", "first"]);
    let files: Vec<_> = manifest.input_files().into_iter().map(|file| &file.path).collect();
    assert_eq!(files, ["/stub", "/f"]);
}
