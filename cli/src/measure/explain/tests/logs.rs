//! The log itself: cut, shortened, lengthened, of another bank, against a quote.

use super::boots::*;
use super::*;

#[test]
fn separators() {
    for pcr in [4, 7] {
        let place = if pcr == 4 { 1 } else { 5 };
        for content in [[0xff; 4], [1, 0, 0, 0]] {
            plain(
                |boot| {
                    let at = boot.at(pcr, place);
                    boot.events[at] = LogEvent::of(pcr, SEPARATOR, &content);
                },
                &["firmware reports an error by its separator"],
            );
        }
        plain(
            |boot| {
                let at = boot.at(pcr, place);
                boot.events.remove(at);
            },
            &["the separator is missing"],
        );
        plain(
            |boot| boot.events.push(LogEvent::of(pcr, SEPARATOR, &[0; 4])),
            &["there is also a separator"],
        );
    }
}

#[test]
fn events_missing_and_more() {
    let remove = |pcr, number| {
        move |boot: &mut Boot| {
            let at = boot.at(pcr, number);
            boot.events.remove(at);
        }
    };
    plain(remove(9, 0), &["the command line given to the kernel is missing"]);
    plain(remove(9, 1), &["the initrd given to the kernel is missing"]);
    plain(remove(4, 0), &["the start of a boot option is missing"]);
    plain(
        |boot| boot.events.push(LogEvent::of(9, TAG, b"more words")),
        &[r#"there is also the text "more words""#],
    );
    plain(
        |boot| boot.events.push(LogEvent::described(7, TAG, b"x", &[0xff])),
        &["there is also something that claims to be EV_EVENT_TAG"],
    );
}

#[test]
fn cut_between_events() {
    let boot = Boot::real("plain");
    let eleven = boot.at(11, 5);
    plain(
        |boot| boot.events.truncate(eleven),
        &["the log ends early: its last 10 events are missing"],
    );
    plain(|boot| boot.events.clear(), &["the log ends early: its last 24 events are missing"]);
}

/// The log is cut, and the quote says that the machine is as it should be.
#[test]
fn cut_log_of_a_good_machine() {
    let boot = Boot::real("plain");
    let quoted = Some(boot.quoted(&["sysinit", "ready"]));
    let eleven = boot.at(11, 5);
    let given = Given { quoted, ..Given::default() };
    let cut = |boot: &mut Boot| boot.events.truncate(eleven);
    check("plain", &given, cut, &["the log ends early: its last 10 events are missing"]);
}

#[test]
fn unusable_logs_have_exit_code_2() {
    let boot = Boot::real("plain");
    let expected = expected(&boot, false);
    let check = |log: &[u8], more: Vec<&str>, wanted: &str| {
        let given = Given { more, ..Given::default() };
        let error = told(log, &expected, &given).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(wanted), "{error}");
    };
    let whole = boot.whole_log();
    check(&whole[..whole.len() - 3], vec![], "is the log cut off?");
    check(&whole[..40], vec![], "cut off");
    check(&[], vec![], "the log is empty");
    let sha1 = boot.log(&[Hash::Sha1]);
    check(&sha1, vec![], "the log has digests of sha1, and sha256 or sha384 are compared");
    check(&boot.log(&[Hash::Sha256]), vec!["--bank", "sha384"], "here sha384");
}

/// The bank that the log has is compared.
#[test]
fn another_bank() {
    let boot = Boot::real("plain");
    let expected = expected(&boot, false);
    let explained = told(&boot.log(&[Hash::Sha384]), &expected, &Given::default()).unwrap();
    assert!(explained.as_text().starts_with("as expected: expected.json, sha384"));
    let mut other = boot;
    other.change_image(b"another stub");
    let text = told(&other.log(&[Hash::Sha384]), &expected, &Given::default()).unwrap().as_text();
    assert_eq!(causes(&text), ["the unified kernel image was replaced"], "{text}");
}

fn quoted(phases: &[&str], more: impl FnOnce(&mut PcrValues)) -> Given<'static> {
    let mut quoted = Boot::real("plain").quoted(phases);
    more(&mut quoted);
    Given { quoted: Some(quoted), ..Given::default() }
}

#[test]
fn phases() {
    let both = ["sysinit", "ready"];
    check("plain", &quoted(&both, |_| {}), |_| {}, &[]);
    let reached = |phases: &[&str], wanted: &[&str]| {
        check("plain", &quoted(phases, |_| {}), |_| {}, wanted);
    };
    reached(&["sysinit"], &["the system has gone through 1 of 2 phases"]);
    reached(&[], &["the system has gone through 0 of 2 phases"]);
    let hidden = "the quoted value is not what the log gives: events are hidden";
    reached(&["ready"], &[hidden]);
    reached(&["sysinit", "ready", "shutdown"], &[hidden]);
}

/// The machine measured something that its log does not say.
#[test]
fn hidden_events() {
    let hidden = "the quoted value is not what the log gives: events are hidden";
    for pcr in [4, 7, 9, 12, 13, 14] {
        let other = |values: &mut PcrValues| values.set(pcr, Hash::Sha256.digest(b"another value"));
        check("plain", &quoted(&["sysinit", "ready"], other), |_| {}, &[hidden]);
    }
}

/// The machine is as it should be, and somebody changed its log.
#[test]
fn changed_log_of_a_good_machine() {
    let given = quoted(&["sysinit", "ready"], |_| {});
    let remove = |boot: &mut Boot| {
        let at = boot.at(9, 1);
        boot.events.remove(at);
    };
    let mut boot = Boot::real("plain");
    let expected = expected(&boot, false);
    remove(&mut boot);
    let text = told(&boot.whole_log(), &expected, &given).unwrap().as_text();
    assert_eq!(causes(&text), ["the initrd given to the kernel is missing"], "{text}");
    assert!(text.contains("so also PCR 9: the quoted value is as expected"), "{text}");
}
