use super::*;

const FIRMWARE: &[u8] = include_bytes!("../../../../attestation/vectors/launch/guest-firmware.bin");
const EXPECTED: &str = include_str!("../../../../attestation/vectors/launch/expected.json");

fn parts(command_line: &str) -> GuestParts<'_> {
    GuestParts { firmware: FIRMWARE, kernel: b"kernel", initrd: b"initrd", command_line }
}

/// Those that sev-snp-measure computed (attestation/vectors/launch/README.md), written out or by
/// the base.
#[test]
fn digests_are_those_of_another_implementation() {
    let cases: Vec<serde_json::Value> = serde_json::from_str(EXPECTED).unwrap();
    let mut compared = 0;
    for case in cases.iter().filter(|case| case["features"] == 1 && case["kernel"].is_string()) {
        let text = |key: &str| case[key].as_str().unwrap();
        let all = launch_digests(&GuestParts {
            firmware: FIRMWARE,
            kernel: text("kernel").as_bytes(),
            initrd: text("initrd").as_bytes(),
            command_line: text("command_line"),
        })
        .unwrap();
        let count = u32::try_from(case["count"].as_u64().unwrap()).unwrap();
        let digest = all.digest_of(text("processor"), count).unwrap();
        assert_eq!(hex::encode(digest), text("digest"));
        compared += 1;
    }
    assert!(compared >= 8, "{compared}");
}

#[test]
fn each_model_and_count_is_written_out_once() {
    let all = launch_digests(&parts("quiet")).unwrap();
    assert_eq!(all.digests.len(), PROCESSORS.len() * PROCESSOR_COUNTS.len());
    assert_eq!(all.check(), Ok(()));
    let mut digests: Vec<_> = all.digests.iter().map(|digest| digest.digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), all.digests.len());
    let text = serde_json::to_string(&all).unwrap();
    let read: LaunchDigests = serde_json::from_str(&text).unwrap();
    assert_eq!(read, all);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    assert!(serde_json::from_str::<LaunchDigests>(&text.replacen("base", "bases", 1)).is_err());
}

#[test]
fn changed_files_are_refused() {
    let all = launch_digests(&parts("quiet")).unwrap();
    let refused = |change: &dyn Fn(&mut LaunchDigests)| {
        let mut changed = all.clone();
        change(&mut changed);
        changed.check().unwrap_err()
    };
    for at in 0..all.digests.len() {
        let LaunchDigest { processor, count, .. } = all.digests[at].clone();
        let fault = refused(&|all| all.digests[at].digest.0[1] ^= 2);
        assert_eq!(fault, LaunchFault::Digest { processor, count });
    }
    let first = |fault: LaunchFault| matches!(fault, LaunchFault::Digest { count: 1, .. });
    assert!(first(refused(&|all| all.base.0[0] ^= 1)));
    assert!(first(refused(&|all| all.features ^= 0x20)));
    let further = refused(&|all| all.further_start = all.further_start.map(|start| start ^ 0x10));
    assert!(matches!(further, LaunchFault::Digest { count: 2, .. }));
    assert_eq!(
        refused(&|all| all.further_start = None),
        LaunchFault::Launch(LaunchError::NoResetAddress)
    );
    assert_eq!(refused(&|all| all.digests.swap(0, 1)), LaunchFault::Order);
    assert_eq!(refused(&|all| all.digests.insert(0, all.digests[0].clone())), LaunchFault::Order);
    let name = refused(&|all| all.digests[0].processor = "EPYC-Athens".to_owned());
    assert_eq!(name, LaunchFault::Processor("EPYC-Athens".to_owned()));
}

#[test]
fn parts_without_a_digest_are_refused() {
    assert_eq!(launch_digests(&parts("qui\0et")), Err(LaunchFault::CommandLine));
    let no_firmware = GuestParts { firmware: &[0; 4096], ..parts("quiet") };
    assert_eq!(launch_digests(&no_firmware), Err(LaunchFault::Firmware(FirmwareError::NoTable)));
}
