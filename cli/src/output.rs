//! What `plinth` prints. A reader that went away (`plinth status | head -1`) is no error and stops
//! nothing: a network that is being started must not be left half-way because nobody reads on.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use crate::error::Error;

/// A result, on standard output.
pub fn print(text: impl Display) -> Result<(), Error> {
    write_all(&mut io::stdout().lock(), text)
        .map_err(Error::file("write", Path::new("the standard output")))
}

/// A line for people, on standard error. There is nobody to tell if that cannot be written.
pub fn note(text: impl Display) {
    let _ = write_all(&mut io::stderr().lock(), format_args!("plinth: {text}\n"));
}

fn write_all(to: &mut impl Write, text: impl Display) -> io::Result<()> {
    match write!(to, "{text}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_reader_that_went_away_is_no_error() {
        assert!(write_all(&mut Failing(io::ErrorKind::BrokenPipe), "text").is_ok());
        assert!(write_all(&mut Failing(io::ErrorKind::StorageFull), "text").is_err());
    }
}
