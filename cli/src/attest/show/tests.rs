use super::*;

fn recorded(role: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors/evidence");
    PathBuf::from(format!("{folder}/{role}.evidence"))
}

#[test]
fn each_part_is_shown_in_words() {
    let text = |role: &str| as_text(&all(&evidence(&recorded(role)).unwrap()));
    let machine = text("machine");
    for part in [
        "evidence of a machine, made after height 1000",
        "made by maker 504c4e00 (PLN), model forged",
        "EK certificate:",
        "issuer: TPM issuer",
        "endorsement key P-384",
        "attestation key P-256",
        "clock 5000 ms, 3 resets, 1 restarts",
        "event log: ",
        "PCR 11 sha384 ",
        "sections of the kernel image",
        "SNP, Milan",
        "VEK: SEV-VCEK",
        "TCB launch    bootloader=4,tee=1,snp=24,microcode=219",
    ] {
        assert!(machine.contains(part), "{part} is not in\n{machine}");
    }
    assert!(!text("host").contains("SNP") && !text("guest").contains("TPM\n"));
    let json = serde_json::to_value(all(&evidence(&recorded("guest")).unwrap())).unwrap();
    assert_eq!(json["snp"]["chip-id"], "51".repeat(64));
    assert!(json.get("tpm").is_none());
}

#[test]
fn what_is_no_evidence_is_unusable() {
    let readme = recorded("host").with_file_name("README.md");
    assert!(evidence(&readme).unwrap_err().to_string().contains("this is no evidence"));
    assert!(matches!(evidence(&recorded("none")), Err(Unusable::Read { .. })));
}
