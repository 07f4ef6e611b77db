//! Against real boots: what a TPM held is what was predicted.

use super::super::pe::build::program;
use super::super::uki::Uki;
use super::super::variable::{read_variable_data, signatures};
use super::*;
use crate::event_log::{EventKind, EventLog, LogFormat};
use crate::explain::{Observed, explain};
use crate::tpm::{PcrSelection, PcrSet, hash_from_name};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/uki-boot").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn boots() -> Value {
    serde_json::from_slice(&vector("boots.json")).expect("JSON")
}

/// The variables' contents, as the firmware's log has them.
fn secure_boot(log: &EventLog) -> SecureBoot {
    let mut secure_boot = SecureBoot::default();
    for event in log.events().iter().filter(|event| event.pcr == 7) {
        if event.kind != EventKind::EFI_VARIABLE_DRIVER_CONFIG {
            continue;
        }
        let (name, content) = read_variable_data(event.data).expect("a variable");
        match name.as_str() {
            "SecureBoot" => secure_boot.is_on = content.first().map(|&byte| byte == 1),
            "PK" => secure_boot.platform_key = content.to_vec(),
            "KEK" => secure_boot.key_exchange_keys = content.to_vec(),
            "db" => secure_boot.allowed = content.to_vec(),
            "dbx" => secure_boot.forbidden = content.to_vec(),
            other => panic!("{other}"),
        }
    }
    secure_boot
}

/// The prediction for an image with the real one's small sections; what is large gets the digests that
/// another program computed from the real image.
fn prediction(boots: &Value, secure_boot: &SecureBoot, with_loader: bool) -> Prediction {
    let section = |name: &str| boots["sections"][name].as_str().expect("a text").as_bytes();
    let kernel = program(&[(".text", b"kernel")]);
    let bytes = program(&[
        (".sbat", section(".sbat")),
        (".osrel", section(".osrel")),
        (".cmdline", section(".cmdline")),
        (".uname", section(".uname")),
        (".linux", &kernel),
        (".initrd", b"initrd"),
    ]);
    let uki = Uki::parse(&bytes).expect("an image");
    let loader = Pe::parse(&kernel).expect("a program");
    let allowed = signatures(&secure_boot.allowed).expect("a list");
    let boot = UkiBoot {
        uki: &uki,
        secure_boot,
        authority: allowed.first().copied().filter(|_| secure_boot.is_on == Some(true)),
        options_ended: 0,
        loader: with_loader.then_some(&loader),
        initrd: b"",
        phases: &[],
    };
    let mut prediction = Prediction::of(&boot).expect("a prediction");
    for event in &mut prediction.events {
        let large = match event.what {
            What::Image => "image",
            What::Loader => "loader",
            What::Kernel => "kernel",
            What::Section(".linux") => "linux",
            What::Section(".initrd") => "initrd",
            What::Initrd => "initrd_handed_over",
            _ => continue,
        };
        event.digests = BANKS.map(|bank| {
            let text = boots["large"][large][bank.to_string()].as_str().expect("a digest");
            let bytes = hex::decode(text).expect("hex");
            Digest::from_bytes(bank, &bytes).expect("as long as the bank's")
        });
    }
    prediction
}

#[test]
fn real_boots_give_the_predicted_values() {
    let boots = boots();
    for (name, with_loader) in [("plain", false), ("secure-boot", false), ("systemd-boot", true)] {
        let bytes = vector(&format!("{name}.log"));
        let log = EventLog::parse(&bytes).expect("a log");
        assert_eq!(log.format(), LogFormat::CryptoAgile);
        let secure_boot = secure_boot(&log);
        assert_eq!(secure_boot.is_on, Some(name == "secure-boot"));
        let prediction = prediction(&boots, &secure_boot, with_loader);
        let mut predicted = 0;
        for (bank, pcrs) in boots["pcrs"][name].as_object().expect("banks") {
            let bank = hash_from_name(bank).expect("a bank");
            let replayed = log.replay(bank).expect("the log has it");
            for (pcr, value) in pcrs.as_object().expect("PCRs") {
                let pcr: u8 = pcr.parse().expect("an index");
                let value = value.as_str().expect("a digest");
                let text = |digest: Option<&Digest>| digest.expect("a value").to_string();
                assert_eq!(text(replayed.get(bank, pcr)), value, "{name} {bank} {pcr}");
                if let Some(own) = prediction.values(bank).get(bank, pcr) {
                    assert_eq!(own.to_string(), value, "{name} {bank} {pcr}");
                    predicted += 1;
                }
            }
        }
        assert_eq!(predicted, 2 * PREDICTED.len());
        for bank in BANKS {
            let observed = Observed { log: &log, quoted: None, command_line: None, known: &[] };
            assert_eq!(explain(&observed, &prediction, bank), [], "{name} {bank}");
        }
    }
}

#[test]
fn a_loader_that_was_not_predicted_is_told() {
    let boots = boots();
    let bytes = vector("systemd-boot.log");
    let log = EventLog::parse(&bytes).expect("a log");
    let prediction = prediction(&boots, &secure_boot(&log), false);
    let observed = Observed { log: &log, quoted: None, command_line: None, known: &[] };
    let found: Vec<String> =
        explain(&observed, &prediction, Hash::Sha256).iter().map(ToString::to_string).collect();
    let expected =
        "PCR 4: another program was started before the image, as a boot loader is (event 21)";
    assert_eq!(found, [expected]);
}

/// A log that a quote confirms, judged by the expected events of each PCR.
#[test]
fn real_logs_are_judged_by_their_events() {
    use crate::event_log::{judge, verify};
    use crate::tpm::quote::SignedQuote;
    let boots = boots();
    let judged = PcrSet::new(&[4, 7, 9, 11]).expect("below 24");
    let quote_of = |log: &EventLog, bank: Hash| {
        let values = log.replay(bank).expect("the log has it");
        SignedQuote::for_test(PcrSelection::of(bank, judged), values)
    };
    let bytes = vector("plain.log");
    let log = EventLog::parse(&bytes).expect("a log");
    let good = prediction(&boots, &secure_boot(&log), false);
    let other = prediction(&boots, &SecureBoot { is_on: None, ..secure_boot(&log) }, true);
    for bank in BANKS {
        let quote = quote_of(&log, bank);
        let verdict = verify(&bytes, &quote, judged);
        let verified = verdict.verified().expect("its replay was quoted");
        let expected = [4, 7, 9, 11].map(|pcr| good.expected(pcr));
        assert!(judge(verified, bank, &expected).is_accepted());
        // A loader that is expected and not there, a variable that is another one.
        for pcr in [4, 7] {
            let refused = judge(verified, bank, &[other.expected(pcr)]);
            assert_eq!(refused.checks().failed_ids(), ["log.judge.known"], "PCR {pcr}");
        }
        // An event of the log that is not expected.
        let mut fewer = good.expected(4);
        fewer.events.pop();
        let refused = judge(verified, bank, &[fewer.clone()]);
        assert_eq!(refused.checks().failed_ids(), ["log.judge.known"]);
        // It may be expected without being necessary.
        let mut more = good.expected(4);
        let kernel = more.events.pop().expect("the kernel");
        more.events.push(ExpectedEvent { may_be_absent: true, ..kernel.clone() });
        more.events.push(ExpectedEvent { may_be_absent: true, ..kernel.clone() });
        assert!(judge(verified, bank, &[more.clone()]).is_accepted());
        more.events.push(ExpectedEvent { may_be_absent: false, ..kernel });
        let refused = judge(verified, bank, &[more]);
        assert_eq!(refused.checks().failed_ids(), ["log.judge.complete"]);
        // A PCR that nobody judged, a bank that was not quoted, and nothing at all.
        let unjudged = crate::event_log::ExpectedPcr { pcr: 5, events: Vec::new() };
        let refused = judge(verified, bank, &[unjudged]);
        assert_eq!(refused.checks().failed_ids(), ["log.judge.covered"]);
        let unquoted = judge(verified, Hash::Sha512, &[good.expected(4)]);
        assert_eq!(unquoted.checks().failed_ids(), ["log.judge.covered"]);
        assert!(!judge(verified, bank, &[]).is_accepted());
    }
}

/// PCR 11 as `systemd-measure calculate` of systemd 252 computes it, from files with these contents.
#[test]
fn sections_and_phases_are_those_of_systemd_measure() {
    let kernel = program(&[(".text", b"kernel")]);
    let bytes = program(&[
        (".osrel", b"ID=plinth\n"),
        (".cmdline", b"quiet"),
        (".linux", &kernel),
        (".initrd", b"initrd"),
    ]);
    let uki = Uki::parse(&bytes).expect("an image");
    let check = |phases: &[&str], expected: [&str; 2]| {
        let secure_boot = SecureBoot::default();
        let boot = UkiBoot {
            uki: &uki,
            secure_boot: &secure_boot,
            authority: None,
            options_ended: 0,
            loader: None,
            initrd: b"",
            phases,
        };
        let prediction = Prediction::of(&boot).expect("a prediction");
        for (bank, expected) in BANKS.into_iter().zip(expected) {
            let values = prediction.values(bank);
            assert_eq!(values.get(bank, 11).expect("predicted").to_string(), expected);
        }
    };
    check(
        &[],
        [
            "b06bef6db62639186899304fc013e8ed965bbfed242ee79251cf1bc888a03497",
            "343f447c7beb0449ad4b193d45cbdbc201bc7d796917aad7fd9b412a46e0c009747946a25eef0cff197f4888022bde7a",
        ],
    );
    check(
        &["sysinit", "ready"],
        [
            "e6c2d24523fd79632e848390c8df3637a4571a5301a7a0a191ad39dec57580cc",
            "75cf25645d8677ea9247eb36732959fe4bd815cf87c27d6462d4921f8648bef1d6c1bb43947c0c15f03ec1dc7368e60c",
        ],
    );
}
