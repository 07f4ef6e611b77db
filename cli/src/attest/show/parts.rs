//! The two parts, and the certificates in them.

use attestation::crypto::Hash;
use attestation::event_log::EventLog;
use attestation::evidence::{SnpPart, TpmPart};
use attestation::snp::{Report, TcbVersion, VekClaims};
use attestation::tpm::ek::AltName;
use attestation::tpm::{Attest, PcrValues, Public};
use attestation::x509::{Certificate, oid};
use serde::Serialize;

/// What each register holds: PC Client platform firmware profile, and the UAPI group's registry.
const MEANINGS: [&str; 16] = [
    "firmware code",
    "firmware configuration",
    "code of option ROMs",
    "configuration of option ROMs",
    "programs that firmware started: boot loader, kernel image",
    "configuration of the boot, partition table",
    "the maker's own",
    "secure boot: keys and what they let start",
    "boot loader",
    "what the kernel was given: command line, initrd",
    "files that the kernel measured (IMA)",
    "sections of the kernel image, phases of the boot",
    "command line that overrides, credentials",
    "extensions of the system",
    "machine owner's keys",
    "identity of the running system, volumes",
];

fn meaning(pcr: u8) -> &'static str {
    match pcr {
        0..=15 => MEANINGS[usize::from(pcr)],
        16 => "for debugging",
        17..=22 => "late launch by the processor",
        _ => "for applications",
    }
}

/// A certificate.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownCertificate {
    what: &'static str,
    subject: String,
    key: String,
    signed_by: String,
    not_before: String,
    not_after: String,
    sha256: String,
}

impl ShownCertificate {
    fn of(what: &'static str, der: &[u8]) -> Self {
        let Ok(certificate) = Certificate::from_der(der) else {
            let none = String::new();
            return Self {
                what,
                subject: "cannot be read".into(),
                key: none.clone(),
                signed_by: none.clone(),
                not_before: none.clone(),
                not_after: none,
                sha256: Hash::Sha256.digest(der).to_string(),
            };
        };
        Self {
            what,
            subject: printable(&certificate.subject_text()),
            key: certificate.public_key().map_or("unknown".to_owned(), |key| key.kind()),
            signed_by: certificate.signature_algorithm().to_string(),
            not_before: certificate.validity().not_before.to_string(),
            not_after: certificate.validity().not_after.to_string(),
            sha256: hex::encode(certificate.sha256()),
        }
    }

    fn as_text(&self) -> String {
        let Self { what, subject, key, signed_by, not_before, not_after, sha256 } = self;
        let subject = if subject.is_empty() { "no name" } else { subject };
        format!(
            "  {what}: {subject}\n    {key}, signed by {signed_by}, {not_before} to {not_after}\n    \
             sha256 {sha256}\n"
        )
    }
}

/// Names out of foreign certificates, without what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// One register.
#[derive(Serialize)]
struct ShownPcr {
    bank: Hash,
    pcr: u8,
    meaning: &'static str,
    value: String,
}

/// The TPM's part.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownTpm {
    maker: Option<String>,
    certificates: Vec<ShownCertificate>,
    endorsement_key: Option<String>,
    attestation_key: Option<String>,
    challenge: String,
    firmware_version: Option<String>,
    clock_ms: Option<u64>,
    reset_count: Option<u32>,
    restart_count: Option<u32>,
    pcrs: Vec<ShownPcr>,
    log: String,
}

impl ShownTpm {
    pub fn of(part: &TpmPart) -> Self {
        let ek = Certificate::from_der(&part.ek_certificate).ok();
        let maker = ek.as_ref().and_then(|certificate| {
            let name = certificate.extension(oid::SUBJECT_ALT_NAME)?;
            AltName::from_der(&name.value).ok()
        });
        let mut certificates = vec![ShownCertificate::of("EK certificate", &part.ek_certificate)];
        let issuers = part.issuers.iter();
        certificates.extend(issuers.map(|der| ShownCertificate::of("issuer", der)));
        let name = |bytes: &[u8]| {
            Public::parse(bytes).ok().map(|key| format!("{} {}", key.key().kind(), key.name()))
        };
        let message = Attest::parse(&part.message).ok();
        let message = message.as_ref();
        let values = PcrValues::from_concatenated(&part.selection, &part.pcrs).unwrap_or_default();
        Self {
            maker: maker.map(|name| name.to_string()),
            certificates,
            endorsement_key: name(&part.ek_public),
            attestation_key: name(&part.ak_public),
            challenge: hex::encode(part.challenge),
            firmware_version: message.map(|message| format!("{:#x}", message.firmware_version)),
            clock_ms: message.map(|message| message.clock.clock_ms),
            reset_count: message.map(|message| message.clock.reset_count),
            restart_count: message.map(|message| message.clock.restart_count),
            pcrs: values
                .iter()
                .map(|(pcr, value)| ShownPcr {
                    bank: value.hash(),
                    pcr,
                    meaning: meaning(pcr),
                    value: value.to_string(),
                })
                .collect(),
            log: match EventLog::parse(&part.log) {
                Ok(log) => format!("{} bytes, {} events", part.log.len(), log.events().len()),
                Err(error) => format!("{} bytes, cannot be read: {error}", part.log.len()),
            },
        }
    }

    pub fn as_text(&self) -> String {
        let known = |text: &Option<String>| text.clone().unwrap_or("cannot be read".into());
        let mut text = "\nTPM\n".to_owned();
        text += &format!("  made by {}\n", known(&self.maker));
        for certificate in &self.certificates {
            text += &certificate.as_text();
        }
        text += &format!("  endorsement key {}\n", known(&self.endorsement_key));
        text += &format!("  attestation key {}\n", known(&self.attestation_key));
        text += &format!("  answers challenge {}\n", self.challenge);
        text += &format!("  firmware {}", known(&self.firmware_version));
        if let (Some(clock), Some(resets), Some(restarts)) =
            (self.clock_ms, self.reset_count, self.restart_count)
        {
            text += &format!(", clock {clock} ms, {resets} resets, {restarts} restarts");
        }
        text += &format!("\n  event log: {}\n", self.log);
        for ShownPcr { bank, pcr, meaning, value } in &self.pcrs {
            text += &format!("  PCR {pcr:<2} {bank} {value}  {meaning}\n");
        }
        text
    }
}

/// The security processor's part.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownSnp {
    certificates: Vec<ShownCertificate>,
    product: Option<String>,
    chip_id: Option<String>,
    report_id: Option<String>,
    version: Option<u32>,
    measurement: Option<String>,
    host_data: Option<String>,
    policy: Option<String>,
    vmpl: Option<u32>,
    guest_svn: Option<u32>,
    tcb: Option<[(&'static str, TcbVersion); 4]>,
}

impl ShownSnp {
    pub fn of(part: &SnpPart) -> Self {
        let vek = Certificate::from_der(&part.vek).ok();
        let product = vek.and_then(|vek| VekClaims::of(&vek).ok()).map(|claims| claims.product);
        let report = Report::from_bytes(&part.report).ok();
        let report = report.as_ref();
        let tcb = report.zip(product).map(|(report, product)| {
            [
                ("current", report.current_tcb()),
                ("reported", report.reported_tcb()),
                ("committed", report.committed_tcb()),
                ("launch", report.launch_tcb()),
            ]
            .map(|(name, raw)| (name, TcbVersion::from_raw(raw, product)))
        });
        Self {
            certificates: vec![
                ShownCertificate::of("VEK", &part.vek),
                ShownCertificate::of("ASK", &part.ask),
                ShownCertificate::of("ARK", &part.ark),
            ],
            product: product.map(|product| product.to_string()),
            chip_id: report.map(|report| hex::encode(report.chip_id())),
            report_id: report.map(|report| hex::encode(report.report_id())),
            version: report.map(Report::version),
            measurement: report.map(|report| hex::encode(report.measurement())),
            host_data: report.map(|report| hex::encode(report.host_data())),
            policy: report.map(|report| format!("{:#x}", report.policy_raw())),
            vmpl: report.map(Report::vmpl),
            guest_svn: report.map(Report::guest_svn),
            tcb,
        }
    }

    pub fn as_text(&self) -> String {
        let known = |text: &Option<String>| text.clone().unwrap_or("cannot be read".into());
        let number = |number: Option<u32>| number.map_or("?".into(), |number| number.to_string());
        let mut text = format!("\nSNP, {}\n", known(&self.product));
        for certificate in &self.certificates {
            text += &certificate.as_text();
        }
        text += &format!("  chip        {}\n", known(&self.chip_id));
        text += &format!("  launch      {}\n", known(&self.report_id));
        text += &format!("  measurement {}\n", known(&self.measurement));
        text += &format!("  host data   {}\n", known(&self.host_data));
        text += &format!(
            "  report version {}, policy {}, level {}, guest version {}\n",
            number(self.version),
            known(&self.policy),
            number(self.vmpl),
            number(self.guest_svn)
        );
        for (name, version) in self.tcb.iter().flatten() {
            text += &format!("  TCB {name:<9} {version}\n");
        }
        text
    }
}
