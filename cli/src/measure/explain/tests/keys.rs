//! Secure boot: its state, its keys, its lists.

use super::boots::*;
use super::*;
use attestation::predict::variable::SecureBootVariable::*;
use attestation::predict::variable::{SecureBootVariable, signatures};

/// One change to the boot with secure boot and keys, and its causes.
#[track_caller]
fn keyed(change: impl FnOnce(&mut Boot), wanted: &[&str]) {
    check("secure-boot", &Given::default(), change, wanted);
}

/// More or other content of a variable.
fn changed(
    variable: SecureBootVariable,
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> impl FnOnce(&mut Boot) {
    move |boot| {
        let content = change(boot.content(variable).to_vec());
        boot.change_variable(variable, &content);
    }
}

#[test]
fn switched_off() {
    let off = |boot: &mut Boot| {
        boot.change_variable(SecureBoot, &[0]);
        let authority = boot.at(7, 6);
        boot.events.remove(authority);
        let at = boot.at(9, 0);
        boot.events.insert(at, LogEvent::described(4, PROGRAM, b"the kernel inside", b"a path"));
    };
    keyed(off, &["secure boot is off"]);
}

/// A machine with the keys of another owner, where none are expected.
#[test]
fn switched_on() {
    let expected = expected(&Boot::real("plain"), false);
    let keyed = Boot::real("secure-boot");
    let text = told(&keyed.whole_log(), &expected, &Given::default()).unwrap().as_text();
    let count = |variable| signatures(keyed.content(variable)).unwrap().len();
    assert_eq!([PlatformKey, KeyExchangeKeys, Allowed, Forbidden].map(count), [1, 1, 1, 1]);
    assert_eq!(
        causes(&text),
        [
            "secure boot is on",
            "PK gained 1 certificate",
            "KEK gained 1 certificate",
            "db gained 1 certificate",
            "dbx gained 1 digest",
        ],
        "{text}"
    );
}

#[test]
fn keys_gained() {
    let more = |variable| {
        changed(variable, |mut content| {
            content.extend(certificate(b"another certificate"));
            content
        })
    };
    keyed(more(PlatformKey), &["PK gained 1 certificate"]);
    keyed(more(KeyExchangeKeys), &["KEK gained 1 certificate"]);
    keyed(more(Allowed), &["db gained 1 certificate"]);
    keyed(more(Forbidden), &["dbx gained 1 certificate"]);
    let two = |mut content: Vec<u8>| {
        content.extend(certificate(b"one"));
        content.extend(certificate(b"two"));
        content
    };
    keyed(changed(Allowed, two), &["db gained 2 certificates"]);
}

#[test]
fn keys_lost() {
    let none = |variable| changed(variable, |_| Vec::new());
    keyed(none(PlatformKey), &["PK lost 1 certificate"]);
    keyed(none(KeyExchangeKeys), &["KEK lost 1 certificate"]);
    keyed(none(Allowed), &["db lost 1 certificate"]);
    keyed(none(Forbidden), &["dbx lost 1 digest"]);
}

#[test]
fn keys_replaced() {
    let other = |variable| changed(variable, |_| certificate(b"another owner"));
    keyed(other(PlatformKey), &["PK gained 1 certificate, lost 1 certificate"]);
    keyed(other(Allowed), &["db gained 1 certificate, lost 1 certificate"]);
}

#[test]
fn digests_gained_and_lost() {
    let more = |mut content: Vec<u8>| {
        content.extend(digests(&[[1; 32], [2; 32], [3; 32]]));
        content
    };
    keyed(changed(Forbidden, more), &["dbx gained 3 digests"]);
    keyed(
        changed(Forbidden, |_| digests(&[[1; 32], [2; 32]])),
        &["dbx gained 2 digests, lost 1 digest"],
    );
    keyed(changed(Allowed, more), &["db gained 3 digests"]);
}

#[test]
fn the_same_entries_in_another_form() {
    let mut expected_boot = Boot::real("secure-boot");
    let two = [certificate(b"first key"), certificate(b"second key")];
    expected_boot.change_variable(Allowed, &two.concat());
    let expected = expected(&expected_boot, false);
    let mut boot = expected_boot;
    let [first, second] = two;
    boot.change_variable(Allowed, &[second, first].concat());
    let text = told(&boot.whole_log(), &expected, &Given::default()).unwrap().as_text();
    assert_eq!(causes(&text), ["db has the same entries in another order or form"], "{text}");
}

#[test]
fn two_lists_at_once() {
    let both = |boot: &mut Boot| {
        boot.change_variable(Forbidden, &[]);
        boot.change_variable(KeyExchangeKeys, &[]);
    };
    keyed(both, &["KEK lost 1 certificate", "dbx lost 1 digest"]);
}

#[test]
fn lists_that_cannot_be_read() {
    keyed(changed(Allowed, |_| b"rubbish".to_vec()), &["the variable db was replaced"]);
}

/// What the log claims is told only if it was measured.
#[test]
fn contents_that_were_not_measured() {
    keyed(
        |boot| {
            let at = boot.variable(Allowed);
            boot.measure(at, b"something else");
        },
        &["the variable db was replaced"],
    );
    // The other way round, the right digest with another content beside it changes nothing.
    keyed(
        |boot| {
            let at = boot.variable(Allowed);
            boot.events[at].data = b"something else".to_vec();
        },
        &[],
    );
}

#[test]
fn another_certificate_allowed_the_image() {
    keyed(
        |boot| {
            let at = boot.at(7, 6);
            boot.measure(at, b"another certificate");
        },
        &["the certificate that allowed the image was replaced"],
    );
    keyed(
        |boot| {
            let at = boot.at(7, 6);
            boot.events.remove(at);
        },
        &["the certificate that allowed the image is missing"],
    );
}

#[test]
fn variable_missing() {
    keyed(
        |boot| {
            let at = boot.variable(Forbidden);
            boot.events.remove(at);
        },
        &["the variable dbx is missing"],
    );
}
