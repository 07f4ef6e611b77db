//! The report: signed by the key, bound to its certificate, and within the policy.

use super::super::report::SigningKey;
use super::super::{
    Expect, GuestBits, KeyRule, Product, Report, SnpPolicy, TcbMinima, TcbVersion, VMPL_MAX,
    VekKind,
};
use super::VerifiedVek;
use crate::checks::Checks;
use crate::crypto::Hash;

type Rule = (&'static str, &'static str);
const LENGTH: Rule = ("snp.length", "The report has its exact length.");
const VERSION: Rule = ("snp.version", "The layout is of version 2, 3 or 5.");
const RESERVED: Rule = ("snp.reserved", "Bytes and bits without a meaning are zero.");
const ALGORITHM: Rule = ("snp.algorithm", "The signature is by ECDSA on P-384 with SHA-384.");
const PADDING: Rule = ("snp.signature.padding", "Unused bytes of the signature are zero.");
const FORM: Rule = ("snp.signature.form", "`r` and `s` are between zero and the curve's order.");
const SIGNATURE: Rule = ("snp.signature", "The key signed these bytes.");
const SIGNING_KEY: Rule = ("snp.signing-key", "The report names the kind of key that signed it.");
const KEY_ALLOWED: Rule = ("snp.signing-key.allowed", "The policy accepts this kind of key.");
const KEY_MASK: Rule = ("snp.chip-key-mask", "A chip's key is not masked and signs all the same.");
const PRODUCT: Rule = ("snp.product", "The processor is of the certificate's generation.");
const PRODUCT_ALLOWED: Rule = ("snp.product.allowed", "The policy accepts this generation.");
const CHIP: Rule = ("snp.chip", "The chip is the one of the certificate.");
const CHIP_ALLOWED: Rule = ("snp.chip.allowed", "The policy accepts this chip.");
const TCB_BOUND: Rule = ("snp.tcb", "The reported version is the one of the certificate.");
const TCB_RESERVED: Rule = ("snp.tcb.reserved", "Unused bytes of the versions are zero.");
const TCB_ORDER: Rule =
    ("snp.tcb.order", "Neither committed nor reported version is above the current one.");
const TCB_CURRENT: Rule = ("snp.tcb.current", "The current version is not below the minimum.");
const TCB_REPORTED: Rule = ("snp.tcb.reported", "The reported version is not below the minimum.");
const TCB_COMMITTED: Rule =
    ("snp.tcb.committed", "The committed version is not below the minimum.");
const TCB_LAUNCH: Rule = ("snp.tcb.launch", "The version at launch is not below the minimum.");
const POLICY_RESERVED: Rule =
    ("snp.policy.reserved", "The guest policy has no unknown bit, and the one that is always set.");
const DEBUG: Rule = ("snp.policy.debug", "The host may not debug the guest.");
const MIGRATION: Rule = ("snp.policy.migration", "No migration agent may take the guest.");
const SMT: Rule = ("snp.policy.smt", "Threads share a core only if the policy accepts it.");
const CXL: Rule = ("snp.policy.cxl", "Memory is on CXL only if the policy accepts it.");
const SINGLE_SOCKET: Rule =
    ("snp.policy.single-socket", "The guest stays on one socket if the policy demands it.");
const DEMANDED: Rule = ("snp.policy.demands", "The guest demands what the policy wants demanded.");
const ABI: Rule = ("snp.policy.abi", "The guest demands an interface that is new enough.");
const NO_AGENT: Rule = ("snp.migration-agent", "No migration agent is bound to the guest.");
const PLATFORM_REQUIRED: Rule = ("snp.platform.required", "The platform is set as demanded.");
const PLATFORM_FORBIDDEN: Rule =
    ("snp.platform.forbidden", "The platform has no setting that is refused.");
const MITIGATIONS: Rule = ("snp.mitigations", "The mitigations that are demanded are in force.");
const VMPL: Rule = ("snp.vmpl", "A privilege level that the policy accepts asked for the report.");
const MEASUREMENT: Rule = ("snp.measurement", "The policy accepts the launch digest.");
const REPORT_DATA: Rule = ("snp.report-data", "The guest's data is what is expected.");
const HOST_DATA: Rule = ("snp.host-data", "The host's data is what is expected.");
const ID_KEY: Rule = ("snp.id-key", "The policy accepts the identity block's key.");
const AUTHOR_KEY: Rule = ("snp.author-key", "The policy accepts the author key.");
const AUTHOR_FLAG: Rule =
    ("snp.author-key.flag", "There is an author key's digest only if the flag says so.");
const FAMILY_ID: Rule = ("snp.family-id", "The policy accepts the family.");
const IMAGE_ID: Rule = ("snp.image-id", "The policy accepts the image.");
const GUEST_SVN: Rule = ("snp.guest-svn", "The guest's version is not below the minimum.");

/// The part of the evidence that these checks look at.
const ON: &str = "report";

/// Makes every check of a report that can be made: those that need the signing key, if there is
/// one to ask.
pub(super) fn check(
    checks: &mut Checks,
    bytes: &[u8],
    vek: Option<&VerifiedVek>,
    policy: &SnpPolicy,
) -> Option<Report> {
    let report = checks.record_result(LENGTH, ON, Report::from_bytes(bytes))?;
    layout(checks, &report);
    if let Some(vek) = vek {
        signature(checks, &report, vek);
        key(checks, &report, vek, policy);
        chip(checks, &report, vek, policy);
        versions(checks, &report, vek, policy);
    }
    guest_policy(checks, &report, policy);
    platform(checks, &report, policy);
    contents(checks, &report, policy);
    Some(report)
}

fn layout(checks: &mut Checks, report: &Report) {
    let version = report.version();
    checks.record(VERSION, ON, [2, 3, 5].contains(&version), format!("version {version}"));
    let reserved = report.nonzero_reserved();
    checks.record(RESERVED, ON, reserved.is_none(), at_offset(reserved));
    let algorithm = report.signature_algorithm();
    checks.record(ALGORITHM, ON, algorithm == 1, format!("algorithm {algorithm}"));
    let padding = report.nonzero_signature_padding();
    checks.record(PADDING, ON, padding.is_none(), at_offset(padding));
    let has_digest = report.author_key_digest() != [0; 48];
    checks.record(AUTHOR_FLAG, ON, report.has_author_key() || !has_digest, "");
}

fn at_offset(offset: Option<usize>) -> String {
    offset.map(|offset| format!("the byte at {offset:#x} is not")).unwrap_or_default()
}

fn signature(checks: &mut Checks, report: &Report, vek: &VerifiedVek) {
    if let Some(signature) = checks.record_result(FORM, ON, report.signature()) {
        let verified = vek.key.verify(Hash::Sha384, report.signed_bytes(), &signature);
        checks.record_result(SIGNATURE, ON, verified);
    }
}

fn key(checks: &mut Checks, report: &Report, vek: &VerifiedVek, policy: &SnpPolicy) {
    let kind = &vek.claims.kind;
    let named = report.signing_key();
    let is_named = matches!(
        (named, kind),
        (SigningKey::Vcek, VekKind::Vcek { .. }) | (SigningKey::Vlek, VekKind::Vlek { .. })
    );
    checks.record(SIGNING_KEY, ON, is_named, format!("{named:?}, and the certificate of a {kind}"));
    let is_allowed = match (kind, &policy.keys) {
        (VekKind::Vcek { .. }, _) => true,
        (VekKind::Vlek { .. }, KeyRule::Chip) => false,
        (VekKind::Vlek { provider }, KeyRule::ChipOrProvider(providers)) => {
            providers.accepts(provider)
        }
    };
    checks.record(KEY_ALLOWED, ON, is_allowed, kind.to_string());
    let is_chip_key = matches!(kind, VekKind::Vcek { .. });
    checks.record(KEY_MASK, ON, !(is_chip_key && report.masks_chip_key()), "");
}

fn chip(checks: &mut Checks, report: &Report, vek: &VerifiedVek, policy: &SnpPolicy) {
    let product = vek.claims.product;
    // Before version 3 the certificate alone names the generation.
    let named = report.cpuid().map(|[family, model, _]| Product::from_cpuid(family, model));
    let detail = match report.cpuid() {
        Some([family, model, stepping]) => {
            format!("family {family:#x}, model {model:#x}, stepping {stepping}; {product}")
        }
        None => format!("not in this version; {product}"),
    };
    checks.record(PRODUCT, ON, named.is_none_or(|named| named == Some(product)), detail);

    let chip_id = report.chip_id();
    if let VekKind::Vcek { hardware_id } = &vek.claims.kind {
        // Turin names a chip by the first eight bytes of the field.
        let is_same = chip_id.get(..hardware_id.len()) == Some(hardware_id.as_slice());
        let detail = if chip_id == [0; 64] { "the host masks the chip's id" } else { "" };
        checks.record(CHIP, ON, is_same, detail);
    }
    expect(checks, CHIP_ALLOWED, &policy.chip_id, &chip_id);
}

fn versions(checks: &mut Checks, report: &Report, vek: &VerifiedVek, policy: &SnpPolicy) {
    let product = vek.claims.product;
    let parsed = |raw| TcbVersion::from_raw(raw, product);
    let [current, reported, committed, launch] =
        [report.current_tcb(), report.reported_tcb(), report.committed_tcb(), report.launch_tcb()];
    let detail = format!("{}; {}", parsed(reported), vek.claims.tcb_version());
    checks.record(TCB_BOUND, ON, reported == vek.claims.tcb, detail);
    let are_zero = [current, reported, committed, launch]
        .iter()
        .all(|raw| TcbVersion::reserved(*raw, product) == [0; 4]);
    checks.record(TCB_RESERVED, ON, are_zero, "");
    let [current, reported, committed, launch] = [current, reported, committed, launch].map(parsed);
    let in_order = current.is_at_least(&committed) && current.is_at_least(&reported);
    let detail = format!("current {current}; committed {committed}; reported {reported}");
    checks.record(TCB_ORDER, ON, in_order, detail);

    let minima = policy.minima.get(&product);
    checks.record(PRODUCT_ALLOWED, ON, minima.is_some(), product.to_string());
    let Some(TcbMinima { current: c, reported: r, committed: m, launch: l }) = minima else {
        return;
    };
    for (rule, version, minimum) in [
        (TCB_CURRENT, current, c),
        (TCB_REPORTED, reported, r),
        (TCB_COMMITTED, committed, m),
        (TCB_LAUNCH, launch, l),
    ] {
        let detail = format!("{version}, at least {minimum}");
        checks.record(rule, ON, version.is_at_least(minimum), detail);
    }
}

fn guest_policy(checks: &mut Checks, report: &Report, policy: &SnpPolicy) {
    let bits = report.policy();
    let detail = format!("{:#x}", report.policy_raw());
    let are_known = bits.without(GuestBits::KNOWN) == GuestBits::NONE;
    checks.record(
        POLICY_RESERVED,
        ON,
        are_known && bits.has(GuestBits::ALWAYS_ONE),
        detail.as_str(),
    );
    checks.record(DEBUG, ON, !bits.has_any(GuestBits::DEBUG), detail.as_str());
    checks.record(MIGRATION, ON, !bits.has_any(GuestBits::MIGRATION_AGENT), detail.as_str());
    for (rule, bit) in [(SMT, GuestBits::SMT), (CXL, GuestBits::CXL)] {
        let is_accepted = !bits.has(bit) || policy.guest_may_allow.has(bit);
        checks.record(rule, ON, is_accepted, detail.as_str());
    }
    let demanded = policy.guest_must_demand;
    let wants_socket = demanded.has(GuestBits::SINGLE_SOCKET);
    let has_socket = bits.has(GuestBits::SINGLE_SOCKET);
    checks.record(SINGLE_SOCKET, ON, has_socket || !wants_socket, detail.as_str());
    let others = demanded.without(GuestBits::SINGLE_SOCKET);
    checks.record(DEMANDED, ON, bits.has(others), detail);
    let abi = report.policy_abi();
    let minimum = policy.guest_abi_min;
    checks.record(ABI, ON, abi >= minimum, format!("{abi}, at least {minimum}"));
    let agent = report.migration_agent_report_id();
    // Firmware writes ones where there is no agent; some writes zeros.
    let has_none = agent == [0xff; 32] || agent == [0; 32];
    checks.record(NO_AGENT, ON, has_none, "");
}

fn platform(checks: &mut Checks, report: &Report, policy: &SnpPolicy) {
    let bits = report.platform().0;
    let (required, forbidden) = (policy.platform_required.0, policy.platform_forbidden.0);
    checks.record(
        PLATFORM_REQUIRED,
        ON,
        bits & required == required,
        format!("{bits:#x}, required {required:#x}"),
    );
    checks.record(
        PLATFORM_FORBIDDEN,
        ON,
        bits & forbidden == 0,
        format!("{bits:#x}, refused {forbidden:#x}"),
    );
    let required = policy.mitigations_required;
    let (launch, current) = report.mitigations().unwrap_or_default();
    checks.record(
        MITIGATIONS,
        ON,
        launch & current & required == required,
        format!("launch {launch:#x}, current {current:#x}, required {required:#x}"),
    );
}

fn contents(checks: &mut Checks, report: &Report, policy: &SnpPolicy) {
    let vmpl = report.vmpl();
    let detail = match vmpl {
        u32::MAX => "the host asked for it".to_owned(),
        level => format!("level {level}"),
    };
    // Levels above 3 are none of a guest's, whatever a policy says.
    checks.record(VMPL, ON, vmpl <= VMPL_MAX && policy.vmpl.contains(&vmpl), detail);
    expect(checks, MEASUREMENT, &policy.measurement, &report.measurement());
    expect(checks, REPORT_DATA, &policy.report_data, &report.report_data());
    expect(checks, HOST_DATA, &policy.host_data, &report.host_data());
    expect(checks, ID_KEY, &policy.id_key, &report.id_key_digest());
    expect(checks, AUTHOR_KEY, &policy.author_key, &report.author_key_digest());
    expect(checks, FAMILY_ID, &policy.family_id, &report.family_id());
    expect(checks, IMAGE_ID, &policy.image_id, &report.image_id());
    let (svn, minimum) = (report.guest_svn(), policy.guest_svn_min);
    checks.record(GUEST_SVN, ON, svn >= minimum, format!("{svn}, at least {minimum}"));
}

fn expect<const N: usize>(
    checks: &mut Checks,
    rule: Rule,
    expected: &Expect<[u8; N]>,
    found: &[u8; N],
) {
    let limits = match expected {
        Expect::Any => "any accepted".to_owned(),
        Expect::OneOf(values) => format!("one of {} accepted", values.len()),
    };
    let detail = format!("{}, {limits}", hex::encode(found));
    checks.record(rule, ON, expected.accepts(found), detail);
}
