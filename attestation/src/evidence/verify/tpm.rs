//! The TPM's part: who it is, that the attestation key is in it, what it quotes, and how it came to that.

use super::{AttestedTpm, Judge, Rule, TPM_RULES};
use crate::checks::Checks;
use crate::crypto::equal;
use crate::event_log;
use crate::evidence::TpmPart;
use crate::evidence::policy::{Accepted, TpmRules};
use crate::tpm::ek::{self, EkPolicy, VerifiedEk};
use crate::tpm::quote::{self, SignedQuote};
use crate::tpm::{
    ClockRule, Hierarchy, MAGIC, Public, QuoteEvidence, QuotePolicy, SignedBy, VerifiedQuote,
};
use crate::x509::Certificate;

const ISSUERS: Rule = ("evidence.tpm.issuers", "The certificates of the issuers can be read.");
const BARE: Rule =
    ("evidence.tpm.bare", "Keys and message are TPMT_PUBLIC and TPMS_ATTEST, without a length.");
const ACTIVATION: Rule = (
    "evidence.tpm.activation",
    "The challenge is one that the verifier believes, for this endorsement and attestation key.",
);
const ANSWER: Rule =
    ("evidence.tpm.answer", "The answer was made with the challenge's secret, for this quote.");
const SELECTION: Rule =
    ("evidence.tpm.selection", "The values are those of the PCRs that the policy selects.");
const RELEASE: Rule = ("evidence.tpm.release", "The PCRs are those of one accepted release.");
const PLATFORM: Rule = ("evidence.tpm.platform", "The PCRs are those of one accepted platform.");
const MACHINE_EK: Rule =
    ("evidence.machine.ek", "The endorsement key is the one that was registered.");
const MACHINE_AK: Rule =
    ("evidence.machine.ak", "The attestation key is the one that was registered.");

const ON: &str = "TPM";

impl Judge<'_> {
    pub(super) fn check_tpm(&self, checks: &mut Checks, part: &TpmPart) -> Option<AttestedTpm> {
        let rules = self.policy.tpm.as_ref();
        checks.record(TPM_RULES, ON, rules.is_some(), "");
        let rules = rules?;
        self.check_bare(checks, part);
        let ek = self.check_ek(checks, part, rules);
        let nonce =
            self.evidence.statement().tpm_nonce(&part.identity(), self.names.guest.as_ref());
        self.check_activation(checks, part, &nonce);
        let quote = self.check_quote(checks, part, rules, &nonce);
        self.check_machine(checks);
        let (ek, quote) = (ek?, quote?);
        let (release, platform) = check_values(checks, quote.quote(), rules);
        let log = event_log::verify(&part.log, quote.quote(), rules.explained_by_log);
        checks.append(log.checks().clone());
        Some(AttestedTpm {
            ek: ek.public().name(),
            ek_certificate_sha256: ek.certificate().sha256(),
            ek_root: ek.certificate().root().to_owned(),
            ak: quote.key().name(),
            release: release?,
            platform,
            clock: quote.quote().clock(),
            firmware_version: quote.quote().firmware_version(),
        })
    }

    /// The readers of these structures take them with a length before them as well; evidence has one form.
    fn check_bare(&self, checks: &mut Checks, part: &TpmPart) {
        let is_bare = |public: &Option<Public>, bytes: &[u8]| {
            public.as_ref().is_some_and(|public| public.bytes() == bytes)
        };
        checks.record(BARE, "EK", is_bare(&self.names.ek, &part.ek_public), "");
        checks.record(BARE, "AK", is_bare(&self.names.ak, &part.ak_public), "");
        checks.record(BARE, "quote", part.message.starts_with(&MAGIC.to_be_bytes()), "");
    }

    /// The endorsement key with its chain.
    fn check_ek(
        &self,
        checks: &mut Checks,
        part: &TpmPart,
        rules: &TpmRules,
    ) -> Option<VerifiedEk> {
        let mut others = self.roots.tpm_certificates.clone();
        for issuer in &part.issuers {
            let read = Certificate::from_der(issuer);
            others.extend(checks.record_result(ISSUERS, "EK issuers", read));
        }
        let policy = EkPolicy {
            roots: &self.roots.tpm,
            at: self.at,
            x509_quirks: &rules.x509_quirks,
            quirks: &rules.ek_quirks,
            revocation: &self.roots.tpm_revocation,
        };
        let verdict = ek::verify_certificate(&part.ek_certificate, &others, &policy);
        checks.append(verdict.checks().clone());
        let bound = ek::bind(verdict.verified()?, &part.ek_public);
        checks.append(bound.checks().clone());
        bound.verified().cloned()
    }

    /// That both keys are in one TPM: nothing that a TPM signs says so, as the endorsement key signs
    /// nothing. It follows from a challenge that this TPM alone can open.
    fn check_activation(&self, checks: &mut Checks, part: &TpmPart, nonce: &[u8; 32]) {
        let activation = self.names.ek.as_ref().zip(self.names.ak.as_ref()).and_then(|(ek, ak)| {
            let made = &self.known.activations;
            made.iter().find(|activation| activation.is_of(&part.challenge, ek, ak.name()))
        });
        let found = format!(
            "challenge {}, {} believed",
            hex::encode(part.challenge),
            self.known.activations.len()
        );
        checks.record(ACTIVATION, ON, activation.is_some(), found);
        let holds = activation.is_some_and(|known| equal(&known.answer(nonce), &part.answer));
        checks.record(ANSWER, ON, holds, "");
    }

    fn check_quote(
        &self,
        checks: &mut Checks,
        part: &TpmPart,
        rules: &TpmRules,
        nonce: &[u8; 32],
    ) -> Option<VerifiedQuote> {
        let same = part.selection == rules.selection;
        let found = format!("{}, wanted {}", part.selection, rules.selection);
        checks.record(SELECTION, "pcrs", same, found);
        let clock = self.known.machine.and_then(|machine| machine.clock);
        let ak = self.names.ak.as_ref().map(Public::name);
        let mut policy = QuotePolicy::plain(nonce, rules.selection.clone());
        policy.signer = ak.map(|name| name.qualified_in(Hierarchy::Endorsement));
        policy.firmware.clone_from(&rules.firmware);
        policy.clock = clock.map_or(ClockRule::Safe, ClockRule::Since);
        let signed =
            SignedBy { key: &part.ak_public, message: &part.message, signature: &part.signature };
        let verdict = quote::verify(&QuoteEvidence { signed, pcrs: &part.pcrs }, &policy);
        checks.append(verdict.checks().clone());
        verdict.verified().cloned()
    }

    /// The machine that was registered, if one is expected.
    fn check_machine(&self, checks: &mut Checks) {
        let Some(machine) = self.known.machine else { return };
        let keys =
            [(MACHINE_EK, machine.ek, &self.names.ek), (MACHINE_AK, machine.ak, &self.names.ak)];
        for (rule, registered, public) in keys {
            let Some(registered) = registered else { continue };
            let name = public.as_ref().map(Public::name);
            let text = name.map_or("none".to_owned(), |name| name.to_string());
            let found = format!("{text}, registered {registered}");
            checks.record(rule, ON, name == Some(registered), found);
        }
    }
}

/// The release and the platform whose values the registers have.
fn check_values(
    checks: &mut Checks,
    quote: &SignedQuote,
    rules: &TpmRules,
) -> (Option<String>, Option<String>) {
    let mut find = |rule: Rule, entries: &[Accepted]| {
        let found = entries.iter().find(|entry| entry.accepts(quote.values()));
        let text = match found {
            Some(entry) => entry.name.clone(),
            None => entries
                .iter()
                .map(|entry| {
                    format!("not {}: {}", entry.name, entry.differing(quote.values()).join(", "))
                })
                .collect::<Vec<_>>()
                .join("; "),
        };
        checks.record(rule, "pcrs", found.is_some(), text);
        found.map(|entry| entry.name.clone())
    };
    let release = find(RELEASE, &rules.releases);
    // Without platforms the policy names their registers as not judged, one by one.
    let judges_platforms = !rules.platforms.is_empty();
    let platform = judges_platforms.then(|| find(PLATFORM, &rules.platforms)).flatten();
    (release, platform)
}
