use super::*;

/// A small good image: two sections of 512 bytes each.
pub fn sample() -> Vec<u8> {
    let mut image = vec![0; 1024];
    image[..2].copy_from_slice(b"MZ");
    put_u32(&mut image, 60, 64);
    image[64..68].copy_from_slice(b"PE\0\0");
    image[68..70].copy_from_slice(&MACHINE_X86_64.to_le_bytes());
    image[84..86].copy_from_slice(&(OPTIONAL_BYTES as u16 + 128).to_le_bytes());
    let optional = 88;
    image[optional..optional + 2].copy_from_slice(&PE32_PLUS.to_le_bytes());
    put_u32(&mut image, optional + 32, 4096);
    put_u32(&mut image, optional + 36, 512);
    put_u32(&mut image, optional + 56, 4096);
    put_u32(&mut image, optional + 60, 1024);
    put_u32(&mut image, optional + 108, 16);
    image[optional + 70..optional + 72].copy_from_slice(&0x0160_u16.to_le_bytes());
    let pe = Pe {
        sections: Vec::new(),
        header_bytes: 1024,
        file_alignment: 512,
        section_alignment: 4096,
        nx_compatible: true,
        certificates: 0..0,
        layout: Layout { file_header_at: 68, optional_at: optional, sections_at: optional + 240 },
    };
    let section = |name, data| NewSection { name, data, characteristics: 0x4000_0040 };
    let sections = [section(".text", b"code".as_slice()), section(".sbat", b"sbat,1\n")];
    pe.append(&mut image, &sections, true).unwrap();
    image
}

#[test]
fn what_is_appended_is_read() {
    let image = sample();
    let pe = Pe::parse(&image).unwrap();
    let names: Vec<&str> = pe.sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, [".text", ".sbat"]);
    assert_eq!(image[pe.section(".sbat").unwrap().data.clone()], *b"sbat,1\n");
    assert_eq!(pe.sections[1].address, 8192);
    assert_eq!(pe.sections[1].raw, 1536..2048);
    assert!(pe.nx_compatible && pe.certificates.is_empty());
}

#[test]
fn cut_images_are_refused() {
    let image = sample();
    for length in 0..image.len() {
        assert!(Pe::parse(&image[..length]).is_err(), "{length} bytes");
    }
}

/// The sample with a number put at a place is refused with the text.
fn check(at: usize, number: u32, expected: &str) {
    let mut image = sample();
    put_u32(&mut image, at, number);
    let error = Pe::parse(&image).unwrap_err();
    assert!(error.problem.contains(expected), "{error}");
}

#[test]
fn what_has_two_meanings_is_refused() {
    let (sections, second) = (88 + 240, 88 + 240 + 40);
    check(60, u32::MAX, "ends too early");
    check(68, 0x0002_aa64, "not x86-64");
    check(88 + 36, 0, "alignments");
    check(88 + 36, 1 << 20, "alignments");
    check(88 + 60, 512 - 1, "headers do not end");
    check(88 + 60, 1 << 20, "headers do not end");
    check(88 + 56, 4096, "out of the image");
    check(88 + 108, 17, "another length");
    check(sections, 0, "empty or not plain");
    check(second + 4, u32::from_le_bytes(*b"\0\0\0x"), "not plain");
    check(second + 12, 4096, "overlaps another one in memory");
    check(second + 12, 8191, "not aligned");
    check(second + 8, u32::MAX, "beyond 4 GiB");
    check(second + 8, 0, "is empty");
    check(second + 16, 1, "not aligned in the file");
    check(second + 16, 1024, "out of the file");
    check(second + 20, u32::MAX - 511, "out of the file");
    check(second + 20, 1024, "overlaps what lies before");
    check(second + 20, 512, "overlaps what lies before");
    check(68 + 2 - 2, MACHINE_X86_64.into(), "no section");
    check(88 + OPTIONAL_BYTES + 32, 8, "signatures do not lie");
    let mut twice = sample();
    twice.copy_within(sections..sections + 8, second);
    assert_eq!(Pe::parse(&twice).unwrap_err().problem, "two sections have one name");
}

/// Sections that have no byte in the file do not end behind the headers; signatures do not begin within these.
#[test]
fn signatures_do_not_lie_in_the_headers() {
    let mut image = sample();
    image.truncate(1024);
    for section in [88 + 240, 88 + 240 + 40] {
        put_u32(&mut image, section + 16, 0);
        put_u32(&mut image, section + 20, 0);
    }
    assert!(Pe::parse(&image).unwrap().certificates.is_empty());
    let entry = 88 + OPTIONAL_BYTES + 32;
    put_u32(&mut image, entry, 1016);
    put_u32(&mut image, entry + 4, 8);
    let error = Pe::parse(&image).unwrap_err();
    assert!(error.problem.contains("signatures do not lie"), "{error}");
    image.extend([7; 8]);
    put_u32(&mut image, entry, 1024);
    assert_eq!(Pe::parse(&image).unwrap().certificates, 1024..1032);
}
