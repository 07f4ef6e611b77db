//! A boot of a unified kernel image as events, and the PCR values that they give.
//!
//! Sources: "TCG PC Client Platform Firmware Profile" for what firmware measures; systemd-stub for
//! PCR 11 and 12; the EFI stub of Linux for PCR 9; systemd-pcrphase for the phases.
//!
//! Predicted are PCR 4, 7, 9 and 11, and that 12, 13 and 14 stay zero: these say what was started and
//! how. PCR 0 to 3, 5 and 6 depend on the machine, its firmware and its disk, and are learnt.

mod checked;
mod what;

pub use checked::PredictionError;
pub use what::What;

use super::pe::Pe;
use super::uki::{SectionPart, Uki, UkiError};
use super::variable::{SecureBoot, SecureBootVariable, Signature, authority_data};
use crate::crypto::{Digest, Hash};
use crate::event_log::{ExpectedEvent, ExpectedPcr};
use crate::tpm::{PcrValues, extend};

/// The banks of a prediction: a machine may have either or both.
pub const BANKS: [Hash; 2] = [Hash::Sha256, Hash::Sha384];

/// The PCRs that are predicted.
pub const PREDICTED: [u8; 7] = [4, 7, 9, 11, 12, 13, 14];

/// What firmware says before it starts a boot option.
const CALLING: &[u8] = b"Calling EFI Application from Boot Option";
/// What firmware says when a boot option has ended.
const RETURNING: &[u8] = b"Returning from EFI Application from Boot Option";
/// The content of a separator: no error.
const SEPARATOR: [u8; 4] = [0; 4];

/// An event that will be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredictedEvent {
    /// The PCR it extends.
    pub pcr: u8,
    /// What it is.
    pub what: What,
    /// Its digest in each of [`BANKS`].
    pub digests: [Digest; 2],
    /// What is measured, where it is short enough to be compared for people.
    pub data: Option<Vec<u8>>,
}

impl PredictedEvent {
    fn of(pcr: u8, what: What, data: &[u8]) -> Self {
        let digests = BANKS.map(|bank| bank.digest(data));
        Self { pcr, what, digests, data: Some(data.to_vec()) }
    }

    /// Without its data, which is large.
    fn large(pcr: u8, what: What, data: &[u8]) -> Self {
        Self { data: None, ..Self::of(pcr, what, data) }
    }

    fn program(what: What, program: &Pe) -> Self {
        let digests = BANKS.map(|bank| program.authenticode(bank));
        Self { pcr: 4, what, digests, data: None }
    }

    /// Its digest in a bank; none if the bank is not predicted.
    pub fn digest(&self, bank: Hash) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.hash() == bank)
    }
}

/// How a unified kernel image is started.
#[derive(Clone, Debug)]
pub struct UkiBoot<'a> {
    /// The image.
    pub uki: &'a Uki<'a>,
    /// The secure boot variables of the machine.
    pub secure_boot: &'a SecureBoot,
    /// The entry of `db` that lets the image start, if secure boot is on.
    pub authority: Option<Signature<'a>>,
    /// How many boot options were started before and ended without starting a program.
    pub options_ended: u8,
    /// The boot loader that starts the image, if firmware does not start it itself.
    pub loader: Option<&'a Pe<'a>>,
    /// The initrd as the stub hands it to the kernel: see [`Uki::initrd_by_stub`].
    pub initrd: &'a [u8],
    /// The phases that the running system has gone through, such as `sysinit` and `ready`.
    pub phases: &'a [&'a str],
}

/// All events of the predicted PCRs, each PCR's in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    events: Vec<PredictedEvent>,
}

impl Prediction {
    /// What a machine measures when it boots like this.
    pub fn of(boot: &UkiBoot) -> Result<Self, UkiError> {
        let mut events = programs(boot);
        events.extend(variables(boot));
        events.extend(kernel_stub(boot)?);
        events.extend(sections(boot.uki));
        let phase =
            |word: &&str| PredictedEvent::of(11, What::Phase((*word).to_owned()), word.as_bytes());
        events.extend(boot.phases.iter().map(phase));
        Ok(Self { events })
    }

    /// The events.
    pub fn events(&self) -> &[PredictedEvent] {
        &self.events
    }

    /// The values of the predicted PCRs in one of [`BANKS`]; nothing in other banks.
    pub fn values(&self, bank: Hash) -> PcrValues {
        let mut values = PcrValues::default();
        if !BANKS.contains(&bank) {
            return values;
        }
        for pcr in PREDICTED {
            let own = self.events.iter().filter(|event| event.pcr == pcr);
            let digests = own.filter_map(|event| event.digest(bank));
            let value =
                digests.fold(Digest::zero(bank), |value, digest| extend(&value, digest.as_bytes()));
            values.set(pcr, value);
        }
        values
    }

    /// The events of the firmware's log that are expected for one PCR. Phases are not among them: the
    /// running system extends them, after the firmware's log has ended.
    pub fn expected(&self, pcr: u8) -> ExpectedPcr {
        let own = self.events.iter().filter(|event| event.pcr == pcr);
        let events = own
            .filter(|event| !matches!(event.what, What::Phase(_)))
            .map(|event| ExpectedEvent {
                name: event.what.to_string(),
                allowed: event.digests.to_vec(),
                may_be_absent: false,
            })
            .collect();
        ExpectedPcr { pcr, events }
    }
}

/// PCR 4.
fn programs(boot: &UkiBoot) -> Vec<PredictedEvent> {
    let calling = || PredictedEvent::of(4, What::BootOption, CALLING);
    let mut events = vec![calling(), PredictedEvent::of(4, What::Separator, &SEPARATOR)];
    for _ in 0..boot.options_ended {
        events.push(PredictedEvent::of(4, What::BootOptionEnded, RETURNING));
        events.push(calling());
    }
    if let Some(loader) = boot.loader {
        events.push(PredictedEvent::program(What::Loader, loader));
    }
    events.push(PredictedEvent::program(What::Image, boot.uki.image()));
    // With secure boot on, the stub stands in for the firmware's check of the kernel inside, as the
    // image's signature covers it; the firmware's measurement is part of that check, and left out.
    if boot.secure_boot.is_on != Some(true) {
        events.push(PredictedEvent::program(What::Kernel, boot.uki.kernel()));
    }
    events
}

/// PCR 7.
fn variables(boot: &UkiBoot) -> Vec<PredictedEvent> {
    let mut events: Vec<_> = SecureBootVariable::ALL
        .into_iter()
        .map(|variable| {
            let data = boot.secure_boot.measured(variable);
            PredictedEvent::of(7, What::Variable(variable), &data)
        })
        .collect();
    events.push(PredictedEvent::of(7, What::Separator, &SEPARATOR));
    if let Some(authority) = &boot.authority {
        events.push(PredictedEvent::of(7, What::Authority, &authority_data(authority)));
    }
    events
}

/// PCR 9.
fn kernel_stub(boot: &UkiBoot) -> Result<[PredictedEvent; 2], UkiError> {
    Ok([
        PredictedEvent::of(9, What::LoadOptions, &boot.uki.load_options()?),
        PredictedEvent::large(9, What::Initrd, boot.initrd),
    ])
}

/// PCR 11, up to the phases.
fn sections(uki: &Uki) -> Vec<PredictedEvent> {
    /// Contents up to this length are kept to be shown.
    const SHOWN_BYTES_MAX: usize = 4096;
    let [first, second] = BANKS.map(|bank| uki.stub_measurements(bank));
    let pairs = first.into_iter().zip(second);
    pairs
        .map(|((name, part, first), (_, _, second))| {
            let content = uki.section(name).filter(|content| content.len() <= SHOWN_BYTES_MAX);
            let (what, data) = match part {
                SectionPart::Name => (What::SectionName(name), None),
                SectionPart::Content => (What::Section(name), content.map(<[u8]>::to_vec)),
            };
            PredictedEvent { pcr: 11, what, digests: [first, second], data }
        })
        .collect()
}

#[cfg(test)]
mod tests;
