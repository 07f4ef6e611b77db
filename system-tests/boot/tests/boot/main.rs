//! See the library for how images are started and seen.

mod failures;
mod guestos;
mod machines;
