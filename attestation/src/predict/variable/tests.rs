use super::*;
use crate::crypto::Hash;
use crate::event_log::{EventKind, EventLog};
use std::fs;
use std::path::PathBuf;

fn log(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/event-log").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Real firmware: what it measured of each variable is computed again from the variable's content.
#[test]
fn variables_are_measured_as_firmware_does() {
    let mut compared = 0;
    for name in [
        "goatt_crypto_agile_eventlog",
        "gtt_ubuntu-2404-amd-sevsnp.bin",
        "kl_bios_sb.bin",
        "gtt_rhel8-uefi.bin",
    ] {
        let bytes = log(name);
        let log = EventLog::parse(&bytes).unwrap();
        let mut secure_boot = SecureBoot::default();
        let variables: Vec<_> = log
            .events()
            .iter()
            .filter(|event| event.kind == EventKind::EFI_VARIABLE_DRIVER_CONFIG && event.pcr == 7)
            .collect();
        for event in &variables {
            let (name, content) = read_variable_data(event.data).unwrap();
            match name.as_str() {
                "SecureBoot" => secure_boot.is_on = content.first().map(|&byte| byte == 1),
                "PK" => secure_boot.platform_key = content.to_vec(),
                "KEK" => secure_boot.key_exchange_keys = content.to_vec(),
                "db" => secure_boot.allowed = content.to_vec(),
                "dbx" => secure_boot.forbidden = content.to_vec(),
                other => panic!("{other}"),
            }
        }
        assert_eq!(variables.len(), 5, "{name}");
        for (event, variable) in variables.iter().zip(SecureBootVariable::ALL) {
            let own = Hash::Sha256.digest(&secure_boot.measured(variable));
            assert_eq!(event.digest(Hash::Sha256), Some(&own), "{name} {variable}");
            compared += 1;
        }
        let entries = signatures(&secure_boot.allowed).unwrap();
        assert!(entries.iter().any(Signature::is_certificate), "{name}");
        // Whichever entry of `db` let a program start, its measurement is found again.
        for event in log
            .events()
            .iter()
            .filter(|event| event.kind == EventKind::EFI_VARIABLE_AUTHORITY && event.pcr == 7)
        {
            let (name, _) = read_variable_data(event.data).unwrap();
            if name == "db" {
                let found = entries.iter().any(|entry| authority_data(entry) == event.data);
                assert!(found && event.data_is_measured(Hash::Sha256));
                compared += 1;
            }
        }
    }
    assert!(compared >= 22, "{compared}");
}

#[test]
fn lists_that_contradict_themselves_are_refused() {
    let list = |list_bytes: u32, header_bytes: u32, entry_bytes: u32, rest: usize| {
        let mut bytes = CERT_X509.to_vec();
        for number in [list_bytes, header_bytes, entry_bytes] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(vec![7; rest]);
        bytes
    };
    let count = |bytes: &[u8]| signatures(bytes).map(|all| all.len());
    assert_eq!(count(&[]), Ok(0));
    assert_eq!(count(&list(28 + 40, 0, 20, 40)), Ok(2));
    assert_eq!(count(&list(28 + 40 + 4, 4, 20, 44)), Ok(2));
    let lengths = |what| Err(SignatureListError::Lengths(what));
    let filled = "entries do not fill their list";
    assert_eq!(count(&list(28 + 40, 0, 15, 40)), lengths(filled));
    assert_eq!(count(&list(28 + 40, 0, 0, 40)), lengths(filled));
    assert_eq!(count(&list(28 + 40, 0, 24, 40)), lengths(filled));
    let short = "a list is shorter than its header";
    assert_eq!(count(&list(27, 0, 20, 40)), lengths(short));
    assert_eq!(count(&list(28, u32::MAX, 20, 40)), lengths(short));
    assert!(matches!(count(&list(28 + 60, 0, 20, 40)), Err(SignatureListError::Read(_))));
    assert!(matches!(count(&[0; 20]), Err(SignatureListError::Read(_))));
}
