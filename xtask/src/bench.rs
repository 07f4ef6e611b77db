//! `cargo xtask bench`: runs the benchmark programs and prints their figures, one line for each.

use crate::Command;
use crate::canisters;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output::{self, note};
use crate::setup::{self, Purpose};
use serde_json::Value;

pub const COMMAND: Command = Command {
    name: "bench",
    summary: "measure the network and print the figures with their limits",
    help: "\
Usage: cargo xtask bench [--json]

Builds the programs in release, runs each benchmark program and prints its figures, one line each:
`name = value`, with the unit at the end of the name. A figure that depends on the machine's speed
stands beside its limit measured in the same run. Other work on the machine spoils the figures.

  --json   print one JSON object instead",
    run,
};

/// A program that prints its figures as a JSON object.
struct Benchmark {
    name: &'static str,
    package: &'static str,
    binary: &'static str,
}

const BENCHMARKS: &[Benchmark] =
    &[Benchmark { name: "network", package: "system-tests", binary: "network-bench" }];

fn run(folders: &Folders, mut options: Options) -> Result<(), Error> {
    let as_json = options.flag("--json");
    options.finish()?;
    canisters::install_system(folders, &setup::set_up(folders, Purpose::Up)?)?;
    let build = || Run::cargo(folders).args(["build", "--release"]);
    build().args(["--workspace", "--bins"]).run()?;
    build().args(["--package", "replica-http-api", "--example", "constant"]).run()?;
    let mut figures = serde_json::Map::new();
    for benchmark in BENCHMARKS {
        figures.insert(benchmark.name.into(), measure(folders, benchmark)?);
    }
    let figures = Value::Object(figures);
    if as_json {
        output::print(format_args!("{figures:#}"))
    } else {
        lines("", &figures).iter().try_for_each(output::print)
    }
}

fn measure(folders: &Folders, benchmark: &Benchmark) -> Result<Value, Error> {
    note!("bench: {} ({} of {})", benchmark.name, benchmark.binary, benchmark.package);
    let answer = Run::new(folders, folders.program(benchmark.binary)).read()?;
    serde_json::from_str(&answer).map_err(|_| Error::Answer { program: benchmark.binary, answer })
}

/// `path.to.figure = value` for each figure.
fn lines(path: &str, value: &Value) -> Vec<String> {
    let Value::Object(members) = value else { return vec![format!("{path} = {value}")] };
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    members.iter().flat_map(|(name, value)| lines(&below(name), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_one_line() {
        let figures =
            serde_json::json!({"network": {"idle": {"finality_ms": 31.5}, "queries_per_s": 9000}});
        assert_eq!(
            lines("", &figures),
            ["network.idle.finality_ms = 31.5", "network.queries_per_s = 9000"]
        );
    }
}
