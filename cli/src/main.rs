//! `plinth`: see `plinth --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    plinth_cli::main(std::env::args_os().collect())
}
