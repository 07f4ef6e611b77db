use super::*;

fn device(size: u16, extended: u32) -> Vec<u8> {
    let mut data = vec![0; 0x20];
    data[0] = MEMORY_DEVICE;
    data[1] = 0x20;
    data[SIZE_AT..SIZE_AT + 2].copy_from_slice(&size.to_le_bytes());
    data[EXTENDED_SIZE_AT..].copy_from_slice(&extended.to_le_bytes());
    data.extend(*b"DIMM 0\0Maker\0\0");
    data
}

const END: [u8; 6] = [END_OF_TABLE, 4, 0, 1, 0, 0];

#[test]
fn memory_devices_have_their_lengths() {
    let check = |size: u16, extended: u32, expected: Option<u64>| {
        let table = [device(size, extended), END.to_vec()].concat();
        let all = structures(&table).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].strings, [&b"DIMM 0"[..], b"Maker"]);
        assert_eq!(all[0].memory_bytes(), expected, "{size:#x}");
        assert_eq!(all[1].memory_bytes(), None);
    };
    check(0, 0, Some(0));
    check(16384, 0, Some(16 << 30));
    check(SIZE_EXTENDED, 65536, Some(64 << 30));
    check(SIZE_EXTENDED, u32::MAX, Some(0x7fff_ffff << 20));
    check(0x8000 | 512, 0, Some(512 << 10));
    check(SIZE_UNKNOWN, 0, None);
}

/// Devices of SMBIOS before 2.7 have no extended size.
#[test]
fn short_structures_say_less() {
    let mut short = device(SIZE_EXTENDED, 0);
    short[1] = 0x1c;
    short.drain(0x1c..0x20);
    let table = [short, END.to_vec()].concat();
    assert_eq!(structures(&table).unwrap()[0].memory_bytes(), None);
}

#[test]
fn damaged_tables_are_refused() {
    let check = |table: &[u8], expected: &str| {
        let error = structures(table).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} does not say: {expected}");
    };
    check(&[], "does not end with");
    check(&[1], "cut off");
    check(&[1, 3, 0, 0, 0, 0], "shorter than its head");
    check(&[1, 9, 0, 0, 0, 0], "cut off");
    check(&[1, 4, 0, 0, b'a'], "string does not end");
    check(&[1, 4, 0, 0, 0, 1], "two zeros");
    check(&[1, 4, 0, 0, 0], "two zeros");
    check(&device(0, 0), "does not end with");
    check(&vec![0; TABLE_BYTES_MAX + 1], "over 1 MiB");
    let table = [device(16384, 0), END.to_vec()].concat();
    for end in 0..table.len() {
        assert!(structures(&table[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn what_follows_the_end_is_not_read() {
    let table = [END.to_vec(), vec![9; 7]].concat();
    assert_eq!(structures(&table).unwrap().len(), 1);
}
