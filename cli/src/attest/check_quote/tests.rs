use super::*;
use clap::Parser;

/// The options alone, as a command line.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    check: CheckQuote,
}

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors/tpm-swtpm");
const NONCE: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn arguments(kind: &str, changes: &[(&str, &str)]) -> Result<CheckQuote, clap::Error> {
    let file = |name: &str| format!("{VECTORS}/{name}");
    let mut values = vec![
        ("--ak", file(&format!("ak_{kind}.pub"))),
        ("--message", file(&format!("quote_{kind}.msg"))),
        ("--signature", file(&format!("quote_{kind}.sig"))),
        ("--pcrs", file(&format!("quote_{kind}.pcrs"))),
        ("--bank", "sha256".to_owned()),
        ("--selection", "0,4,7,11".to_owned()),
        ("--nonce", NONCE.to_owned()),
    ];
    for (name, value) in changes {
        match values.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => (*value).clone_into(known),
            None => values.push((name, (*value).to_owned())),
        }
    }
    let words = values.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    Line::try_parse_from(std::iter::once("check-quote".to_owned()).chain(words))
        .map(|line| line.check)
}

fn failed(kind: &str, changes: &[(&str, &str)]) -> Vec<&'static str> {
    let shown = run(&arguments(kind, changes).unwrap()).unwrap();
    let failed = shown.checks.failed_ids();
    assert_eq!(shown.is_accepted, failed.is_empty());
    failed
}

#[test]
fn quotes_are_accepted_and_refused() {
    for kind in ["rsa", "ecc"] {
        assert!(failed(kind, &[]).is_empty());
        assert_eq!(failed(kind, &[("--nonce", "07")]), ["tpm.message.nonce"]);
        let other = failed(kind, &[("--selection", "0,4,7,12")]);
        assert_eq!(other, ["tpm.quote.selection", "tpm.quote.pcrs-digest"]);
        let fewer = failed(kind, &[("--selection", "0,4,7")]);
        assert!(fewer.contains(&"tpm.quote.selection"));
        assert!(failed(kind, &[("--bank", "sha384")]).contains(&"tpm.quote.selection"));
    }
    let swapped = failed("rsa", &[("--ak", &format!("{VECTORS}/ak_ecc.pub"))]);
    assert_eq!(swapped, ["tpm.signature.scheme", "tpm.signature.valid"]);
}

/// Every PCR of a cloud's virtual TPM, its key and signature in other tools' forms.
#[test]
fn a_real_quote() {
    let file = |ending: &str| format!("{VECTORS}/../tpm-real/azure_vtpm.{ending}");
    let all: Vec<String> = (0..24).map(|pcr: u8| pcr.to_string()).collect();
    let nonce = hex::encode("challenge");
    let with = |nonce: &str, selection: &str| {
        let files = [("--ak", file("ak.pem")), ("--message", file("message.bin"))];
        let values = [("--signature", file("signature.bin")), ("--pcrs", file("pcrs.bin"))];
        let mut options: Vec<(&str, &str)> = vec![("--nonce", nonce), ("--selection", selection)];
        options.extend(files.iter().chain(&values).map(|(name, path)| (*name, path.as_str())));
        failed("rsa", &options)
    };
    assert!(with(&nonce, &all.join(",")).is_empty());
    assert_eq!(with(&hex::encode("challengf"), &all.join(",")), ["tpm.message.nonce"]);
    assert!(with(&nonce, &all[1..].join(",")).contains(&"tpm.quote.selection"));
}

#[test]
fn logs_are_held_against_the_quote() {
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors/uki-boot/plain.log");
    assert_eq!(failed("rsa", &[("--log", log)]), ["log.replay"]);
    assert_eq!(failed("rsa", &[("--log", &format!("{VECTORS}/ak_rsa.pub"))]), ["log.form"]);
}

/// The PCRs of a log are judged by it, as far as it explains them.
#[test]
fn a_log_explains_what_it_must() {
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors/uki-boot/plain.log");
    let check = |explained: &str, expected: &[&str]| {
        let options = [("--log", log), ("--explained-by-log", explained)];
        assert_eq!(failed("rsa", &options), expected, "{explained}");
    };
    check("11", &["log.replay"]);
    check("4,12", &["log.quoted", "log.replay"]);
    let without_log = arguments("rsa", &[("--explained-by-log", "4")]);
    assert!(without_log.is_err());
    // A quote that is refused does not hide the log's faults.
    let no_log = format!("{VECTORS}/ak_rsa.pub");
    let both = failed("rsa", &[("--log", &no_log), ("--nonce", "07")]);
    assert_eq!(both, ["tpm.message.nonce", "log.form"]);
    let shown = run(&arguments("rsa", &[("--log", log), ("--nonce", "07")]).unwrap()).unwrap();
    assert!(!shown.is_accepted && shown.checks.iter().any(|check| check.id == "log.bank"));
}

#[test]
fn files_in_hex_and_signatures_alone_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let vector = |name: &str| std::fs::read(format!("{VECTORS}/{name}")).unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for kind in ["rsa", "ecc"] {
        for (option, file) in [("--message", "msg"), ("--signature", "sig"), ("--pcrs", "pcrs")] {
            let path =
                write("hex", hex::encode(vector(&format!("quote_{kind}.{file}"))).as_bytes());
            assert!(failed(kind, &[(option, &path)]).is_empty(), "{kind} {option}");
        }
    }
    let mut alone = vector("quote_rsa.sig").split_off(6);
    assert!(failed("rsa", &[("--signature", &write("alone", &alone))]).is_empty());
    alone[7] ^= 1;
    let changed = failed("rsa", &[("--signature", &write("alone", &alone))]);
    assert_eq!(changed, ["tpm.signature.valid"]);
    alone.pop();
    let cut = failed("rsa", &[("--signature", &write("alone", &alone))]);
    assert!(cut.contains(&"tpm.signature.form"));
}

#[test]
fn keys_in_other_forms_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let path_text = path.to_str().unwrap();
    let public = std::fs::read(format!("{VECTORS}/ak_rsa.pub")).unwrap();
    let header = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let mut der = hex::decode(header).unwrap();
    der.extend(&public[24..280]);
    der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    std::fs::write(&path, &der).unwrap();
    assert!(failed("rsa", &[("--ak", path_text)]).is_empty());
    assert_eq!(
        failed("ecc", &[("--ak", path_text)]),
        ["tpm.signature.scheme", "tpm.signature.valid"]
    );
    std::fs::write(&path, "-----BEGIN PUBLIC KEY-----\nnothing\n-----END PUBLIC KEY-----\n")
        .unwrap();
    assert!(failed("rsa", &[("--ak", path_text)]).contains(&"tpm.key.form"));
}

#[test]
fn wrong_options_and_files_are_no_verdict() {
    for wrong in ["", "24", "0-7", "0,,1", "-1"] {
        assert!(arguments("rsa", &[("--selection", wrong)]).is_err(), "{wrong}");
    }
    assert!(arguments("rsa", &[("--bank", "sm3")]).is_err());
    assert!(arguments("rsa", &[("--nonce", "0")]).is_err());
    let missing = arguments("rsa", &[("--log", "no such file")]).unwrap();
    assert!(matches!(run(&missing), Err(Unusable::Read { .. })));
}
