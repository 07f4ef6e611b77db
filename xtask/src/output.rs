//! What `xtask` prints. A reader that went away (`cargo xtask --help | head -3`) is no error.

use crate::error::Error;
use std::fmt::Display;
use std::io::{self, Write};

/// A line of the result, on stdout.
pub fn print(line: impl Display) -> Result<(), Error> {
    write_line(&mut io::stdout().lock(), line).map_err(Error::file("write", "stdout"))
}

/// A line for people, on stderr, given as to `format!`.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::note_line(format_args!($($text)*)) };
}
pub(crate) use note;

/// There is nobody to tell if the line cannot be written.
pub fn note_line(line: impl Display) {
    let _ = write_line(&mut io::stderr().lock(), line);
}

fn write_line(to: &mut impl Write, line: impl Display) -> io::Result<()> {
    match writeln!(to, "{line}").and_then(|()| to.flush()) {
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
        assert!(write_line(&mut Failing(io::ErrorKind::BrokenPipe), "line").is_ok());
        assert!(write_line(&mut Failing(io::ErrorKind::StorageFull), "line").is_err());
    }
}
