//! The kernel's command line, which is part of what a machine measures.

use crate::RootHash;
use thiserror::Error;

/// The word that names the root.
const ROOT_HASH: &str = "plinth.roothash=";

/// A command line that does not say what to start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandLineError {
    /// There is no such word.
    #[error(
        "the command line has no plinth.roothash=, so nothing says which root to start; boot an \
         image that `plinth image build` made, with the command line that belongs to it"
    )]
    Missing,
    /// There are two: somebody has added a word.
    #[error(
        "the command line has plinth.roothash= twice; drop what was added to that of the image"
    )]
    Twice,
    /// What it says is no hash.
    #[error(
        "plinth.roothash= is not 64 hexadecimal digits in small letters; build the image again"
    )]
    Form,
}

/// The root hash of a command line. One word, one form: what is measured is what is meant.
pub fn root_hash(command_line: &str) -> Result<RootHash, CommandLineError> {
    let mut words =
        command_line.split_ascii_whitespace().filter_map(|word| word.strip_prefix(ROOT_HASH));
    let word = words.next().ok_or(CommandLineError::Missing)?;
    if words.next().is_some() {
        return Err(CommandLineError::Twice);
    }
    digits(word.as_bytes()).ok_or(CommandLineError::Form)
}

fn digits(word: &[u8]) -> Option<RootHash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    if word.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(word.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}
