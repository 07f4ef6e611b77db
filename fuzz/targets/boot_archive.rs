#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| plinth_fuzz::boot_archive(data));
