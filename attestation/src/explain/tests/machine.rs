//! Machines that boot: what they measure, and the log that their firmware would write.

use super::*;
use crate::predict::pe::build::program;
use crate::predict::variable::Signature;

/// EFI_CERT_X509_GUID and EFI_CERT_SHA256_GUID.
const X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];
const SHA256: [u8; 16] = [
    0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28,
];
const OWNER: [u8; 16] = [9; 16];

/// All that decides what is measured.
#[derive(Clone)]
pub struct Machine {
    pub kernel: Vec<u8>,
    pub stub: Vec<u8>,
    pub command_line: String,
    pub initrd: Vec<u8>,
    pub sections: Vec<(&'static str, Vec<u8>)>,
    pub loader: Option<Vec<u8>>,
    pub options_ended: u8,
    pub secure_boot: SecureBoot,
    pub authority: Option<Vec<u8>>,
}

impl Machine {
    /// A machine as it should be.
    pub fn new() -> Self {
        Self {
            kernel: b"kernel".to_vec(),
            stub: b"stub".to_vec(),
            command_line: "root=/dev/dm-0 verity=1 quiet".to_owned(),
            initrd: b"initrd".to_vec(),
            sections: vec![
                (".osrel", b"ID=plinth\n".to_vec()),
                (".uname", b"6.12.0".to_vec()),
                (".sbat", b"sbat,1\n".to_vec()),
            ],
            loader: None,
            options_ended: 0,
            secure_boot: SecureBoot {
                is_on: Some(true),
                platform_key: list(&[b"owner"], &[]),
                key_exchange_keys: list(&[b"kek 1"], &[]),
                allowed: list(&[b"release key", b"old key"], &[]),
                forbidden: list(&[], &[[1; 32], [2; 32]]),
            },
            authority: Some(b"release key".to_vec()),
        }
    }

    /// The same with secure boot off.
    pub fn without_secure_boot() -> Self {
        let mut machine = Self::new();
        machine.secure_boot.is_on = Some(false);
        machine.authority = None;
        machine
    }

    /// Calls with what it is predicted to measure.
    pub fn predicted<T>(&self, use_it: impl FnOnce(&Prediction) -> T) -> T {
        let kernel = program(&[(".text", &self.kernel)]);
        let mut sections: Vec<(&str, &[u8])> = vec![(".text", &self.stub)];
        sections.extend(self.sections.iter().map(|(name, content)| (*name, &content[..])));
        sections.push((".cmdline", self.command_line.as_bytes()));
        sections.push((".linux", &kernel));
        sections.push((".initrd", &self.initrd));
        let bytes = program(&sections);
        let uki = Uki::parse(&bytes).expect("an image");
        let loader = self.loader.as_ref().map(|content| program(&[(".text", content)]));
        let loader = loader.as_ref().map(|bytes| Pe::parse(bytes).expect("a program"));
        let initrd = uki.initrd_by_stub();
        let mut boot = boot(&uki, &initrd, &self.secure_boot, loader.as_ref());
        boot.options_ended = self.options_ended;
        boot.authority =
            self.authority.as_ref().map(|data| Signature { kind: X509, owner: OWNER, data });
        use_it(&Prediction::of(&boot).expect("an image with a command line"))
    }

    /// What its firmware's log holds.
    pub fn events(&self) -> Vec<PredictedEvent> {
        self.predicted(|prediction| {
            let is_logged = |event: &&PredictedEvent| !matches!(event.what, What::Phase(_));
            prediction.events().iter().filter(is_logged).cloned().collect()
        })
    }

    /// Why it measures something else than the expected one.
    pub fn findings(
        &self,
        expected: &Self,
        known: &[Known],
        command_line: Option<&str>,
    ) -> Vec<Finding> {
        let bytes = log(&self.events());
        let log = EventLog::parse(&bytes).expect("a log");
        let observed = Observed { log: &log, quoted: None, command_line, known };
        expected.predicted(|prediction| explain(&observed, prediction, BANK))
    }
}

/// An event over a few bytes, as firmware or the stub writes it.
pub fn word(pcr: u8, bytes: &[u8]) -> PredictedEvent {
    let digests = BANKS.map(|bank| bank.digest(bytes));
    PredictedEvent { pcr, what: What::Separator, digests, data: Some(bytes.to_vec()) }
}

/// EFI_SIGNATURE_LISTs: one for each certificate, one for all digests.
pub fn list(certificates: &[&[u8]], digests: &[[u8; 32]]) -> Vec<u8> {
    let entries = |kind: [u8; 16], entries: &[&[u8]]| {
        let Some(first) = entries.first() else { return Vec::new() };
        let entry_bytes = 16 + first.len();
        let mut list = kind.to_vec();
        for number in [28 + entries.len() * entry_bytes, 0, entry_bytes] {
            list.extend((number as u32).to_le_bytes());
        }
        for entry in entries {
            list.extend(OWNER);
            list.extend(*entry);
        }
        list
    };
    let mut all: Vec<u8> =
        certificates.iter().flat_map(|certificate| entries(X509, &[certificate])).collect();
    let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    all.extend(entries(SHA256, &digests));
    all
}

/// A crypto-agile log with both banks. What was measured stands in it where it is small, as in real logs.
pub fn log(events: &[PredictedEvent]) -> Vec<u8> {
    let mut header = b"Spec ID Event03\0".to_vec();
    header.extend([0, 0, 0, 0, 0, 2, 0, 2]);
    header.extend([2, 0, 0, 0, 0x0b, 0, 32, 0, 0x0c, 0, 48, 0, 0]);
    let mut log = Vec::new();
    log.extend([0, 0, 0, 0, 3, 0, 0, 0]);
    log.extend([0; 20]);
    log.extend((header.len() as u32).to_le_bytes());
    log.extend(header);
    for event in events {
        log.extend(u32::from(event.pcr).to_le_bytes());
        log.extend(kind(event).to_le_bytes());
        log.extend(2u32.to_le_bytes());
        for (digest, id) in event.digests.iter().zip([0x0bu16, 0x0c]) {
            log.extend(id.to_le_bytes());
            log.extend(digest.as_bytes());
        }
        // Of load options and sections, real logs have a description only.
        let data = match event.what {
            What::LoadOptions | What::Section(_) => None,
            _ => event.data.as_ref(),
        };
        let data = data.map_or(&b"description"[..], |data| data);
        log.extend((data.len() as u32).to_le_bytes());
        log.extend(data);
    }
    log
}

fn kind(event: &PredictedEvent) -> u32 {
    use crate::event_log::EventKind;
    match (&event.what, event.pcr) {
        (What::Separator, 11..) => EventKind::IPL,
        (What::Separator, _) => EventKind::SEPARATOR,
        (What::BootOption | What::BootOptionEnded, _) => EventKind::EFI_ACTION,
        (What::Loader | What::Image | What::Kernel, _) => EventKind::EFI_BOOT_SERVICES_APPLICATION,
        (What::Variable(_), _) => EventKind::EFI_VARIABLE_DRIVER_CONFIG,
        (What::Authority, _) => EventKind::EFI_VARIABLE_AUTHORITY,
        (What::LoadOptions | What::Initrd, _) => EventKind::EVENT_TAG,
        (What::SectionName(_) | What::Section(_) | What::Phase(_), _) => EventKind::IPL,
    }
    .0
}
