use super::*;

const IMAGE: &[u8] = include_bytes!("../../../vectors/launch/guest-firmware.bin");
const EXPECTED: &str = include_str!("../../../vectors/launch/expected.json");

/// Offsets in the image, from its end.
const TABLE_LENGTH: usize = 32 + 18;
const METADATA: usize = 0x400;

/// Every digest that the other implementation computes.
#[test]
fn digests_are_those_of_another_implementation() {
    let cases: serde_json::Value = serde_json::from_str(EXPECTED).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 48);
    let firmware = Firmware::from_bytes(IMAGE).unwrap();
    for case in cases {
        let text = |key: &str| case[key].as_str();
        let kernel = text("kernel").map(|kernel| {
            let initrd = text("initrd").unwrap();
            KernelHashes::new(kernel.as_bytes(), initrd.as_bytes(), text("command_line").unwrap())
        });
        let base = BaseDigest::new(&firmware, kernel.as_ref()).unwrap();
        let processor = Processor::from_qemu_name(text("processor").unwrap()).unwrap();
        let count = u32::try_from(case["count"].as_u64().unwrap()).unwrap();
        let features = case["features"].as_u64().unwrap();
        let digest = base.with_processors(count, processor, features).unwrap();
        assert_eq!(hex::encode(digest), text("digest").unwrap(), "{case}");
        let by_count = base.by_processor_count(processor, features).nth(count as usize - 1);
        assert_eq!(by_count, Some(digest));
    }
}

#[test]
fn each_part_changes_the_digest() {
    let digest = |image: &[u8], kernel: &KernelHashes, processor: Processor, features: u64| {
        let base = BaseDigest::new(&Firmware::from_bytes(image).unwrap(), Some(kernel)).unwrap();
        base.with_processors(2, processor, features).unwrap()
    };
    let kernel = KernelHashes::new(b"kernel", b"initrd", "line");
    let mut other_image = IMAGE.to_vec();
    other_image[0] ^= 1;
    let mut all = vec![
        digest(IMAGE, &kernel, Processor::EPYC_MILAN, 1),
        digest(&other_image, &kernel, Processor::EPYC_MILAN, 1),
        digest(IMAGE, &kernel, Processor::EPYC_GENOA, 1),
        digest(IMAGE, &kernel, Processor::EPYC_MILAN, 0x21),
        digest(IMAGE, &KernelHashes::new(b"other", b"initrd", "line"), Processor::EPYC_MILAN, 1),
        digest(IMAGE, &KernelHashes::new(b"kernel", b"other", "line"), Processor::EPYC_MILAN, 1),
        digest(IMAGE, &KernelHashes::new(b"kernel", b"initrd", "other"), Processor::EPYC_MILAN, 1),
    ];
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn numbers_of_processors() {
    let base = BaseDigest::new(&Firmware::from_bytes(IMAGE).unwrap(), None).unwrap();
    let with = |count: u32| base.with_processors(count, Processor::EPYC_GENOA, 1);
    assert_eq!(with(0), Err(LaunchError::Processors(0)));
    assert_eq!(with(4097), Err(LaunchError::Processors(4097)));
    assert!(with(4096).is_ok());
}

#[test]
fn names_of_processors() {
    let name = Processor::from_qemu_name;
    assert_eq!(name("EPYC-v4"), Some(Processor::EPYC));
    assert_eq!(name("EPYC-Genoa-v1"), Some(Processor::EPYC_GENOA));
    assert_eq!(name("EPYC-Milan"), Some(Processor::EPYC_MILAN));
    for unknown in ["", "EPYC-v", "EPYC-vv4", "EPYC-Venice", "host", "EPYC-v4-v4", "EPYC-v+4"] {
        assert_eq!(name(unknown), None, "{unknown}");
    }
}

fn changed(from_end: usize, bytes: &[u8]) -> Result<Firmware, FirmwareError> {
    let mut image = IMAGE.to_vec();
    let at = image.len() - from_end;
    image[at..at + bytes.len()].copy_from_slice(bytes);
    Firmware::from_bytes(&image)
}

#[test]
fn damaged_firmware_is_refused() {
    let check = |from_end: usize, bytes: &[u8], expected: FirmwareError| {
        assert_eq!(changed(from_end, bytes).err(), Some(expected), "{from_end:#x}");
    };
    for size in [0, 1, 4095, 4097, 16 * 1024 * 1024 + 4096] {
        assert_eq!(Firmware::from_bytes(&vec![0; size]).err(), Some(FirmwareError::Size));
    }
    assert_eq!(Firmware::from_bytes(&[0; 4096]).err(), Some(FirmwareError::NoTable));
    check(TABLE_LENGTH - 2, &[0], FirmwareError::NoTable);
    check(TABLE_LENGTH, &[17, 0], FirmwareError::Table);
    check(TABLE_LENGTH, &[0xff, 0xff], FirmwareError::Table);
    check(TABLE_LENGTH, &[19, 0], FirmwareError::Table);
    // The last entry before the footer.
    check(TABLE_LENGTH + 18, &[0, 0], FirmwareError::Table);
    check(TABLE_LENGTH + 18, &[0xff, 0xff], FirmwareError::Table);
    check(METADATA, b"X", FirmwareError::Metadata);
    check(METADATA - 4, &[0], FirmwareError::Metadata);
    check(METADATA - 4, &[0xff], FirmwareError::Metadata);
    check(METADATA - 8, &[2], FirmwareError::Metadata);
    check(METADATA - 12, &[65], FirmwareError::Metadata);
    check(METADATA - 12, &[0xff; 4], FirmwareError::Metadata);
    check(METADATA - 16, &[1], FirmwareError::SectionPlace);
    check(METADATA - 20, &[0xff; 4], FirmwareError::SectionPlace);
    check(METADATA - 20, &[0, 0, 0, 0xf0], FirmwareError::SectionPlace);
    check(METADATA - 20, &[0; 4], FirmwareError::SectionPlace);
    check(METADATA - 24, &[9], FirmwareError::SectionKind(9));
}

#[test]
fn firmware_without_a_place_for_hashes_boots_no_kernel_directly() {
    let kernel = KernelHashes::new(b"kernel", b"", "");
    let refused = |firmware: &Firmware| {
        assert_eq!(
            BaseDigest::new(firmware, Some(&kernel)).err(),
            Some(LaunchError::NoKernelHashes)
        );
        assert!(BaseDigest::new(firmware, None).is_ok());
    };
    // The fifth section becomes one of memory.
    refused(&changed(METADATA - 16 - 4 * 12 - 8, &[1]).unwrap());
    // The table lies outside of its section.
    let entry = IMAGE
        .windows(8)
        .position(|window| window == [0, 0x1c, 0x81, 0, 0, 4, 0, 0])
        .map(|at| IMAGE.len() - at)
        .unwrap();
    refused(&changed(entry, &[0, 0, 0, 0]).unwrap());
    refused(&changed(entry, &[0x51, 0x1f, 0x81, 0]).unwrap());
    refused(&changed(entry, &[0xff, 0x0f, 0x81, 0]).unwrap());
    assert!(
        BaseDigest::new(&changed(entry, &[0x50, 0x1f, 0x81, 0]).unwrap(), Some(&kernel)).is_ok()
    );
}

#[test]
fn no_change_of_a_byte_panics() {
    let kernel = KernelHashes::new(b"kernel", b"", "");
    for from_end in (1..=0x480).filter(|from_end| !(0x100..0x3a0).contains(from_end)) {
        for value in [0, 1, 0x7f, 0xff] {
            if let Ok(firmware) = changed(from_end, &[value]) {
                let _ = BaseDigest::new(&firmware, Some(&kernel));
                let _ = BaseDigest::new(&firmware, None);
            }
        }
    }
}
