//! A release of trixie-updates as the archive signed it, and changed forms of it.

use super::*;

const RELEASE: &str = include_str!("trixie-updates.InRelease");
const AUTOMATIC: &[u8] = include_bytes!("../../../keyring/debian-archive-trixie-automatic.gpg");
const SECURITY: &[u8] =
    include_bytes!("../../../keyring/debian-archive-trixie-security-automatic.gpg");
const STABLE: &[u8] = include_bytes!("../../../keyring/debian-archive-trixie-stable.gpg");

/// 25 November 2026, the day after it was signed.
const NOW: Now = Now { seconds: 1_795_564_800, accept_expired: false };

fn verify(text: &str, suite: &str, keys: &[u8], now: Now) -> Result<SignedRelease, String> {
    let keyring = Keyring::read([keys]).unwrap();
    SignedRelease::verify(text.as_bytes(), suite, &keyring, now).map_err(|error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    })
}

fn check_error(text: &str, keys: &[u8], now: Now, expected: &str) {
    let error = verify(text, "trixie-updates", keys, now).unwrap_err();
    assert!(error.contains(expected), "{expected}: {error}");
}

#[test]
fn the_archives_signature_is_good() {
    let release = verify(RELEASE, "trixie-updates", AUTOMATIC, NOW).unwrap();
    assert_eq!(release.date_s(), 1_795_486_335);
    assert_eq!(release.signers(), ["B8E5F13176D2A7A75220028078DBA3BC47EF2265"]);
    let index = release.file("main/binary-amd64/Packages").unwrap();
    assert_eq!(index.size, 2351);
    assert!(index.sha256.starts_with("7f1dd99bbd1a0416"));
}

#[test]
fn a_changed_release_is_refused() {
    let other_hash = RELEASE.replacen("7f1dd99bbd1a0416", "7f1dd99bbd1a0417", 1);
    assert_ne!(other_hash, RELEASE);
    check_error(&other_hash, AUTOMATIC, NOW, "no good signature");
    check_error(&RELEASE.replacen("Suite: ", "Suite:  ", 1), AUTOMATIC, NOW, "no good signature");
    check_error(&RELEASE.replacen("Codename", "codename", 1), AUTOMATIC, NOW, "no good signature");
    // Text before or behind what is signed is no part of it.
    check_error(&format!("Suite: sid\n{RELEASE}"), AUTOMATIC, NOW, "no signed message");
    check_error(&format!("{RELEASE}Suite: sid\n"), AUTOMATIC, NOW, "no signed message");
    let unsigned = RELEASE.split("-----BEGIN PGP SIGNATURE").next().unwrap();
    check_error(unsigned, AUTOMATIC, NOW, "no signed message");
    check_error("", AUTOMATIC, NOW, "no signed message");
}

#[test]
fn only_keys_of_the_keyring_count() {
    check_error(RELEASE, SECURITY, NOW, "not ours");
    check_error(RELEASE, STABLE, NOW, "not ours");
    assert!(matches!(Keyring::read([b"".as_slice()]), Err(SignatureError::NoKey)));
    assert!(Keyring::read([b"no keyring at all".as_slice()]).is_err());
    // A certificate without the names and subkeys that bind it gives no key.
    let (length, offset) = (u16::from_be_bytes([AUTOMATIC[1], AUTOMATIC[2]]), 3);
    let alone = &AUTOMATIC[..offset + usize::from(length)];
    assert!(matches!(Keyring::read([alone]), Err(SignatureError::NoKey)));
}

#[test]
fn every_key_of_the_archive_can_be_read() {
    for (keys, count) in [(AUTOMATIC, 1), (SECURITY, 1), (STABLE, 1)] {
        let keyring = format!("{:?}", Keyring::read([keys]).unwrap());
        assert!(keyring.matches("fingerprint: \"").count() >= count);
    }
}

#[test]
fn suite_and_time_are_checked() {
    let error = verify(RELEASE, "sid", AUTOMATIC, NOW).unwrap_err();
    assert!(error.contains("of suite trixie-updates, not of sid"), "{error}");
    let later = Now { seconds: NOW.seconds + 30 * 86_400, accept_expired: false };
    check_error(RELEASE, AUTOMATIC, later, "valid until Tue, 01 Dec 2026");
    let accepted = Now { accept_expired: true, ..later };
    assert!(verify(RELEASE, "trixie-updates", AUTOMATIC, accepted).is_ok());
    let earlier = Now { seconds: NOW.seconds - 30 * 86_400, accept_expired: false };
    check_error(RELEASE, AUTOMATIC, earlier, "clock");
}

#[test]
fn an_index_must_have_the_signed_hash() {
    let release = verify(RELEASE, "trixie-updates", AUTOMATIC, NOW).unwrap();
    let path = "main/binary-amd64/Packages";
    let error = release.index(path, b"Package: aa\n".to_vec()).unwrap_err();
    assert!(error.to_string().contains("the release says 7f1dd99bbd1a0416"), "{error}");
    let error = release.index("main/binary-mips/Packages", Vec::new()).unwrap_err();
    assert!(error.to_string().contains("lists no"), "{error}");
}

#[test]
fn dates_are_read() {
    assert_eq!(parse_date("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
    assert_eq!(parse_date("Sat, 21 Nov 2026 09:15:44 UTC"), Some(1_795_252_544));
    assert_eq!(parse_date("Thu, 29 Feb 2024 12:00:00 +0000"), Some(1_709_208_000));
    for text in ["", "21 Nov 2026", "Sat, 21 Nov 2026 09:15:44 CET", "x, 32 Nov 2026 0:0:0 UTC"] {
        assert_eq!(parse_date(text), None, "{text}");
    }
}
