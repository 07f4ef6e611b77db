//! `plinth attest check-snp`: a report of SEV-SNP and the chain of the key that signed it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use attestation::snp::{
    AbiVersion, Expect, GuestBits, HclReport, KeyRule, PlatformBits, Product, SnpEvidence,
    SnpPolicy, SnpRoot, SnpRoots, TcbMinima, TcbVersion, VekClaims, verify,
};
use attestation::x509::{Certificate, Pin, TrustRoot, UnixTime};
use clap::{Args, ValueEnum};

use super::files::{Unusable, read, read_binary_or_hex, read_revocation_lists};
use super::shown::Shown;
use chain::{Chain, Given};

mod chain;
mod claims;

/// Options of `check-snp`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A guest that its host may debug or hand to a migration agent is always refused. Without the \
options that narrow it, any measurement, report data and chip are accepted.

Exit codes: 0 accepted; 1 refused; 2 unusable input or wrong usage.")]
pub struct CheckSnp {
    /// The report: 1184 bytes, or the container with claims in which Azure's virtual TPMs have one (HCL report);
    /// either may be in hex.
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    #[command(flatten)]
    given: Given,
    /// The key of the virtual TPM that the claims of the container must have: a public area (TPMT_PUBLIC, TPM2B_PUBLIC), or
    /// a public key or certificate in PEM or DER. It is the key that `check-quote` is then given.
    #[arg(long, value_name = "FILE")]
    ak: Option<PathBuf>,
    /// Believe the given root too. Without it AMD's own roots alone are believed.
    #[arg(long)]
    trust_ark: bool,
    /// The root's list of revoked certificates (CRL) in PEM or DER, as AMD publishes one for each generation; may be
    /// repeated. With one, the chain must be in a list that is current.
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// Accept this generation of processors alone.
    #[arg(long)]
    product: Option<ProductName>,
    /// Accept this launch digest alone: 48 bytes in hex.
    #[arg(long, value_name = "HEX", value_parser = hex_array::<48>)]
    measurement: Option<Bytes<48>>,
    /// Accept this data of the guest alone: 64 bytes in hex.
    #[arg(long, value_name = "HEX", value_parser = hex_array::<64>)]
    report_data: Option<Bytes<64>>,
    /// Accept this data of the host alone: 32 bytes in hex.
    #[arg(long, value_name = "HEX", value_parser = hex_array::<32>)]
    host_data: Option<Bytes<32>>,
    /// The lowest firmware versions, for all four that a report has. Parts that are not named may
    /// be anything.
    #[arg(long, value_name = "bootloader=N,tee=N,snp=N,microcode=N", value_parser = minimum)]
    min_tcb: Option<TcbVersion>,
    /// Accept the key of a cloud provider (VLEK) as well.
    #[arg(long)]
    allow_vlek: bool,
    /// Accept this chip alone: 64 bytes in hex, or the 8 bytes of a Turin chip.
    #[arg(long, value_name = "HEX", value_parser = chip_id)]
    chip_id: Option<Bytes<64>>,
    /// The privilege levels that may have asked for the report. Guests under a paravisor have 1.
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', default_values_t = [0, 1])]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=3))]
    vmpl: Vec<u32>,
    /// When it must be valid, as 2026-01-31T12:00:00Z [default: now].
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    at: Option<UnixTime>,
    /// Print the verdict and every check as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Generations of processors.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProductName {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004 and 8004.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl From<ProductName> for Product {
    fn from(name: ProductName) -> Self {
        match name {
            ProductName::Milan => Self::Milan,
            ProductName::Genoa => Self::Genoa,
            ProductName::Turin => Self::Turin,
        }
    }
}

/// A value of so many bytes.
#[derive(Clone, Debug)]
struct Bytes<const N: usize>([u8; N]);

/// Reads the files and checks them.
pub fn run(arguments: &CheckSnp) -> Result<Shown, Unusable> {
    let file = read_binary_or_hex(&arguments.report)?;
    let container = HclReport::is_claimed(&file).then(|| HclReport::from_bytes(&file)).transpose();
    let container = container.map_err(|error| Unusable::Content {
        path: arguments.report.clone(),
        reason: format!("it is no HCL report: {error}"),
    })?;
    let report = container.map_or(file.as_slice(), |container| container.report());
    let Chain { vek, ask, ark } = chain::read_chain(&arguments.given, report)?;
    let ak = arguments.ak.as_deref().map(read).transpose()?;
    if ak.is_some() && container.is_none() {
        let problem = "--ak is compared with claims, and the report has none: give --report the HCL report, whole";
        return Err(Unusable::Option(problem.to_owned()));
    }
    let evidence = SnpEvidence { report, vek: &vek, ask: &ask, ark: &ark };
    let at = arguments.at.unwrap_or_else(now);
    let lists = read_revocation_lists(&arguments.crl)?;
    let roots = roots(arguments, &vek, &ark).with_revocation_lists(lists);
    let verdict = verify(&evidence, &roots, &policy(arguments), at);
    let mut checks = verdict.checks().clone();
    let mut is_bound = container.is_none_or(|container| container.check(&mut checks));
    if let (Some(container), Some(ak)) = (container, ak) {
        is_bound &= claims::check_key(&mut checks, container.claims(), &ak);
    }
    Ok(Shown { is_accepted: verdict.is_accepted() && is_bound, checks })
}

/// AMD's roots, and the given one if it is to be believed: for the generation that is asked for,
/// or else for the one that the signing key's certificate names.
fn roots(arguments: &CheckSnp, vek: &[u8], ark: &[u8]) -> SnpRoots {
    let named = || {
        let certificate = Certificate::from_der(vek).ok()?;
        Some(VekClaims::of(&certificate).ok()?.product)
    };
    let product = arguments.product.map(Product::from).or_else(named);
    match (arguments.trust_ark, Certificate::from_der(ark), product) {
        (true, Ok(ark), Some(product)) => {
            let pin = Pin::PublicKey(ark.spki_sha256());
            let root = TrustRoot { label: "the given root (--trust-ark)".to_owned(), pin };
            SnpRoots::amd().and(SnpRoot { root, product })
        }
        _ => SnpRoots::amd(),
    }
}

fn policy(arguments: &CheckSnp) -> SnpPolicy {
    let minima = TcbMinima::all(arguments.min_tcb.unwrap_or_default());
    let products = match arguments.product {
        Some(product) => vec![Product::from(product)],
        None => Product::ALL.to_vec(),
    };
    fn only<const N: usize>(value: Option<&Bytes<N>>) -> Expect<[u8; N]> {
        value.map_or(Expect::Any, |bytes| Expect::exactly(bytes.0))
    }
    SnpPolicy {
        minima: products.into_iter().map(|product| (product, minima)).collect::<BTreeMap<_, _>>(),
        keys: match arguments.allow_vlek {
            true => KeyRule::ChipOrProvider(Expect::Any),
            false => KeyRule::Chip,
        },
        vmpl: arguments.vmpl.iter().copied().collect::<BTreeSet<_>>(),
        guest_may_allow: GuestBits::SMT,
        guest_must_demand: GuestBits::NONE,
        guest_abi_min: AbiVersion::default(),
        platform_required: PlatformBits::NONE,
        platform_forbidden: PlatformBits::NONE,
        mitigations_required: 0,
        measurement: only(arguments.measurement.as_ref()),
        report_data: only(arguments.report_data.as_ref()),
        host_data: only(arguments.host_data.as_ref()),
        chip_id: only(arguments.chip_id.as_ref()),
        id_key: Expect::Any,
        author_key: Expect::Any,
        family_id: Expect::Any,
        image_id: Expect::Any,
        guest_svn_min: 0,
    }
}

pub(super) fn now() -> UnixTime {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

pub(super) fn time(text: &str) -> Result<UnixTime, String> {
    UnixTime::from_rfc3339(text)
        .ok_or_else(|| "write it as 2026-01-31T12:00:00Z or with an offset as +02:00".to_owned())
}

fn hex_array<const N: usize>(text: &str) -> Result<Bytes<N>, String> {
    let bytes = hex::decode(text).map_err(|error| error.to_string())?;
    let length = bytes.len();
    bytes.try_into().map(Bytes).map_err(|_| format!("it has {length} bytes, not {N}"))
}

/// As reports write it: what is beyond the bytes of a Turin chip is zero.
fn chip_id(text: &str) -> Result<Bytes<64>, String> {
    match hex_array::<8>(text) {
        Ok(Bytes(short)) => {
            let mut whole = [0; 64];
            whole[..short.len()].copy_from_slice(&short);
            Ok(Bytes(whole))
        }
        Err(_) => hex_array::<64>(text),
    }
}

fn minimum(text: &str) -> Result<TcbVersion, String> {
    let mut minimum = TcbVersion::default();
    let mut named = BTreeSet::new();
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or("write it as bootloader=N,tee=N,…")?;
        let value = value.parse().map_err(|_| format!("`{value}` is not a number up to 255"))?;
        let place = match name {
            "fmc" => &mut minimum.fmc,
            "bootloader" => &mut minimum.bootloader,
            "tee" => &mut minimum.tee,
            "snp" => &mut minimum.snp,
            "microcode" => &mut minimum.microcode,
            _ => return Err(format!("`{name}` is none of bootloader, tee, snp, microcode, fmc")),
        };
        *place = value;
        if !named.insert(name) {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(minimum)
}

#[cfg(test)]
mod tests;
