//! `plinth measure uki`: the PCR values of a boot.

use std::path::{Path, PathBuf};

use attestation::event_log::EventLog;
use attestation::predict::variable::SecureBoot;
use clap::{Args, ValueEnum};
use image_build::measure::{
    Conditions, Content, MeasuredEvent, Measurements, PHASES, Variables, authority_of_log,
    measurements, variables_of_log,
};

use crate::attest::files::read_up_to;
use crate::error::Error;
use crate::output;

/// Far more than an image has; firmware reads it whole.
const IMAGE_BYTES_MAX: u64 = 1 << 30;

/// Options of `uki`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Predicted are PCR 4, 7, 9 and 11, and that 12, 13 and 14 stay zero. PCR 0 to 3, 5 and 6 depend on the \
machine. A machine whose firmware tries another boot option first measures that too: see \
--options-ended.

Exit codes: 0 measured; 2 unusable input or wrong usage.")]
pub struct MeasureUki {
    /// The image, such as hostos.efi.
    image: PathBuf,
    /// The state of secure boot.
    #[arg(long, value_enum, default_value_t = State::OffNoKeys)]
    secure_boot: State,
    /// Take the variables of secure boot, keys and all, from the log of a machine.
    #[arg(long, value_name = "LOG", conflicts_with = "secure_boot")]
    variables_of: Option<PathBuf>,
    /// How many boot options firmware tries in vain before this one.
    #[arg(long, default_value_t = 0)]
    options_ended: u8,
    /// The phases that the system goes through, in their order; `none` for none.
    #[arg(long, value_delimiter = ',', default_values_t = PHASES.map(str::to_owned))]
    phases: Vec<String>,
    /// Print the measurements as JSON, in the form that release manifests have.
    #[arg(long)]
    json: bool,
}

/// States of secure boot.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Off, and no keys are enrolled.
    OffNoKeys,
    /// Firmware has no secure boot.
    Absent,
}

/// Measures the image and prints it.
pub fn run(arguments: &MeasureUki) -> Result<(), Error> {
    let image =
        read_up_to(&arguments.image, IMAGE_BYTES_MAX).map_err(|error| super::unusable(&error))?;
    let log = match &arguments.variables_of {
        Some(path) => read_up_to(path, IMAGE_BYTES_MAX).map_err(super::unread)?,
        None => Vec::new(),
    };
    let keys = arguments.variables_of.as_deref().map(|path| keys(&log, path)).transpose()?;
    let variables = match (&keys, arguments.secure_boot) {
        (Some((log, contents)), _) => {
            Variables::Keys { contents, authority: authority_of_log(log, contents) }
        }
        (None, State::OffNoKeys) => Variables::OffNoKeys,
        (None, State::Absent) => Variables::Absent,
    };
    let phases: Vec<&str> =
        arguments.phases.iter().map(String::as_str).filter(|word| *word != "none").collect();
    let conditions =
        Conditions { variables, options_ended: arguments.options_ended, phases: &phases };
    let measured = measurements(&image, &conditions).map_err(|error| super::unusable(&error))?;
    output::print(if arguments.json { super::json(&measured) } else { as_text(&measured) })
}

/// The variables in a machine's log.
fn keys<'a>(log: &'a [u8], path: &Path) -> Result<(EventLog<'a>, SecureBoot), Error> {
    let log = EventLog::parse(log).map_err(|error| super::unusable(&error))?;
    let contents = variables_of_log(&log).ok_or_else(|| {
        Error::Unusable(format!(
            "{}: it has not all five variables of secure boot with the contents that were measured",
            path.display()
        ))
    })?;
    Ok((log, contents))
}

/// The values of each bank, then the events that give them.
fn as_text(measured: &Measurements) -> String {
    let mut text = String::new();
    text += "sha256:\n";
    for value in &measured.pcrs {
        text += &format!("  {:<2}: {}\n", value.pcr, value.sha256);
    }
    text += "sha384:\n";
    for value in &measured.pcrs {
        text += &format!("  {:<2}: {}\n", value.pcr, value.sha384);
    }
    text += "events (PCR, SHA-256, what is measured):\n";
    for event in &measured.events {
        text += &event_line(event);
    }
    text
}

fn event_line(event: &MeasuredEvent) -> String {
    let MeasuredEvent { pcr, what, sha256, content, .. } = event;
    let shown = match content {
        Some(Content::Text(text) | Content::Utf16(text)) => {
            format!(" {:?}", text.trim_end_matches('\0'))
        }
        Some(Content::Hex(hex)) => format!(" {hex}"),
        None => String::new(),
    };
    format!("  {pcr:<2}: {sha256} {what}{shown}\n")
}

#[cfg(test)]
mod tests;
