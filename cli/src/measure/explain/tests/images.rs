//! What was started: another image, another part of it, something before or beside it.

use super::boots::*;
use super::*;

const OTHER_LINE: &str = "console=ttyS0 panic=-1 quiet init=/bin/sh";

#[test]
fn real_boots_are_as_expected() {
    for name in ["plain", "secure-boot", "systemd-boot"] {
        check(name, &Given::default(), |_| {}, &[]);
        let sha384 = Given { more: vec!["--bank", "sha384"], ..Given::default() };
        check(name, &sha384, |_| {}, &[]);
    }
}

#[test]
fn command_line_lengthened() {
    let given = Given { more: vec!["--command-line", OTHER_LINE], ..Given::default() };
    check(
        "plain",
        &given,
        |boot| boot.change_command_line(OTHER_LINE),
        &[r#"the command line differs at byte 28: expected its end, found " init=/bin/sh""#],
    );
}

/// The same cause in two PCRs is one, found in two places.
#[test]
fn command_line_is_told_once() {
    let mut boot = Boot::real("plain");
    let expected = expected(&boot, false);
    boot.change_command_line(OTHER_LINE);
    let given = Given { more: vec!["--command-line", OTHER_LINE], ..Given::default() };
    let text = told(&boot.whole_log(), &expected, &given).unwrap().as_text();
    let wanted = "\
deviates from expected.json, sha256, for one cause:
1. the command line differs at byte 28: expected its end, found \" init=/bin/sh\"
   in PCR 11 (event 27), PCR 9 (event 35)
   so also PCR 4: the unified kernel image was replaced (event 21)
";
    assert!(text.starts_with(wanted), "{text}");
}

#[test]
fn command_line_changed_inside() {
    let other = "console=ttyS1 panic=-1 quiet";
    let given = Given { more: vec!["--command-line", other], ..Given::default() };
    let wanted = r#"the command line differs at byte 12: expected "0 panic=-1 quiet", found "1 panic=-1 quiet""#;
    check("plain", &given, |boot| boot.change_command_line(other), &[wanted]);
}

#[test]
fn command_line_shortened() {
    let other = "console=ttyS0 panic=-1";
    let given = Given { more: vec!["--command-line", other], ..Given::default() };
    let wanted = r#"the command line differs at byte 22: expected " quiet", found its end"#;
    check("plain", &given, |boot| boot.change_command_line(other), &[wanted]);
}

#[test]
fn command_line_that_nobody_knows() {
    let wanted = "the section .cmdline (command line) was replaced";
    plain(|boot| boot.change_command_line(OTHER_LINE), &[wanted]);
    // One that is given, but was not measured, is not believed.
    let given = Given { more: vec!["--command-line", "quiet"], ..Given::default() };
    check("plain", &given, |boot| boot.change_command_line(OTHER_LINE), &[wanted]);
}

/// What follows from a cause is told with it, and not as a cause.
#[test]
fn consequences_stand_below_their_cause() {
    let mut boot = Boot::real("plain");
    let expected = expected(&boot, false);
    boot.change_command_line(OTHER_LINE);
    let text = told(&boot.whole_log(), &expected, &Given::default()).unwrap().as_text();
    let wanted = "\
deviates from expected.json, sha256, for one cause:
1. the section .cmdline (command line) was replaced
   in PCR 11 (event 27)
   so also PCR 4: the unified kernel image was replaced (event 21)
   so also PCR 9: the command line given to the kernel was replaced (event 35)
not compared with a quote: the phases of PCR 11, and what the log may hide; see --pcrs
";
    assert_eq!(text, wanted);
}

#[test]
fn parts_of_the_image_replaced() {
    let kernel = |boot: &mut Boot| {
        boot.change_section(".linux", b"another kernel");
        let at = boot.at(4, 3);
        boot.measure(at, b"another kernel as a program");
    };
    plain(kernel, &["the section .linux (kernel) was replaced"]);
    plain(
        |boot| {
            boot.change_section(".initrd", b"another initrd");
            boot.change_initrd(b"other files");
        },
        &["the section .initrd (initrd) was replaced"],
    );
    plain(
        |boot| {
            boot.change_section(".osrel", b"ID=other\n");
            boot.change_initrd(b"another os-release");
        },
        &["the section .osrel (os-release) was replaced"],
    );
    plain(
        |boot| boot.change_section(".uname", b"6.12.0"),
        &["the section .uname (kernel version) was replaced"],
    );
    plain(
        |boot| boot.change_section(".sbat", b"sbat,2\n"),
        &["the section .sbat (revocation levels) was replaced"],
    );
}

#[test]
fn only_the_stub_replaced() {
    plain(|boot| boot.change_image(b"another stub"), &["the unified kernel image was replaced"]);
}

#[test]
fn section_added() {
    let added = |boot: &mut Boot| {
        let at = boot.section(".initrd") + 1;
        let name = wide(".splash");
        let events =
            [&b".splash\0"[..], b"a picture"].map(|part| LogEvent::described(11, IPL, part, &name));
        boot.events.splice(at..at, events);
        boot.change_image(b"a picture");
    };
    plain(added, &["the image has one more section, .splash"]);
}

#[test]
fn section_missing() {
    let removed = |boot: &mut Boot| {
        let at = boot.section(".uname");
        boot.events.drain(at - 1..=at);
        boot.change_image(b"no kernel version");
    };
    plain(removed, &["the section .uname (kernel version) is missing"]);
}

#[test]
fn sections_in_another_order() {
    let swapped = |boot: &mut Boot| {
        let (at, other) = (boot.section(".osrel"), boot.section(".cmdline"));
        boot.events.swap(at - 1, other - 1);
        boot.events.swap(at, other);
    };
    let boot = Boot::real("plain");
    let mut changed = boot.clone();
    swapped(&mut changed);
    let text = told(&changed.whole_log(), &expected(&boot, false), &Given::default());
    let text = text.unwrap().as_text();
    // No stub of today does so: that it is told at all is what counts.
    assert!(text.contains("belongs elsewhere") || text.contains("is missing"), "{text}");
}

#[test]
fn releases_that_are_known() {
    let mut old = Boot::real("plain");
    let current = expected(&old, false);
    old.change_section(".linux", b"the old kernel");
    let at = old.at(4, 3);
    old.measure(at, b"the old kernel as a program");
    let release = |boot: &Boot| {
        let mut measured = current.clone();
        for (event, found) in measured
            .events
            .iter_mut()
            .filter(|event| event.pcr == 11)
            .zip(boot.events.iter().filter(|event| event.pcr == 11))
        {
            if event.what == "section:.linux" {
                event.sha256.0.copy_from_slice(found.digests[1].as_bytes());
                event.sha384.0.copy_from_slice(found.digests[2].as_bytes());
            }
        }
        resealed(measured)
    };
    let known = vec![("41.json", release(&old))];
    let given = Given { known, ..Given::default() };
    let text = told(&old.whole_log(), &current, &given).unwrap().as_text();
    assert_eq!(causes(&text), ["the section .linux (kernel) is that of release 41.json"], "{text}");
}

/// A release's command line is told without anybody giving it.
#[test]
fn command_lines_of_known_releases() {
    use image_build::measure::{Content, Hex};
    let mut old = Boot::real("plain");
    let current = expected(&old, false);
    let line = "console=ttyS0 panic=-1 quiet plinth.dev=1";
    old.change_command_line(line);
    let mut measured = current.clone();
    for event in &mut measured.events {
        let content = match event.what.as_str() {
            "section:.cmdline" => line.as_bytes().to_vec(),
            "load-options" => attestation::predict::uki::load_options(line),
            _ => continue,
        };
        let digest = |bank: Hash| bank.digest(&content);
        event.sha256 = Hex(digest(Hash::Sha256).as_bytes().try_into().unwrap());
        event.sha384 = Hex(digest(Hash::Sha384).as_bytes().try_into().unwrap());
        event.content = Some(Content::of(&content));
    }
    let known = vec![("dev.json", resealed(measured))];
    let given = Given { known, ..Given::default() };
    let text = told(&old.whole_log(), &current, &given).unwrap().as_text();
    let wanted = r#"the command line differs at byte 28: expected its end, found " plinth.dev=1""#;
    assert_eq!(causes(&text), [wanted], "{text}");
}

/// Measurements whose events were changed, with the values that follow.
fn resealed(measured: Measurements) -> Measurements {
    use attestation::predict::boot::{PredictedEvent, Prediction, What};
    let events = measured.events.iter().map(|event| PredictedEvent {
        pcr: event.pcr,
        what: What::from_id(&event.what).unwrap(),
        digests: [
            attestation::crypto::Digest::from_bytes(Hash::Sha256, &event.sha256.0).unwrap(),
            attestation::crypto::Digest::from_bytes(Hash::Sha384, &event.sha384.0).unwrap(),
        ],
        data: event.content.as_ref().map(|content| content.bytes().unwrap()),
    });
    let prediction = Prediction::from_events(events.collect()).unwrap();
    Measurements::of(&prediction, measured.secure_boot)
}

#[test]
fn loaders() {
    let before = "another program was started before the image, as a boot loader is";
    plain(
        |boot| {
            let at = boot.image();
            boot.events.insert(at, LogEvent::described(4, PROGRAM, b"a loader", b"a path"));
        },
        &[before],
    );
    // The real one, where none is expected.
    let expected_plain = expected(&Boot::real("plain"), false);
    let loader = Boot::real("systemd-boot");
    let text = told(&loader.whole_log(), &expected_plain, &Given::default()).unwrap().as_text();
    assert_eq!(causes(&text), [before], "{text}");
    // Where one is expected: another one, and none.
    let other = |boot: &mut Boot| {
        let at = boot.at(4, 2);
        boot.measure(at, b"another loader");
    };
    check("systemd-boot", &Given::default(), other, &["the boot loader was replaced"]);
    let none = |boot: &mut Boot| {
        let at = boot.at(4, 2);
        boot.events.remove(at);
    };
    check("systemd-boot", &Given::default(), none, &["the boot loader is missing"]);
}

#[test]
fn boot_options_that_ended() {
    let words = |boot: &mut Boot, count: usize| {
        let at = boot.image();
        let ended = b"Returning from EFI Application from Boot Option";
        let start = b"Calling EFI Application from Boot Option";
        for _ in 0..count {
            let events = [&ended[..], start].map(|word| LogEvent::of(4, ACTION, word));
            boot.events.splice(at..at, events);
        }
    };
    let ended = "another boot option was tried first, and ended";
    plain(|boot| words(boot, 1), &[ended]);
    plain(|boot| words(boot, 2), &[ended]);
    // A tool ran, and then the next option started the image.
    plain(
        |boot| {
            words(boot, 1);
            let at = boot.at(4, 2);
            boot.events.insert(at, LogEvent::described(4, PROGRAM, b"a tool", b"a path"));
        },
        &[ended, "another program was started before the image, as a boot loader is"],
    );
}

#[test]
fn programs_missing_and_more() {
    plain(
        |boot| {
            let at = boot.image();
            boot.events.remove(at);
        },
        &["the unified kernel image is missing"],
    );
    plain(
        |boot| boot.events.push(LogEvent::described(4, PROGRAM, b"a tool", b"a path")),
        &["another program was started after it"],
    );
}

#[test]
fn what_is_added_beside_the_image() {
    let beside = |pcr: u32, description: &str, wanted: &str| {
        plain(
            |boot| {
                let at = boot.image() + 13;
                let event =
                    LogEvent::described(pcr, IPL, b"files in an archive", &wide(description));
                boot.events.insert(at, event);
                if pcr != 14 {
                    boot.change_initrd(b"more files");
                }
            },
            &[&format!("extended with {wanted} from beside the image, by its description")],
        );
    };
    beside(12, "Credentials initrd", "a credential for this image");
    beside(12, "Global credentials initrd", "a credential for all images of the machine");
    beside(12, "Configuration extension initrd", "a configuration extension (confext)");
    beside(13, "System extension initrd", "a system extension (sysext)");
    beside(14, "MokList", "machine owner keys of shim (MokList)");
    plain(
        |boot| boot.events.push(LogEvent::described(12, TAG, b"microcode", &[0xff, 1])),
        &["extended with something beside the image: something that claims to be EV_EVENT_TAG"],
    );
}

/// The stub logs a command line from beside the image in full, so it is known.
#[test]
fn command_line_from_beside_the_image() {
    let other = "console=ttyS0 panic=-1 quiet rd.break";
    let added = |boot: &mut Boot| {
        let at = boot.image() + 13;
        boot.events.insert(at, LogEvent::of(12, IPL, &wide(other)));
        let at = boot.at(9, 0);
        boot.measure(at, &attestation::predict::uki::load_options(other));
    };
    let wanted = format!("extended with a command line from beside the image, {other:?}");
    plain(added, &[&wanted]);
}
