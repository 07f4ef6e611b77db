//! Real boots (attestation/vectors/uki-boot), as they are and with one thing changed: what is expected
//! comes from the image, by an independent program; the logs come from the machines' firmware.

use attestation::crypto::{Digest, Hash};
use attestation::event_log::EventLog;
use attestation::predict::boot::{BANKS, PredictedEvent, Prediction, What};
use attestation::predict::uki::load_options;
use attestation::predict::variable::SecureBootVariable;
use attestation::tpm::{PcrValues, extend};
use image_build::measure::{Measurements, SecureBootState};
use serde_json::Value;

const BOOTS: &str = include_str!("../../../../../attestation/vectors/uki-boot/boots.json");
const LOGS: [(&str, &[u8]); 3] = [
    ("plain", include_bytes!("../../../../../attestation/vectors/uki-boot/plain.log")),
    ("secure-boot", include_bytes!("../../../../../attestation/vectors/uki-boot/secure-boot.log")),
    (
        "systemd-boot",
        include_bytes!("../../../../../attestation/vectors/uki-boot/systemd-boot.log"),
    ),
];
/// All banks of the machines' logs.
const ALL: [Hash; 3] = [Hash::Sha1, Hash::Sha256, Hash::Sha384];
/// EFI_CERT_X509_GUID and EFI_CERT_SHA256_GUID.
const X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];
const SHA256: [u8; 16] = [
    0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28,
];

/// Types of events.
pub const IPL: u32 = 0x0d;
pub const ACTION: u32 = 0x8000_0007;
pub const PROGRAM: u32 = 0x8000_0003;
pub const TAG: u32 = 6;
pub const SEPARATOR: u32 = 4;

/// An event of a log.
#[derive(Clone)]
pub struct LogEvent {
    pub pcr: u32,
    pub kind: u32,
    pub digests: Vec<Digest>,
    pub data: Vec<u8>,
}

impl LogEvent {
    /// Over this content, which stands in the log.
    pub fn of(pcr: u32, kind: u32, content: &[u8]) -> Self {
        Self::described(pcr, kind, content, content)
    }

    /// Over this content, with something else beside it.
    pub fn described(pcr: u32, kind: u32, content: &[u8], data: &[u8]) -> Self {
        let digests = ALL.map(|bank| bank.digest(content)).to_vec();
        Self { pcr, kind, digests, data: data.to_vec() }
    }
}

/// A log that can be changed.
#[derive(Clone)]
pub struct Boot {
    pub events: Vec<LogEvent>,
}

impl Boot {
    /// One of the real boots.
    pub fn real(name: &str) -> Self {
        let (_, bytes) = LOGS.iter().find(|(known, _)| *known == name).expect("a boot");
        let log = EventLog::parse(bytes).expect("a log");
        let event = |event: &attestation::event_log::Event| LogEvent {
            pcr: event.pcr,
            kind: event.kind.0,
            digests: event.digests.clone(),
            data: event.data.to_vec(),
        };
        Self { events: log.events().iter().map(event).collect() }
    }

    /// The place of a PCR's event, counted within that PCR.
    pub fn at(&self, pcr: u32, number: usize) -> usize {
        let own = self.events.iter().enumerate().filter(|(_, event)| event.pcr == pcr);
        own.map(|(at, _)| at).nth(number).expect("the PCR has so many events")
    }

    /// The place of a section's content.
    pub fn section(&self, name: &str) -> usize {
        let description = wide(name);
        let own = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.pcr == 11 && event.data == description);
        own.map(|(at, _)| at).nth(1).expect("the image has the section")
    }

    /// The place of a variable.
    pub fn variable(&self, variable: SecureBootVariable) -> usize {
        let all = SecureBootVariable::ALL;
        self.at(7, all.iter().position(|known| *known == variable).expect("one of five"))
    }

    /// Another content at a place, which the log does not have.
    pub fn measure(&mut self, at: usize, content: &[u8]) {
        self.events[at].digests = ALL.map(|bank| bank.digest(content)).to_vec();
    }

    /// Another content of a section, and with it another image.
    pub fn change_section(&mut self, name: &str, content: &[u8]) {
        let at = self.section(name);
        self.measure(at, content);
        self.change_image(content);
    }

    /// Another digest of the image.
    pub fn change_image(&mut self, seed: &[u8]) {
        let at = self.image();
        self.measure(at, &[b"an image with ", seed].concat());
    }

    /// The place of the image: before what its stub measures.
    pub fn image(&self) -> usize {
        self.at(11, 0) - 1
    }

    /// Another initrd handed to the kernel.
    pub fn change_initrd(&mut self, seed: &[u8]) {
        let at = self.at(9, 1);
        self.measure(at, &[b"an initrd with ", seed].concat());
    }

    /// Another command line of the image.
    pub fn change_command_line(&mut self, line: &str) {
        self.change_section(".cmdline", line.as_bytes());
        let at = self.at(9, 0);
        self.measure(at, &load_options(line));
    }

    /// Another content of a variable, logged as firmware does.
    pub fn change_variable(&mut self, variable: SecureBootVariable, content: &[u8]) {
        let at = self.variable(variable);
        let data = with_content(&self.events[at].data, content);
        self.events[at] = LogEvent::of(7, self.events[at].kind, &data);
    }

    /// The content of a variable.
    pub fn content(&self, variable: SecureBootVariable) -> &[u8] {
        content_of(&self.events[self.variable(variable)].data)
    }

    /// The log in a file's form, with these banks.
    pub fn log(&self, banks: &[Hash]) -> Vec<u8> {
        let id = |bank: Hash| match bank {
            Hash::Sha1 => 0x04u16,
            Hash::Sha256 => 0x0b,
            _ => 0x0c,
        };
        let mut header = b"Spec ID Event03\0".to_vec();
        header.extend([0, 0, 0, 0, 0, 2, 0, 2]);
        header.extend((banks.len() as u32).to_le_bytes());
        for bank in banks {
            header.extend(id(*bank).to_le_bytes());
            header.extend((bank.bytes() as u16).to_le_bytes());
        }
        header.push(0);
        let mut log = vec![0, 0, 0, 0, 3, 0, 0, 0];
        log.extend([0; 20]);
        log.extend((header.len() as u32).to_le_bytes());
        log.extend(header);
        for event in &self.events {
            log.extend(event.pcr.to_le_bytes());
            log.extend(event.kind.to_le_bytes());
            log.extend((banks.len() as u32).to_le_bytes());
            for bank in banks {
                let mut digests = event.digests.iter();
                let digest = digests.find(|digest| digest.hash() == *bank).expect("all banks");
                log.extend(id(*bank).to_le_bytes());
                log.extend(digest.as_bytes());
            }
            log.extend((event.data.len() as u32).to_le_bytes());
            log.extend(&event.data);
        }
        log
    }

    /// With all banks of the machine.
    pub fn whole_log(&self) -> Vec<u8> {
        self.log(&ALL)
    }

    /// What a TPM quotes after this boot and these phases.
    pub fn quoted(&self, phases: &[&str]) -> PcrValues {
        let bytes = self.whole_log();
        let log = EventLog::parse(&bytes).expect("a log");
        let mut values = log.replay(Hash::Sha256).expect("the bank");
        let eleven = *values.get(Hash::Sha256, 11).expect("PCR 11");
        let eleven = phases.iter().fold(eleven, |value, word| {
            extend(&value, Hash::Sha256.digest(word.as_bytes()).as_bytes())
        });
        values.set(11, eleven);
        values
    }
}

/// Text as the stub describes events.
pub fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// UEFI_VARIABLE_DATA with another content.
fn with_content(data: &[u8], content: &[u8]) -> Vec<u8> {
    let name_end = data.len() - content_of(data).len();
    let mut changed = data[..name_end].to_vec();
    changed[24..32].copy_from_slice(&(content.len() as u64).to_le_bytes());
    changed.extend(content);
    changed
}

fn content_of(data: &[u8]) -> &[u8] {
    let (_, content) =
        attestation::predict::variable::read_variable_data(data).expect("a variable");
    content
}

/// An EFI_SIGNATURE_LIST of one certificate.
pub fn certificate(der: &[u8]) -> Vec<u8> {
    list(&X509, &[der])
}

/// An EFI_SIGNATURE_LIST of digests.
pub fn digests(digests: &[[u8; 32]]) -> Vec<u8> {
    let entries: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    list(&SHA256, &entries)
}

fn list(kind: &[u8; 16], entries: &[&[u8]]) -> Vec<u8> {
    let entry_bytes = 16 + entries[0].len();
    let mut list = kind.to_vec();
    for number in [28 + entries.len() * entry_bytes, 0, entry_bytes] {
        list.extend((number as u32).to_le_bytes());
    }
    for entry in entries {
        list.extend([9; 16]);
        list.extend(*entry);
    }
    list
}

/// What is expected of the image of the real boots, on a machine with the variables of this boot.
pub fn expected(boot: &Boot, with_loader: bool) -> Measurements {
    let boots: Value = serde_json::from_str(BOOTS).expect("JSON");
    let large = |name: &str| {
        BANKS.map(|bank| {
            let text = boots["large"][name][bank.to_string()].as_str().expect("a digest");
            Digest::from_bytes(bank, &hex::decode(text).expect("hex")).expect("its length")
        })
    };
    let mut events = Vec::new();
    let mut of = |pcr, what, data: &[u8]| {
        let digests = BANKS.map(|bank| bank.digest(data));
        events.push(PredictedEvent { pcr, what, digests, data: Some(data.to_vec()) });
    };
    of(4, What::BootOption, b"Calling EFI Application from Boot Option");
    of(4, What::Separator, &[0; 4]);
    let is_on = boot.content(SecureBootVariable::SecureBoot) == [1];
    let programs = [
        (What::Loader, "loader", with_loader),
        (What::Image, "image", true),
        (What::Kernel, "kernel", !is_on),
    ];
    let no_data = |pcr, what, name| PredictedEvent { pcr, what, digests: large(name), data: None };
    for (what, name, _) in programs.into_iter().filter(|(.., is_there)| *is_there) {
        events.push(no_data(4, what, name));
    }
    let mut of = |pcr, what, data: &[u8]| {
        let digests = BANKS.map(|bank| bank.digest(data));
        events.push(PredictedEvent { pcr, what, digests, data: Some(data.to_vec()) });
    };
    for variable in SecureBootVariable::ALL {
        of(7, What::Variable(variable), &boot.events[boot.variable(variable)].data);
    }
    of(7, What::Separator, &[0; 4]);
    if is_on {
        of(7, What::Authority, &boot.events[boot.at(7, 6)].data);
    }
    let section = |name: &str| boots["sections"][name].as_str().expect("text");
    of(9, What::LoadOptions, &load_options(section(".cmdline")));
    events.push(no_data(9, What::Initrd, "initrd_handed_over"));
    for name in [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"] {
        let id = |prefix: &str| What::from_id(&format!("{prefix}:{name}")).expect("measured");
        let digests = BANKS.map(|bank| bank.digest_parts(&[name.as_bytes(), &[0]]));
        let what = id("section-name");
        events.push(PredictedEvent { pcr: 11, what, digests, data: None });
        let what = id("section");
        events.push(match name {
            ".linux" | ".initrd" => no_data(11, what, &name[1..]),
            _ => {
                let data = section(name).as_bytes().to_vec();
                let digests = BANKS.map(|bank| bank.digest(&data));
                PredictedEvent { pcr: 11, what, digests, data: Some(data) }
            }
        });
    }
    for word in ["sysinit", "ready"] {
        let digests = BANKS.map(|bank| bank.digest(word.as_bytes()));
        let data = Some(word.as_bytes().to_vec());
        events.push(PredictedEvent { pcr: 11, what: What::Phase(word.to_owned()), digests, data });
    }
    let prediction = Prediction::from_events(events).expect("a prediction");
    let has_keys = !boot.content(SecureBootVariable::PlatformKey).is_empty();
    let state = if has_keys { SecureBootState::Keys } else { SecureBootState::OffNoKeys };
    Measurements::of(&prediction, state)
}
