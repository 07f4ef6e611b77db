//! HostOS and SetupOS: firmware, TPM, unified kernel image, verity root, systemd; and every PCR as predicted.

use attestation::crypto::{Digest, Hash};
use attestation::event_log::EventLog;
use attestation::predict::boot::{BANKS, PREDICTED, Prediction, UkiBoot};
use attestation::predict::uki::Uki;
use attestation::predict::variable::SecureBoot;
use boot_tests::images::{self, Images};
use boot_tests::machine::{Machine, STARTED, Starter, assert_up};
use boot_tests::tpm::Tpm;
use std::path::Path;

/// The firmware of Debian's package `ovmf`: the machine's own, and no part of an image.
const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// Variables without keys: secure boot is off.
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// What systemd measures on its way. Our init measures nothing of its own (docs/decisions/088).
const PHASES: [&str; 2] = ["sysinit", "ready"];
/// PCRs that depend on machine and disk, and are the same at every start of the same ones.
const LEARNT: [u8; 7] = [0, 1, 2, 3, 5, 6, 8];
/// Modules that a machine with one disk and one network card may load; it loads 30.
const LOADED_MODULES_MAX: usize = 40;

fn start(images: &Images, image: &str, tpm: &Tpm) -> Machine {
    let (code, variables) = (Path::new(CODE), Path::new(VARIABLES));
    assert!(code.is_file(), "{CODE} is missing; `cargo xtask setup` installs it");
    Machine::start(&Starter::Firmware { code, variables, tpm }, &images.disk(image))
}

fn prediction(images: &Images, image: &str) -> Prediction {
    let bytes = images.read(image, "efi");
    let uki = Uki::parse(&bytes).expect("our own image");
    let initrd = uki.initrd_by_stub();
    let boot = UkiBoot {
        uki: &uki,
        secure_boot: &SecureBoot { is_on: Some(false), ..SecureBoot::default() },
        authority: None,
        options_ended: 0,
        loader: None,
        initrd: &initrd,
        phases: &PHASES,
    };
    Prediction::of(&boot).expect("our own image")
}

/// Starts an image, checks what it is and measures, and gives the PCRs that were not predicted.
fn check(images: &Images, image: &str, root: &str) -> Vec<Digest> {
    let tpm = Tpm::start();
    let machine = start(images, image, &tpm);
    let console = machine.wait_for(STARTED);
    assert_up(&console, root, &images.built(image).root_hash);
    let prediction = prediction(images, image);
    for bank in BANKS {
        let values = prediction.values(bank);
        for pcr in PREDICTED {
            let (expected, found) = (values.get(bank, pcr), tpm.pcr(bank, pcr));
            assert_eq!(expected, Some(&found), "PCR {pcr} of {image}, {bank:?}");
        }
    }
    BANKS.iter().flat_map(|bank| LEARNT.map(|pcr| tpm.pcr(*bank, pcr))).collect()
}

#[test]
fn hostos_is_what_was_predicted_at_every_start() {
    let images = images::production();
    let first = check(&images, "hostos", "root-a (vda2)");
    assert_eq!(first, check(&images, "hostos", "root-a (vda2)"));
}

#[test]
fn setupos_is_what_was_predicted() {
    check(&images::production(), "setupos", "root (vda2)");
}

/// The development variant has a console, which can say what no one sees from outside.
#[test]
fn the_firmwares_log_is_what_the_tpm_holds() {
    let images = images::development();
    let tpm = Tpm::start();
    let mut machine = start(&images, "hostos-dev", &tpm);
    assert_up(&machine.wait_for(STARTED), "root-a (vda2)", &images.built("hostos-dev").root_hash);
    machine.wait_for_shell();
    // The kernel's own messages would come between.
    machine.type_line("echo 1 > /proc/sys/kernel/printk");
    let mut say = |name: &str, command: &str| -> String {
        machine.type_line(&format!("echo; echo {name}-'BEGIN'; {command}; echo {name}-'END'"));
        let console = machine.wait_for(&format!("{name}-END"));
        let (_, text) = console.split_once(&format!("{name}-BEGIN")).expect("it was said");
        text.split_once(&format!("{name}-END")).expect("it was waited for").0.trim().to_owned()
    };
    let mounts = say("MOUNTS", "cat /proc/mounts");
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/"));
    assert!(root.is_some_and(|line| line.starts_with("/dev/dm-0 / erofs ro,")), "{mounts}");
    nothing_listens(&mut say);
    few_modules_are_loaded(&mut say);
    let log = say("LOG", "base64 -w 100 /sys/kernel/security/tpm0/binary_bios_measurements");
    let log = decoded(&log);
    let log = EventLog::parse(&log).expect("a log");
    let prediction = prediction(&images, "hostos-dev");
    for bank in BANKS {
        let replayed = log.replay(bank).expect("the log has both banks");
        for pcr in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14] {
            let replayed = replayed.get(bank, pcr).cloned().unwrap_or(Digest::zero(bank));
            assert_eq!(replayed, tpm.pcr(bank, pcr), "PCR {pcr}, {bank:?}");
        }
        events_are_those_predicted(&log, &prediction, bank);
    }
}

/// No port waits for the network, and the filter drops what nobody asked for.
fn nothing_listens(say: &mut impl FnMut(&str, &str) -> String) {
    // States of a socket in the kernel's tables (proc_net_tcp): a datagram socket that has no peer has the second.
    const LISTENING: &str = "0A";
    const NO_PEER: &str = "07";
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let open = say(&table.to_uppercase(), &format!("cat /proc/net/{table}"));
        let mut lines = open.lines();
        let columns = lines.next().unwrap_or_default();
        assert!(columns.split_whitespace().nth(3) == Some("st"), "{open}");
        let waits = if table.starts_with("tcp") { LISTENING } else { NO_PEER };
        for line in lines {
            assert_ne!(line.split_whitespace().nth(3), Some(waits), "{table}: {line}");
        }
    }
    let rules = say("RULES", "nft list ruleset");
    assert!(rules.contains("type filter hook input priority filter; policy drop;"), "{rules}");
}

/// Only what the image loads at once and what the machine's devices ask for.
fn few_modules_are_loaded(say: &mut impl FnMut(&str, &str) -> String) {
    let modules = say("MODULES", "cat /proc/modules");
    let names: Vec<_> = modules.lines().filter_map(|line| line.split(' ').next()).collect();
    println!("{} kernel modules are loaded", names.len());
    assert!(names.contains(&"dm_verity") && names.contains(&"virtio_net"), "{modules}");
    // The image has them, and this machine has nothing that needs them.
    for unneeded in ["bnxt_en", "igb", "ipmi_si", "mlx5_core", "vhost_net", "xhci_pci"] {
        assert!(!names.contains(&unneeded), "{unneeded} is loaded: {modules}");
    }
    assert!(names.len() <= LOADED_MODULES_MAX, "{modules}");
}

/// Event by event, which says more than a value if it fails.
fn events_are_those_predicted(log: &EventLog, prediction: &Prediction, bank: Hash) {
    for pcr in [4_u8, 7, 9, 11] {
        let of_pcr =
            log.events().iter().filter(|event| event.pcr == u32::from(pcr) && event.is_extended());
        let found: Vec<_> = of_pcr.filter_map(|event| event.digest(bank).cloned()).collect();
        let expected = prediction.expected(pcr).events;
        assert_eq!(found.len(), expected.len(), "events of PCR {pcr}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(expected.allowed.contains(found), "{} of PCR {pcr}, {bank:?}", expected.name);
        }
    }
}

/// Base 64 as `base64` prints it.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let at = LETTERS.iter().position(|known| *known == letter);
        bits = bits << 6 | at.unwrap_or_else(|| panic!("{letter} in {text}")) as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}
