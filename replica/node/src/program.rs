//! Which program this process runs: what auditors compare with a release.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

/// The running program, also if its file was replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// SHA-256 of the running program in hex, found once by a thread of its own: reading it takes longer
/// than anything else that the start of a node waits for. It stays unknown if it cannot be read.
pub fn program_hash() -> Arc<OnceLock<String>> {
    let hash = Arc::new(OnceLock::new());
    let found = Arc::clone(&hash);
    let look = move || match hash_of(Path::new(PROGRAM)) {
        Ok(hash) => drop(found.set(hash)),
        Err(error) => log::warn!(error:% = error; "the hash of this program cannot be found"),
    };
    if let Err(error) = std::thread::Builder::new().name("program-hash".into()).spawn(look) {
        log::warn!(error:% = error; "the hash of this program cannot be found");
    }
    hash
}

fn hash_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hash.finalize())),
            length => hash.update(&piece[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), b"abc").expect("it can be written");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_of(file.path()).expect("it can be read"), expected);
    }

    #[test]
    fn the_running_program_has_one() {
        let path = std::env::current_exe().expect("a program has a file");
        assert_eq!(program_hash().wait(), &hash_of(&path).expect("it can be read"));
    }
}
