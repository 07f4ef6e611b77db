//! What is measured, and the machines that measure: firmware of guests, their boot archives, measurements
//! out of files, tables of SMBIOS.

use attestation::snp::launch::{BaseDigest, Firmware, KernelHashes, Processor};
use hardware_specs::smbios;
use image_build::measure::Measurements;
use image_build::measure::boot_archive::BootArchive;

const PAGE_BYTES: usize = 4096;

/// Guest firmware: the input is the end of the image, where all that is read stands; the first byte says
/// how many pages of zeros come before it. The pages of each section are digested, so what would take
/// long is refused before.
pub fn snp_firmware(data: &[u8]) {
    let Some((&pages, end)) = data.split_first() else { return };
    let length = (end.len() + usize::from(pages % 8) * PAGE_BYTES).next_multiple_of(PAGE_BYTES);
    let mut image = vec![0; length - end.len()];
    image.extend(end);
    let Ok(firmware) = Firmware::from_bytes(&image) else { return };
    assert_eq!(firmware.address() + image.len() as u64, 1 << 32);
    let mut all_bytes = 0;
    for section in firmware.sections() {
        let (start, bytes) = (u64::from(section.address), u64::from(section.bytes));
        assert!(bytes > 0 && bytes % PAGE_BYTES as u64 == 0);
        assert!(start % PAGE_BYTES as u64 == 0 && start + bytes <= 1 << 32);
        all_bytes += bytes;
    }
    // Larger ones are digested by tests; here they would only cost executions.
    if all_bytes > 1 << 22 {
        return;
    }
    let kernel = KernelHashes::new(b"kernel", b"initrd", "quiet");
    for kernel in [None, Some(&kernel)] {
        let Ok(base) = BaseDigest::new(&firmware, kernel) else { continue };
        let again = BaseDigest::from_parts(base.value(), base.further_start());
        assert_eq!(again, base);
        let two = base.with_processors(2, Processor::EPYC_MILAN, 1);
        assert_eq!(two.is_ok(), firmware.further_start().is_some());
        let second = base.by_processor_count(Processor::EPYC_MILAN, 1).nth(1);
        assert_eq!(two.ok(), second);
    }
}

/// A guest's boot archive: all of it is what was read, heads and padding aside.
pub fn boot_archive(data: &[u8]) {
    let Ok(read) = BootArchive::parse(data) else { return };
    assert!(!read.command_line.contains('\0'));
    assert!(read.command_line.len() + read.initrd.len() + read.kernel.len() < data.len());
}

/// Measurements of a file: what is taken is the same again, and nothing else gives the same prediction.
pub fn measurements(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<Measurements>(data) else { return };
    let Ok(prediction) = read.prediction() else { return };
    assert_eq!(Measurements::of(&prediction, read.secure_boot), read);
}

/// Tables of SMBIOS.
pub fn smbios(data: &[u8]) {
    let Ok(all) = smbios::structures(data) else { return };
    let mut bytes = 0;
    for structure in &all {
        assert!(structure.data.len() >= 4);
        assert!(structure.strings.iter().all(|text| !text.is_empty() && !text.contains(&0)));
        bytes +=
            structure.data.len() + structure.strings.iter().map(|text| text.len()).sum::<usize>();
        let _ = structure.memory_bytes();
    }
    assert!(bytes < data.len());
    assert_eq!(all.last().map(|structure| structure.kind), Some(127));
}
