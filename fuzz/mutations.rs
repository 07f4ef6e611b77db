//! Changed forms of good bytes, the same in each run: for decoders whose crates are too heavy to be
//! compiled again with coverage counters. Their tests include this file by its path; README.md
//! lists them.

/// Calls `check` with `count` mutants of the samples. When it panics, says which mutant it was.
pub fn for_each_mutant(samples: &[Vec<u8>], count: u64, mut check: impl FnMut(&[u8])) {
    assert!(!samples.is_empty(), "there is something to change");
    for seed in 0..count {
        let mutant = mutant(samples, seed);
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mutant)));
        if let Err(panic) = checked {
            let bytes: String = mutant.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("the mutant of seed {seed}: {bytes}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Numbers at the borders of widths and of variable-length encodings.
const BORDERS: [u8; 10] = [0, 1, 0x17, 0x18, 0x1b, 0x7f, 0x80, 0x9f, 0xfe, 0xff];

/// One sample with one to four changes.
fn mutant(samples: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_add(1));
    let mut bytes = samples[random.below(samples.len())].clone();
    for _ in 0..=random.below(4) {
        change(&mut bytes, samples, &mut random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, samples: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let length = random.below(9).min(bytes.len() - at);
    match random.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = BORDERS[random.below(BORDERS.len())],
        2 => bytes[at..at + length].fill(0xff),
        3 => drop(bytes.drain(at..at + length)),
        4 => {
            let more = (0..=random.below(9)).map(|_| random.next() as u8);
            drop(bytes.splice(at..at, more.collect::<Vec<_>>()));
        }
        5 => {
            let again = bytes[at..at + length].to_vec();
            drop(bytes.splice(at..at, again));
        }
        6 => {
            let other = &samples[random.below(samples.len())];
            let from = random.below(other.len() + 1);
            let until = other.len().min(from + random.below(65));
            let end = bytes.len().min(at + (until - from));
            drop(bytes.splice(at..end, other[from..until].iter().copied()));
        }
        _ if random.below(4) == 0 => bytes.truncate(at),
        _ => {}
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
