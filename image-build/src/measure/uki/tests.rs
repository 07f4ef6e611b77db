use super::*;
use crate::measure::{authority_of_log, variables_of_log};
use crate::uki::tests::image;
use attestation::event_log::EventLog;
use attestation::predict::boot::BANKS;
use attestation::predict::variable::{SecureBoot, SecureBootVariable};

fn measured_with(variables: Variables) -> Measurements {
    measurements(&image(), &Conditions { variables, ..Conditions::default() }).unwrap()
}

fn measured(state: SecureBootState) -> Measurements {
    measured_with(match state {
        SecureBootState::OffNoKeys => Variables::OffNoKeys,
        _ => Variables::Absent,
    })
}

/// A real boot with keys: PCR 7 by the variables in its log is what its TPM held.
#[test]
fn keys_of_a_machine_come_from_its_log() {
    const LOG: &[u8] = include_bytes!("../../../../attestation/vectors/uki-boot/secure-boot.log");
    const BOOTS: &str = include_str!("../../../../attestation/vectors/uki-boot/boots.json");
    let boots: serde_json::Value = serde_json::from_str(BOOTS).unwrap();
    let log = EventLog::parse(LOG).unwrap();
    let contents = variables_of_log(&log).unwrap();
    let authority = authority_of_log(&log, &contents);
    assert!(authority.is_some());
    let measured = measured_with(Variables::Keys { contents: &contents, authority });
    let seven = measured.pcrs.iter().find(|value| value.pcr == 7).unwrap();
    assert_eq!(boots["pcrs"]["secure-boot"]["sha256"]["7"], seven.sha256.to_string());
    assert_eq!(boots["pcrs"]["secure-boot"]["sha384"]["7"], seven.sha384.to_string());
    assert!(!measured.events.iter().any(|event| event.what == "kernel"));
    let prediction = measured.prediction().unwrap();
    assert_eq!(Measurements::of(&prediction, SecureBootState::Keys), measured);
    // The contents belong to it, as does the state's name.
    let mut without = measured.clone();
    for event in &mut without.events {
        if event.what == "variable:db" {
            event.content = None;
        }
    }
    assert_eq!(without.prediction(), Err(MeasurementsFault::SecureBoot));
    let renamed = Measurements { secure_boot: SecureBootState::OffNoKeys, ..measured };
    assert_eq!(renamed.prediction(), Err(MeasurementsFault::SecureBoot));
    let no_keys = measured_with(Variables::OffNoKeys);
    let renamed = Measurements { secure_boot: SecureBootState::Keys, ..no_keys };
    assert_eq!(renamed.prediction(), Err(MeasurementsFault::SecureBoot));
}

#[test]
fn logs_without_all_variables_have_none() {
    const LOG: &[u8] = include_bytes!("../../../../attestation/vectors/uki-boot/plain.log");
    let log = EventLog::parse(LOG).unwrap();
    let contents = variables_of_log(&log).unwrap();
    assert_eq!(contents, SecureBoot { is_on: Some(false), ..SecureBoot::default() });
    assert_eq!(contents.content(SecureBootVariable::Allowed), b"");
    assert_eq!(authority_of_log(&log, &contents), None);
    let name = LOG.windows(4).position(|window| window == b"d\0b\0").unwrap();
    let mut other = LOG.to_vec();
    other[name] = b'e';
    assert_eq!(variables_of_log(&EventLog::parse(&other).unwrap()), None);
}

#[test]
fn they_are_the_prediction() {
    let image = image();
    let uki = Uki::parse(&image).unwrap();
    let secure_boot = SecureBoot { is_on: Some(false), ..SecureBoot::default() };
    let prediction = Prediction::of(&UkiBoot {
        uki: &uki,
        secure_boot: &secure_boot,
        authority: None,
        options_ended: 0,
        loader: None,
        initrd: &uki.initrd_by_stub(),
        phases: &["sysinit", "ready"],
    })
    .unwrap();
    let measured = measured(SecureBootState::OffNoKeys);
    assert_eq!(measured.prediction().unwrap(), prediction);
    for bank in BANKS {
        for value in &measured.pcrs {
            let own = match bank {
                Hash::Sha256 => value.sha256.to_string(),
                _ => value.sha384.to_string(),
            };
            assert_eq!(own, prediction.values(bank).get(bank, value.pcr).unwrap().to_string());
        }
    }
    let zero = |value: &&PcrValue| value.sha256 == Hex([0; 32]) && value.sha384 == Hex([0; 48]);
    let zeros: Vec<u8> = measured.pcrs.iter().filter(zero).map(|value| value.pcr).collect();
    assert_eq!(zeros, [12, 13, 14]);
}

/// OVMF without keys: the value of PCR 7 that a TPM held after a real boot
/// (attestation/vectors/uki-boot/boots.json, `plain`).
#[test]
fn no_keys_are_what_fresh_variables_give() {
    const BOOTS: &str = include_str!("../../../../attestation/vectors/uki-boot/boots.json");
    let boots: serde_json::Value = serde_json::from_str(BOOTS).unwrap();
    let measured = measured(SecureBootState::OffNoKeys);
    let seven = measured.pcrs.iter().find(|value| value.pcr == 7).unwrap();
    let observed = &boots["pcrs"]["plain"];
    assert_eq!(observed["sha256"]["7"], seven.sha256.to_string());
    assert_eq!(observed["sha384"]["7"], seven.sha384.to_string());
}

#[test]
fn states_of_secure_boot_differ_in_pcr_7_alone() {
    let [off, absent] = [SecureBootState::OffNoKeys, SecureBootState::Absent].map(measured);
    let differ = off.pcrs.iter().zip(&absent.pcrs).filter(|(a, b)| a != b);
    assert_eq!(differ.map(|(value, _)| value.pcr).collect::<Vec<_>>(), [7]);
    let renamed = Measurements { secure_boot: SecureBootState::Absent, ..off };
    assert_eq!(renamed.prediction(), Err(MeasurementsFault::SecureBoot));
}

#[test]
fn files_hold_them_exactly() {
    for state in [SecureBootState::OffNoKeys, SecureBootState::Absent] {
        let measured = measured(state);
        let text = serde_json::to_string(&measured).unwrap();
        let read: Measurements = serde_json::from_str(&text).unwrap();
        assert_eq!(read, measured);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        let prediction = read.prediction().unwrap();
        assert_eq!(Measurements::of(&prediction, state), measured);
    }
}

#[test]
fn what_is_short_can_be_read() {
    let measured = measured(SecureBootState::OffNoKeys);
    let content = |what: &str| {
        let event = measured.events.iter().find(|event| event.what == what).unwrap();
        event.content.clone()
    };
    let text = |text: &str| Some(Content::Text(text.to_owned()));
    assert_eq!(content("section:.cmdline"), text("console=ttyS0 quiet"));
    let wide = Content::Utf16("console=ttyS0 quiet\0".to_owned());
    assert_eq!(content("load-options"), Some(wide));
    assert_eq!(content("phase:ready"), text("ready"));
    assert_eq!(content("section:.initrd"), None);
    assert_eq!(content("image"), None);
}

/// Every field of every event and value: changed, it is refused.
#[test]
fn changed_files_are_refused() {
    let measured = measured(SecureBootState::OffNoKeys);
    let refused = |change: &dyn Fn(&mut Measurements)| {
        let mut changed = measured.clone();
        change(&mut changed);
        changed.prediction().unwrap_err()
    };
    for at in 0..measured.events.len() {
        refused(&|all| all.events[at].sha256.0[7] ^= 1);
        refused(&|all| all.events[at].sha384.0[47] ^= 1);
        refused(&|all| all.events[at].pcr ^= 1);
        refused(&|all| all.events[at].what.push('x'));
        refused(&|all| {
            all.events.remove(at);
        });
        if measured.events[at].content.is_some() {
            refused(&|all| all.events[at].content = Some(Content::Text("other".to_owned())));
        }
    }
    for at in 0..measured.pcrs.len() {
        refused(&|all| all.pcrs[at].sha256.0[0] ^= 0x80);
        refused(&|all| all.pcrs[at].sha384.0[0] ^= 0x80);
        refused(&|all| all.pcrs[at].pcr += 1);
    }
    let values = refused(&|all| {
        all.pcrs.pop();
    });
    assert_eq!(values, MeasurementsFault::Values);
    let hex = refused(&|all| all.events[0].content = Some(Content::Hex("71".to_owned())));
    assert!(hex.to_string().contains("event 0 (boot-option) has its content in another form"));
}

#[test]
fn unknown_fields_and_other_spellings_are_refused() {
    let text = serde_json::to_string(&measured(SecureBootState::OffNoKeys)).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        assert!(serde_json::from_str::<Measurements>(&text.replacen(from, to, 1)).is_err(), "{to}");
    };
    refused(r#"{"pcr":4"#, r#"{"more":1,"pcr":4"#);
    refused("off-no-keys", "off");
    refused(r#"{"text":"#, r#"{"words":"#);
    refused(r#""sha256":""#, r#""sha256":"0x"#);
    let upper = text.replacen("ab", "AB", 1).replacen("cd", "CD", 1);
    assert!(serde_json::from_str::<Measurements>(&upper).is_err());
}
