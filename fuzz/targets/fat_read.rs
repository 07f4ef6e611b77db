#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| plinth_fuzz::fat_read(data));
