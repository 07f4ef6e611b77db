//! The section on the security processor's part.

use super::text::{AnyOr, Entries, Hex};
use super::{PolicyError, Release, SnpRules};
use crate::snp::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, Product, SnpPolicy, TcbMinima,
    TcbVersion, VMPL_MAX,
};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnpText {
    products: Entries<Product, MinimaText>,
    /// Cloud providers whose keys are accepted beside chips' own.
    vlek_providers: Vec<String>,
    vmpl: BTreeSet<u32>,
    guest_may_allow: Vec<String>,
    guest_must_demand: Vec<String>,
    guest_abi_min: AbiVersion,
    platform_required: Vec<String>,
    platform_forbidden: Vec<String>,
    mitigations_required: u64,
    releases: Vec<ReleaseText>,
    /// Of guests alone: that of a machine's guest follows from its TPM.
    host_data: AnyOr<Hex>,
    chip_ids: AnyOr<Hex>,
    id_keys: AnyOr<Hex>,
    author_keys: AnyOr<Hex>,
    family_ids: AnyOr<Hex>,
    image_ids: AnyOr<Hex>,
    guest_svn_min: u32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinimaText {
    current: TcbVersion,
    reported: TcbVersion,
    committed: TcbVersion,
    launch: TcbVersion,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseText {
    name: String,
    measurements: BTreeSet<Hex>,
}

const GUEST_ALLOWS: [(&str, GuestBits); 2] = [("smt", GuestBits::SMT), ("cxl", GuestBits::CXL)];
const GUEST_DEMANDS: [(&str, GuestBits); 5] = [
    ("single-socket", GuestBits::SINGLE_SOCKET),
    ("aes-256-xts", GuestBits::AES_256_XTS),
    ("rapl-off", GuestBits::RAPL_OFF),
    ("ciphertext-hiding", GuestBits::CIPHERTEXT_HIDING),
    ("no-page-swap", GuestBits::NO_PAGE_SWAP),
];
const PLATFORM: [(&str, PlatformBits); 7] = [
    ("smt", PlatformBits::SMT),
    ("tsme", PlatformBits::TSME),
    ("ecc", PlatformBits::ECC),
    ("rapl-off", PlatformBits::RAPL_OFF),
    ("ciphertext-hiding", PlatformBits::CIPHERTEXT_HIDING),
    ("alias-check", PlatformBits::ALIAS_CHECK),
    ("trusted-io", PlatformBits::TRUSTED_IO),
];

impl TryFrom<SnpText> for SnpRules {
    type Error = PolicyError;

    fn try_from(text: SnpText) -> Result<Self, PolicyError> {
        if text.products.0.is_empty() {
            return Err(PolicyError::Empty("products"));
        }
        if text.vmpl.is_empty() {
            return Err(PolicyError::Empty("vmpl"));
        }
        if let Some(level) = text.vmpl.iter().copied().find(|level| *level > VMPL_MAX) {
            return Err(PolicyError::Vmpl(level));
        }
        let releases = releases(text.releases)?;
        let all = releases.iter().flat_map(|(_, digests)| digests.iter().copied());
        let providers: BTreeSet<String> = text.vlek_providers.into_iter().collect();
        let report = SnpPolicy {
            minima: text
                .products
                .0
                .into_iter()
                .map(|(product, text)| (product, text.into()))
                .collect(),
            keys: match providers.is_empty() {
                true => KeyRule::Chip,
                false => KeyRule::ChipOrProvider(Expect::OneOf(providers)),
            },
            vmpl: text.vmpl,
            guest_may_allow: guest_bits(&text.guest_may_allow, &GUEST_ALLOWS)?,
            guest_must_demand: guest_bits(&text.guest_must_demand, &GUEST_DEMANDS)?,
            guest_abi_min: text.guest_abi_min,
            platform_required: platform_bits(&text.platform_required)?,
            platform_forbidden: platform_bits(&text.platform_forbidden)?,
            mitigations_required: text.mitigations_required,
            measurement: Expect::OneOf(all.collect()),
            // Nothing, until the evidence is there.
            report_data: Expect::OneOf(BTreeSet::new()),
            host_data: expect(text.host_data, "host-data")?,
            chip_id: expect(text.chip_ids, "chip-ids")?,
            id_key: expect(text.id_keys, "id-keys")?,
            author_key: expect(text.author_keys, "author-keys")?,
            family_id: expect(text.family_ids, "family-ids")?,
            image_id: expect(text.image_ids, "image-ids")?,
            guest_svn_min: text.guest_svn_min,
        };
        Ok(Self { report, releases })
    }
}

impl From<MinimaText> for TcbMinima {
    fn from(text: MinimaText) -> Self {
        let MinimaText { current, reported, committed, launch } = text;
        Self { current, reported, committed, launch }
    }
}

fn releases(texts: Vec<ReleaseText>) -> Result<Vec<Release>, PolicyError> {
    if texts.is_empty() {
        return Err(PolicyError::Empty("releases"));
    }
    let (mut names, mut releases) = (BTreeSet::new(), Vec::new());
    for ReleaseText { name, measurements } in texts {
        if !names.insert(name.clone()) {
            return Err(PolicyError::Name(name));
        }
        if measurements.is_empty() {
            return Err(PolicyError::Empty("measurements"));
        }
        let digests = measurements.iter().map(|hex| hex.array("a launch digest"));
        releases.push((name, digests.collect::<Result<_, _>>()?));
    }
    Ok(releases)
}

fn expect<const N: usize>(
    text: AnyOr<Hex>,
    what: &'static str,
) -> Result<Expect<[u8; N]>, PolicyError> {
    match text.list(what)? {
        None => Ok(Expect::Any),
        Some(list) => {
            let values = list.iter().map(|hex| hex.array(what));
            Ok(Expect::OneOf(values.collect::<Result<_, _>>()?))
        }
    }
}

fn guest_bits(words: &[String], known: &[(&str, GuestBits)]) -> Result<GuestBits, PolicyError> {
    words.iter().try_fold(GuestBits::NONE, |bits, word| {
        let found = known.iter().find(|(name, _)| name == word);
        found.map(|(_, bit)| bits.and(*bit)).ok_or_else(|| unknown(word, "bit of guest policies"))
    })
}

fn platform_bits(words: &[String]) -> Result<PlatformBits, PolicyError> {
    words.iter().try_fold(PlatformBits::NONE, |bits, word| {
        let found = PLATFORM.iter().find(|(name, _)| name == word);
        found.map(|(_, bit)| bits.and(*bit)).ok_or_else(|| unknown(word, "setting of platforms"))
    })
}

fn unknown(word: &str, what: &'static str) -> PolicyError {
    PolicyError::Word { word: word.to_owned(), what }
}
