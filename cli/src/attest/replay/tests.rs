use super::*;

fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors/event-log");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

#[test]
fn values_are_printed_by_bank_and_index() {
    let (all, checks) = values(&vector("gtt_rhel8-uefi.bin"), None);
    assert!(checks.all_passed());
    assert_eq!(all.keys().collect::<Vec<_>>(), ["sha1", "sha256", "sha384"]);
    let expected = "24af52a4f429b71a3184a6d64cddad17e54ea030e2aa6576bf3a5a3d8bd3328f";
    assert_eq!(all["sha256"][&0], expected);
    assert!(all["sha256"].contains_key(&14) && !all["sha256"].contains_key(&10));
    let (one, _) = values(&vector("gtt_rhel8-uefi.bin"), Some(Hash::Sha256));
    assert_eq!(one.len(), 1);
    assert!(as_text(&one).starts_with(&format!("sha256:\n  0 : {expected}\n")));
}

#[test]
fn what_is_no_log_is_refused() {
    let (none, checks) = values(b"no log", None);
    assert!(none.is_empty());
    assert_eq!(checks.failed_ids(), ["log.form"]);
    let (_, checks) = values(&vector("gtt_debian-10.bin"), Some(Hash::Sha256));
    assert_eq!(checks.failed_ids(), ["log.bank"]);
}

#[test]
fn a_file_that_is_missing_is_no_verdict() {
    for json in [true, false] {
        let arguments = Replay { log: "no such file".into(), bank: None, json };
        assert!(matches!(run(&arguments), Err(Error::Unusable(_))));
    }
}

#[test]
fn banks_have_names() {
    assert_eq!(bank("sha384"), Ok(Hash::Sha384));
    assert!(bank("sha3-256").is_err() && bank("").is_err());
}
