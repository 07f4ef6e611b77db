//! Policies: digests computed here against those of the TPM, and approval by a key.

use crate::releases::{Release, SECRET, allowed, secret};
use crate::swtpm::Machine;
use os_kit_tpm::{
    Allowed, Approval, ApprovalKey, ApprovedBy, Bank, Branch, CounterLimit, Owner, PcrSelection,
    PcrValues, Proof, SignedPolicy, Tpm, TpmError,
};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};

struct Approver(SigningKey);

impl Approver {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    fn key(&self) -> ApprovalKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        let x = point.x().unwrap().as_slice().try_into().unwrap();
        let y = point.y().unwrap().as_slice().try_into().unwrap();
        ApprovalKey::p256(x, y).unwrap()
    }

    fn sign(&self, allowed: &Allowed) -> SignedPolicy {
        let digest = SignedPolicy::digest_to_sign(allowed.digest());
        let signature: Signature = self.0.sign_prehash(&digest).unwrap();
        let (r, s) = signature.split_bytes();
        SignedPolicy::p256(&r.into(), &s.into()).unwrap()
    }
}

/// A TPM with a written index and counter.
fn prepared(machine: &Machine) -> Tpm {
    let tpm = machine.open();
    Release::new(1).take(&tpm);
    tpm
}

#[test]
fn digests_computed_here_are_those_of_the_tpms_trial_sessions() {
    let machine = Machine::new("node-1");
    let tpm = prepared(&machine);
    let estate = Release::new(1).estate;
    let approver = Approver::new(7);
    let selections = [
        PcrSelection::of(Bank::Sha256, &[11]).unwrap(),
        PcrSelection::of(Bank::Sha256, &[0, 4, 7, 11, 23]).unwrap(),
        PcrSelection::of(Bank::Sha1, &[1]).unwrap().and(Bank::Sha384, &[7, 16]).unwrap(),
    ];
    let mut checked = 0;
    for selection in &selections {
        let pcrs = tpm.read_pcrs(selection).unwrap();
        for most in [None, Some(0), Some(5), Some(u64::MAX)] {
            let counter = most.map(|most| CounterLimit { counter: estate.counter, most });
            let branch = Branch { pcrs: pcrs.clone(), counter };
            for others in 0..8u8 {
                let mut branches = vec![branch.digest()];
                branches.extend((0..others).map(|n| Release::new(n).branch().digest()));
                let allowed = Allowed::new(branches).unwrap();
                for by in [
                    ApprovedBy::Nv(estate.allowed),
                    ApprovedBy::Key(approver.key(), approver.sign(&allowed)),
                ] {
                    let expected = by.approval().digest();
                    let proof = Proof { branch: branch.clone(), allowed: allowed.clone(), by };
                    assert_eq!(tpm.trial_digest(&proof).unwrap(), expected);
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, 3 * 4 * 8 * 2);
    // A digest ends in the approval, whatever came before it: look at the steps before, too.
    for most in [None, Some(5)] {
        let counter = most.map(|most| CounterLimit { counter: estate.counter, most });
        let branch = Branch { pcrs: tpm.read_pcrs(&selections[2]).unwrap(), counter };
        assert_eq!(tpm.trial_branch_digest(&branch).unwrap(), branch.digest());
    }
    let too_many = vec![Release::new(1).branch().digest(); 9];
    assert!(Allowed::new(too_many).is_err() && Allowed::new(Vec::new()).is_err());
}

#[test]
fn a_key_allows_policies_by_its_signature() {
    let mut machine = Machine::new("node-1");
    let (first, second) = (Release::new(1), Release::new(2));
    let approver = Approver::new(7);
    let approval = Approval::Key(approver.key());
    let signed = |release: &Release, by: &Approver| Proof {
        by: ApprovedBy::Key(approver.key(), by.sign(&allowed(&[release]))),
        ..release.alone()
    };
    let sealed = {
        let tpm = machine.open();
        first.take(&tpm);
        let sealed = tpm.seal(&secret(), &approval).unwrap();
        assert_eq!(tpm.unseal(&sealed, &signed(&first, &approver)).unwrap().expose(), SECRET);
        sealed
    };
    let tpm = second.boot(&mut machine);
    assert_eq!(tpm.unseal(&sealed, &signed(&second, &approver)).unwrap().expose(), SECRET);
    let refused = |proof: &Proof| {
        let error = tpm.unseal(&sealed, proof).map(|_| ()).unwrap_err();
        assert!(matches!(error, TpmError::PolicyRefused { .. }), "{error:?}");
    };
    refused(&signed(&first, &approver)); // Another release is running.
    refused(&signed(&second, &Approver::new(8))); // Another key signed.
    let other_key =
        ApprovedBy::Key(Approver::new(8).key(), Approver::new(8).sign(&allowed(&[&second])));
    refused(&Proof { by: other_key, ..second.alone() }); // Another key is shown.
    let signature_of_first = ApprovedBy::Key(approver.key(), approver.sign(&allowed(&[&first])));
    refused(&Proof { by: signature_of_first, ..second.alone() });
    // The index allows release 1 alone; that is no approval by the key.
    refused(&second.alone());
    let confirmed = tpm.confirm_ownership(&second.estate, &signed(&second, &approver));
    assert!(matches!(confirmed, Err(TpmError::BadInput { .. })), "the key is not the owner");
}

#[test]
fn a_signed_policy_ends_when_the_counter_moves() {
    let machine = Machine::new("node-1");
    let tpm = prepared(&machine);
    let owner = Release::new(1);
    let counter = owner.estate.counter;
    let now = tpm.counter(&counter).unwrap().unwrap();
    let approver = Approver::new(7);
    let sealed = tpm.seal(&secret(), &Approval::Key(approver.key())).unwrap();
    let until = |most| {
        let release = Release::until(1, most);
        let by = ApprovedBy::Key(approver.key(), approver.sign(&allowed(&[&release])));
        Proof { by, ..release.alone() }
    };
    let opens = |most| tpm.unseal(&sealed, &until(most)).is_ok();
    assert!(opens(now) && opens(now + 1) && !opens(now - 1));
    tpm.increment(&counter, Owner::Approved(&owner.alone())).unwrap();
    assert!(!opens(now) && opens(now + 1), "signatures stay valid, the counter does not come back");
}

#[test]
fn what_cannot_be_a_policy_is_said_before_it_reaches_the_tpm() {
    let machine = Machine::new("node-1");
    let tpm = prepared(&machine);
    let sealed = tpm.seal(&secret(), &Release::new(1).estate.approval()).unwrap();
    let said = |proof: &Proof| tpm.unseal(&sealed, proof).map(|_| ()).unwrap_err().to_string();
    let empty = Branch { pcrs: PcrValues::default(), counter: None };
    let allowed_empty = Allowed::new(vec![empty.digest()]).unwrap();
    let proof = Proof { branch: empty, allowed: allowed_empty, ..Release::new(1).alone() };
    assert!(said(&proof).contains("at least one PCR"));
    let proof = Release::new(1).proof(&allowed(&[&Release::new(2)]));
    assert!(said(&proof).contains("not among those"));
    assert!(ApprovalKey::new(&[1, 2, 3]).is_err());
    assert!(ApprovalKey::p256(&[0xff; 32], &[0xff; 32]).is_ok(), "the TPM checks the point");
    assert!(SignedPolicy::new(&[0, 0x18]).is_err());
}
