#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| plinth_fuzz::snp_guest(data));
