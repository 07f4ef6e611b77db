//! Deviations of many kinds, each of which must be told by its cause.

mod machine;

use super::*;
use crate::predict::boot::{PredictedEvent, UkiBoot};
use crate::predict::pe::Pe;
use crate::predict::uki::Uki;
use crate::predict::variable::SecureBoot;
use crate::tpm::extend;
use machine::{Machine, list};

const BANK: Hash = Hash::Sha256;

/// What explains the difference between a machine as it should be and one with a change.
fn explained(change: impl FnOnce(&mut Machine)) -> Vec<String> {
    let mut machine = Machine::new();
    change(&mut machine);
    let found = machine.findings(&Machine::new(), &[], None);
    found.iter().map(|finding| finding.to_string()).collect()
}

/// The same for machines whose secure boot is off.
fn without_secure_boot(change: impl FnOnce(&mut Machine)) -> Vec<String> {
    let mut machine = Machine::without_secure_boot();
    change(&mut machine);
    let found = machine.findings(&Machine::without_secure_boot(), &[], None);
    found.iter().map(|finding| finding.to_string()).collect()
}

/// The same with the log changed, event by event.
fn edited(edit: impl FnOnce(&mut Vec<PredictedEvent>)) -> Vec<String> {
    let machine = Machine::new();
    let mut events = machine.events();
    edit(&mut events);
    let bytes = machine::log(&events);
    let log = EventLog::parse(&bytes).expect("a log");
    let observed = Observed { log: &log, quoted: None, command_line: None, known: &[] };
    let found = machine.predicted(|expected| explain(&observed, expected, BANK));
    found.iter().map(|finding| finding.to_string()).collect()
}

fn check(found: &[String], expected: &[&str]) {
    let told: Vec<&str> =
        found.iter().map(|text| text.split(" (event").next().unwrap_or_default()).collect();
    assert_eq!(told, expected);
}

fn position(events: &[PredictedEvent], pcr: u8, what: &What) -> usize {
    events.iter().position(|event| event.pcr == pcr && event.what == *what).expect("it is there")
}

#[test]
fn a_machine_as_it_should_be_needs_no_explanation() {
    check(&explained(|_| {}), &[]);
}

#[test]
fn programs() {
    check(
        &explained(|machine| machine.kernel = b"other kernel".to_vec()),
        &[
            "PCR 4: the unified kernel image was replaced",
            "PCR 11: the section .linux (kernel) was replaced",
        ],
    );
    check(
        &without_secure_boot(|machine| machine.kernel = b"other kernel".to_vec()),
        &[
            "PCR 4: the unified kernel image was replaced",
            "PCR 4: the kernel was replaced",
            "PCR 11: the section .linux (kernel) was replaced",
        ],
    );
    check(
        &explained(|machine| machine.stub = b"other stub".to_vec()),
        &["PCR 4: the unified kernel image was replaced"],
    );
    check(
        &explained(|machine| machine.loader = Some(b"loader".to_vec())),
        &["PCR 4: another program was started before the image, as a boot loader is"],
    );
    check(
        &explained(|machine| {
            machine.loader = Some(b"loader".to_vec());
            machine.stub = b"other stub".to_vec();
        }),
        &[
            "PCR 4: another program was started before the image, as a boot loader is",
            "PCR 4: the unified kernel image was replaced",
        ],
    );
    check(
        &explained(|machine| machine.options_ended = 1),
        &["PCR 4: another boot option was tried first, and ended"],
    );
    let two = explained(|machine| machine.options_ended = 2);
    check(&two, &["PCR 4: another boot option was tried first, and ended"; 2]);
    check(
        &edited(|events| {
            let at = position(events, 4, &What::Image);
            events.remove(at);
        }),
        &["PCR 4: the unified kernel image is missing"],
    );
    check(
        &edited(|events| {
            let mut tool = events[position(events, 4, &What::Image)].clone();
            tool.digests = BANKS.map(|bank| bank.digest(b"tool"));
            events.push(tool);
        }),
        &["PCR 4: another program was started after it"],
    );
    check(
        &edited(|events| {
            let at = position(events, 4, &What::BootOption);
            events.remove(at);
        }),
        &["PCR 4: the start of a boot option is missing"],
    );
    // A tool ran, its option ended, and the image was started by the next one.
    check(
        &edited(|events| {
            let at = position(events, 4, &What::Image);
            let mut tool = events[at].clone();
            tool.digests = BANKS.map(|bank| bank.digest(b"tool"));
            let ended = machine::word(4, b"Returning from EFI Application from Boot Option");
            let start = machine::word(4, b"Calling EFI Application from Boot Option");
            events.splice(at..at, [tool, ended, start]);
        }),
        &[
            "PCR 4: another boot option was tried first, and ended",
            "PCR 4: another program was started before the image, as a boot loader is",
        ],
    );
}

#[test]
fn loaders_that_are_expected() {
    let mut expected = Machine::new();
    expected.loader = Some(b"loader".to_vec());
    let without = Machine::new().findings(&expected, &[], None);
    assert_eq!(without.len(), 1);
    assert_eq!(without[0].to_string(), "PCR 4: the boot loader is missing");
    let mut other = Machine::new();
    other.loader = Some(b"other loader".to_vec());
    let replaced = other.findings(&expected, &[], None);
    assert_eq!(replaced.len(), 1);
    assert!(replaced[0].to_string().starts_with("PCR 4: the boot loader was replaced"));
}

#[test]
fn separators() {
    for pcr in [4, 7] {
        let error = format!("PCR {pcr}: firmware reports an error by its separator");
        for content in [[0xff; 4], [1, 0, 0, 0]] {
            check(
                &edited(|events| {
                    let at = position(events, pcr, &What::Separator);
                    events[at] = machine::word(pcr, &content);
                }),
                &[&error],
            );
        }
        let missing = format!("PCR {pcr}: the separator is missing");
        check(
            &edited(|events| {
                let at = position(events, pcr, &What::Separator);
                events.remove(at);
            }),
            &[&missing],
        );
        let again = format!("PCR {pcr}: there is also a separator");
        check(&edited(|events| events.push(machine::word(pcr, &[0; 4]))), &[&again]);
    }
}

#[test]
fn secure_boot() {
    check(
        &explained(|machine| {
            machine.secure_boot.is_on = Some(false);
            machine.authority = None;
        }),
        &[
            "PCR 4: another program was started after it",
            "PCR 7: secure boot is off",
            "PCR 7: the certificate that allowed the image is missing",
        ],
    );
    check(
        &explained(|machine| machine.secure_boot.platform_key = list(&[b"other owner"], &[])),
        &["PCR 7: PK gained 1 certificate, lost 1 certificate"],
    );
    check(
        &explained(|machine| machine.secure_boot.platform_key.clear()),
        &["PCR 7: PK lost 1 certificate"],
    );
    check(
        &explained(|machine| {
            machine.secure_boot.key_exchange_keys = list(&[b"kek 1", b"kek 2"], &[]);
        }),
        &["PCR 7: KEK gained 1 certificate"],
    );
    check(
        &explained(|machine| {
            machine.secure_boot.allowed = list(&[b"release key", b"old key", b"intruder"], &[]);
        }),
        &["PCR 7: db gained 1 certificate"],
    );
    check(
        &explained(|machine| machine.secure_boot.allowed = list(&[b"release key"], &[])),
        &["PCR 7: db lost 1 certificate"],
    );
    check(
        &explained(|machine| {
            machine.secure_boot.allowed = list(&[b"old key", b"release key"], &[]);
        }),
        &["PCR 7: db has the same entries in another order or form"],
    );
    check(
        &explained(|machine| {
            machine.secure_boot.forbidden = list(&[], &[[1; 32], [2; 32], [3; 32], [4; 32]]);
        }),
        &["PCR 7: dbx gained 2 digests"],
    );
    check(
        &explained(|machine| machine.secure_boot.forbidden = list(&[], &[[1; 32]])),
        &["PCR 7: dbx lost 1 digest"],
    );
    check(
        &explained(|machine| machine.secure_boot.forbidden.clear()),
        &["PCR 7: dbx lost 2 digests"],
    );
    check(
        &explained(|machine| machine.authority = Some(b"old key".to_vec())),
        &["PCR 7: the certificate that allowed the image was replaced"],
    );
    // Two at once, and a list that cannot be read.
    check(
        &explained(|machine| {
            machine.secure_boot.forbidden.clear();
            machine.secure_boot.allowed.clear();
        }),
        &["PCR 7: db lost 2 certificates", "PCR 7: dbx lost 2 digests"],
    );
    check(
        &explained(|machine| machine.secure_boot.allowed = b"rubbish".to_vec()),
        &["PCR 7: the variable db was replaced"],
    );
}

/// The content that a log claims is believed only if it was measured.
#[test]
fn claimed_contents_that_were_not_measured_are_not_told() {
    let what = What::Variable(crate::predict::variable::SecureBootVariable::Allowed);
    check(
        &edited(|events| {
            let at = position(events, 7, &what);
            events[at].digests = BANKS.map(|bank| bank.digest(b"something else"));
        }),
        &["PCR 7: the variable db was replaced"],
    );
    // The other way round: other data with the right digest changes nothing.
    check(
        &edited(|events| {
            let at = position(events, 7, &what);
            events[at].data = Some(b"something else".to_vec());
        }),
        &[],
    );
}

#[test]
fn command_lines() {
    let told = |command_line: &str, given: Option<&str>| {
        let mut machine = Machine::new();
        machine.command_line = command_line.to_owned();
        let found = machine.findings(&Machine::new(), &[], given);
        found.iter().map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    let image = "PCR 4: the unified kernel image was replaced";
    let other = "root=/dev/dm-0 verity=0 quiet";
    check(
        &told(other, Some(other)),
        &[
            image,
            r#"PCR 9: the command line differs at byte 22: expected "1 quiet", found "0 quiet""#,
            r#"PCR 11: the command line differs at byte 22: expected "1 quiet", found "0 quiet""#,
        ],
    );
    let longer = "root=/dev/dm-0 verity=1 quiet init=/bin/sh";
    check(
        &told(longer, Some(longer)),
        &[
            image,
            r#"PCR 9: the command line differs at byte 29: expected its end, found " init=/bin/sh""#,
            r#"PCR 11: the command line differs at byte 29: expected its end, found " init=/bin/sh""#,
        ],
    );
    // What is given was not measured, or nothing is given.
    for given in [None, Some("root=/dev/dm-0 verity=1"), Some(longer)] {
        check(
            &told(other, given),
            &[
                image,
                "PCR 9: the command line given to the kernel was replaced",
                "PCR 11: the section .cmdline (command line) was replaced",
            ],
        );
    }
}

#[test]
fn sections_and_initrd() {
    let image = "PCR 4: the unified kernel image was replaced";
    check(
        &explained(|machine| machine.sections[0].1 = b"ID=other\n".to_vec()),
        &[
            image,
            "PCR 9: the initrd given to the kernel was replaced",
            "PCR 11: the section .osrel (os-release) was replaced",
        ],
    );
    check(
        &explained(|machine| machine.sections.retain(|(name, _)| *name != ".uname")),
        &[image, "PCR 11: the section .uname (kernel version) is missing"],
    );
    check(
        &explained(|machine| machine.sections.push((".splash", b"picture".to_vec()))),
        &[image, "PCR 11: the image has one more section, .splash"],
    );
    check(
        &explained(|machine| machine.initrd = b"other initrd".to_vec()),
        &[
            image,
            "PCR 9: the initrd given to the kernel was replaced",
            "PCR 11: the section .initrd (initrd) was replaced",
        ],
    );
    // Only what was handed over: the stub added a file from beside the image.
    check(
        &edited(|events| {
            let at = position(events, 9, &What::Initrd);
            events[at].digests = BANKS.map(|bank| bank.digest(b"initrd and credentials"));
        }),
        &["PCR 9: the initrd given to the kernel was replaced"],
    );
    check(
        &edited(|events| {
            let at = position(events, 9, &What::LoadOptions);
            events.remove(at);
        }),
        &["PCR 9: the command line given to the kernel is missing"],
    );
}

#[test]
fn what_is_added_beside_the_image() {
    let wide: Vec<u8> = "debug".encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    for pcr in [12, 13, 14] {
        let text = match pcr {
            12 => "a command line from beside the image, \"debug\"",
            _ => "something beside the image: the text \"debug\"",
        };
        let text = format!("PCR {pcr}: extended with {text}");
        check(&edited(|events| events.push(machine::word(pcr, &wide))), &[&text]);
        let claimed = format!(
            "PCR {pcr}: extended with something beside the image: something that claims to be EV_IPL"
        );
        check(&edited(|events| events.push(machine::word(pcr, &[0, 0xff, 1]))), &[&claimed]);
    }
}

#[test]
fn other_releases_are_recognized() {
    let mut old = Machine::new();
    old.kernel = b"old kernel".to_vec();
    old.sections[0].1 = b"VERSION=41\n".to_vec();
    let found = old.predicted(|prediction| {
        old.findings(&Machine::new(), &[Known { label: "41", prediction }], None)
    });
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    check(
        &told,
        &[
            "PCR 4: the unified kernel image is that of release 41",
            "PCR 9: the initrd given to the kernel is that of release 41",
            "PCR 11: the section .linux (kernel) is that of release 41",
            "PCR 11: the section .osrel (os-release) is that of release 41",
        ],
    );
}

#[test]
fn quoted_values_that_the_log_does_not_give() {
    let machine = Machine::new();
    let bytes = machine::log(&machine.events());
    let log = EventLog::parse(&bytes).expect("a log");
    let replayed = log.replay(BANK).expect("the bank");
    let told = |quoted: &PcrValues| {
        let observed = Observed { log: &log, quoted: Some(quoted), command_line: None, known: &[] };
        let found = machine.predicted(|expected| explain(&observed, expected, BANK));
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let with_phases = |words: &[&str]| {
        let mut quoted = replayed.clone();
        let value = words.iter().fold(*quoted.get(BANK, 11).expect("PCR 11"), |value, word| {
            extend(&value, BANK.digest(word.as_bytes()).as_bytes())
        });
        quoted.set(11, value);
        quoted
    };
    check(&told(&with_phases(&["sysinit", "ready"])), &[]);
    let phases = "PCR 11: the system has gone through";
    check(&told(&with_phases(&["sysinit"])), &[&format!("{phases} 1 of 2 phases")]);
    check(&told(&replayed), &[&format!("{phases} 0 of 2 phases")]);
    let hidden = "the quoted value is not what the log gives: events are hidden";
    check(&told(&with_phases(&["ready"])), &[&format!("PCR 11: {hidden}")]);
    for pcr in [4, 7, 9, 12] {
        let mut quoted = with_phases(&["sysinit", "ready"]);
        quoted.set(pcr, BANK.digest(b"another value"));
        check(&told(&quoted), &[&format!("PCR {pcr}: {hidden}")]);
    }
}

#[test]
fn banks_that_are_not_there() {
    let machine = Machine::new();
    let bytes = machine::log(&machine.events());
    let log = EventLog::parse(&bytes).expect("a log");
    let observed = Observed { log: &log, quoted: None, command_line: None, known: &[] };
    for bank in [Hash::Sha1, Hash::Sha512] {
        let found = machine.predicted(|expected| explain(&observed, expected, bank));
        let cause = Cause::NoBank { bank };
        assert_eq!(found, [Finding { pcr: None, event: None, cause }]);
    }
    let found = machine.predicted(|expected| explain(&observed, expected, Hash::Sha384));
    assert_eq!(found, []);
}

/// The log of a machine as it should be satisfies the expectations that are made from the prediction,
/// and each deviation above does not.
#[test]
fn predictions_are_expectations_too() {
    let machine = Machine::new();
    let bytes = machine::log(&machine.events());
    let log = EventLog::parse(&bytes).expect("a log");
    machine.predicted(|prediction| {
        for bank in BANKS {
            let replayed = log.replay(bank).expect("the bank");
            let values = prediction.values(bank);
            for pcr in [4, 7, 9, 12, 13, 14] {
                assert_eq!(values.get(bank, pcr), replayed.get(bank, pcr), "PCR {pcr}");
            }
            // The system's phases come after the log.
            assert_ne!(values.get(bank, 11), replayed.get(bank, 11));
        }
        assert_eq!(prediction.values(Hash::Sha1).count(), 0);
    });
}

fn boot<'a>(
    uki: &'a Uki<'a>,
    initrd: &'a [u8],
    secure_boot: &'a SecureBoot,
    loader: Option<&'a Pe<'a>>,
) -> UkiBoot<'a> {
    UkiBoot {
        uki,
        secure_boot,
        authority: None,
        options_ended: 0,
        loader,
        initrd,
        phases: &["sysinit", "ready"],
    }
}
