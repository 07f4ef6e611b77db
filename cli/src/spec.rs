//! `plinth spec`: what a standardized machine must have, and whether this one has it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hardware_specs::compare::{Check, Outcome, compare, specs_for};
use hardware_specs::facts::Facts;
use hardware_specs::probe::probe;
use hardware_specs::registers::{Live, Recorded, Registers};
use hardware_specs::spec::{self, Spec};
use serde::Serialize;

use crate::error::{Error, chain_of};
use crate::output;

/// `plinth spec ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum SpecCommand {
    /// Compare this machine with a spec, and say how to mend each difference.
    Check(CheckMachine),
    /// List the specs.
    List {
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show a spec.
    Show {
        /// Its name.
        spec: String,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Run it as root, with the modules msr and ccp loaded: other users are not shown all that is compared. \
What cannot be told counts as missing.

Exit codes: 0 the machine has all that the spec asks for; 1 it has not; 2 unusable input or wrong usage.")]
pub struct CheckMachine {
    /// The spec [default: the one for this machine's processor].
    spec: Option<String>,
    /// The root folder of a recorded machine: /proc and /sys below it, and registers.yaml.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Print each requirement, and the machine's facts, as JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    spec: &'a str,
    is_met: bool,
    checks: &'a [Check],
    facts: &'a Facts,
}

/// Runs one of the commands.
pub fn run(command: &SpecCommand) -> Result<(), Error> {
    match command {
        SpecCommand::Check(arguments) => check(arguments),
        SpecCommand::List { json } => list(*json),
        SpecCommand::Show { spec, json } => show(spec, *json),
    }
}

fn check(arguments: &CheckMachine) -> Result<(), Error> {
    let facts = facts(arguments)?;
    let spec = spec_of(arguments.spec.as_deref(), &facts)?;
    let checks = compare(&spec, &facts);
    let missed = checks.iter().filter(|check| check.outcome != Outcome::Met).count();
    let report = Report { spec: &spec.name, is_met: missed == 0, checks: &checks, facts: &facts };
    output::print(if arguments.json { json(&report) } else { as_text(&spec, &checks) })?;
    match missed {
        0 => Ok(()),
        count => {
            let all = checks.len();
            Err(Error::Deviates(format!("{count} of {all} requirements are not met")))
        }
    }
}

fn facts(arguments: &CheckMachine) -> Result<Facts, Error> {
    let recorded = registers(arguments)?;
    let registers: &dyn Registers = match &recorded {
        Some(recorded) => recorded,
        None => &Live,
    };
    probe(&arguments.root, registers).map_err(|error| unusable(&error))
}

/// Those of a machine that is somewhere else; none for this one.
fn registers(arguments: &CheckMachine) -> Result<Option<Recorded>, Error> {
    if arguments.root == Path::new("/") {
        return Ok(None);
    }
    match std::fs::read_to_string(arguments.root.join("registers.yaml")) {
        Ok(text) => Ok(Some(Recorded::parse(&text).map_err(|error| unusable(&error))?)),
        // Nobody wrote them down: they are unknown.
        Err(_) => Ok(Some(Recorded::default())),
    }
}

fn spec_of(name: Option<&str>, facts: &Facts) -> Result<Spec, Error> {
    if let Some(name) = name {
        return Spec::named(name).map_err(|error| unusable(&error));
    }
    let all = spec::all();
    match specs_for(&all, facts)[..] {
        [spec] => Ok(spec.clone()),
        _ => Err(Error::Unusable(format!(
            "no spec is for a processor of {} family {:#x} model {:#x} ({}); name one of {}",
            facts.processor.vendor,
            facts.processor.family,
            facts.processor.model,
            facts.processor.name,
            spec::names().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// A line for each requirement, with its fix below it.
fn as_text(spec: &Spec, checks: &[Check]) -> String {
    let mut text = format!("{}: {}\n", spec.name, spec.title);
    for Check { id, outcome, wanted, found, fix } in checks {
        let mark = match outcome {
            Outcome::Met => "ok     ",
            Outcome::Missed => "MISSED ",
            Outcome::Unknown => "UNKNOWN",
        };
        text += &format!("{mark}  {id}: {found}");
        if let Some(fix) = fix {
            text += &format!(" (wanted: {wanted})\n         fix: {fix}");
        }
        text.push('\n');
    }
    let missed = checks.iter().filter(|check| check.outcome != Outcome::Met).count();
    text += &match missed {
        0 => format!("all {} requirements are met\n", checks.len()),
        count => format!("{count} of {} requirements are not met\n", checks.len()),
    };
    text
}

fn list(as_json: bool) -> Result<(), Error> {
    let all = spec::all();
    output::print(match as_json {
        true => json(&all.iter().map(|spec| (&spec.name, &spec.title)).collect::<Vec<_>>()),
        false => all.iter().map(|spec| format!("{}  {}\n", spec.name, spec.title)).collect(),
    })
}

fn show(name: &str, as_json: bool) -> Result<(), Error> {
    let spec = Spec::named(name).map_err(|error| unusable(&error))?;
    output::print(match as_json {
        true => json(&spec),
        false => serde_yaml::to_string(&spec).expect("a spec is plain data"),
    })
}

fn unusable(error: &dyn std::error::Error) -> Error {
    Error::Unusable(chain_of(error))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("it is plain data") + "\n"
}

#[cfg(test)]
mod tests;
