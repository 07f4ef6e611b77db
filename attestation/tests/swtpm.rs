//! Against a TPM that is not ours: credentials that it opens, quotes, certified keys and counters.

#[path = "swtpm/simulated.rs"]
mod simulated;

use attestation::crypto::{Digest, Hash};
use attestation::tpm::certify::{self, CertifyPolicy};
use attestation::tpm::credential::{make_credential, randomness_bytes};
use attestation::tpm::nv::{self, CounterPolicy, NvPublic};
use attestation::tpm::{
    ClockRule, Hierarchy, Name, PcrSelection, PcrSet, Public, QuoteEvidence, QuotePolicy, SignedBy,
    pcr_values_from_file, public_key_from_file, quote, signature_with_scheme,
};
use simulated::Simulated;

/// Bytes for keys and seeds, different for each label and the same in each run.
fn bytes_of(label: &str, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let block = Hash::Sha256.digest_parts(&[label.as_bytes(), &bytes.len().to_be_bytes()]);
        bytes.extend_from_slice(block.as_bytes());
    }
    bytes.truncate(count);
    bytes
}

const ECDSA: [&str; 2] = ["sha256", "ecdsa"];

struct Keys {
    ek: Public,
    ak: Public,
}

/// An endorsement key and an attestation key below it: `ek.ctx` and `ak.ctx` in the folder.
fn make_keys(tpm: &Simulated, ek: &str, ak: [&str; 3]) -> Keys {
    let [algorithm, hash, scheme] = ak;
    tpm.tool("tpm2_createek", &["-G", ek, "-c", "ek.ctx", "-u", "ek.pub", "-f", "tpmt"]);
    let create = ["-C", "ek.ctx", "-c", "ak.ctx", "-u", "ak.pub", "-f", "tpmt", "-n", "ak.name"];
    let kind = ["-G", algorithm, "-g", hash, "-s", scheme];
    tpm.tool("tpm2_createak", &[&create[..], &kind[..]].concat());
    let read = |name: &str| {
        Public::parse(&tpm.read(name)).unwrap_or_else(|error| panic!("{name} {ek}: {error:?}"))
    };
    let keys = Keys { ek: read("ek.pub"), ak: read("ak.pub") };
    assert_eq!(keys.ak.name().to_bytes(), tpm.read("ak.name"), "{ek} {ak:?}");
    keys
}

/// Lets the TPM open a challenge; gives the secret, or nothing if it refuses.
fn activate(tpm: &Simulated, keys: &Keys, name: Name, secret: &[u8]) -> Option<Vec<u8>> {
    let randomness = bytes_of("seed", randomness_bytes(&keys.ek));
    let challenge = make_credential(&keys.ek, name, secret, &randomness).expect("it can be made");
    // The form of tpm2-tools: a magic number, a version, then both structures.
    let header = [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1];
    let file = [&header[..], &challenge.id_object, &challenge.encrypted_secret].concat();
    tpm.write("credential", &file);
    tpm.tool("tpm2_startauthsession", &["--policy-session", "-S", "session"]);
    tpm.tool("tpm2_policysecret", &["-S", "session", "-c", "e"]);
    let files = ["-c", "ak.ctx", "-C", "ek.ctx", "-i", "credential", "-o", "secret"];
    let opened =
        tpm.run("tpm2_activatecredential", &[&files[..], &["-P", "session:session"]].concat());
    tpm.tool("tpm2_flushcontext", &["session"]);
    tpm.tool("tpm2_flushcontext", &["-t"]);
    opened.status.success().then(|| tpm.read("secret"))
}

#[test]
fn credentials_open_in_the_right_tpm_for_the_right_name() {
    let tpm = Simulated::start("sha256");
    for (ek, ak) in [
        ("rsa", ["rsa", "sha256", "rsassa"]),
        ("rsa", ["ecc", "sha256", "ecdsa"]),
        ("ecc", ["ecc", "sha256", "ecdsa"]),
    ] {
        let keys = make_keys(&tpm, ek, ak);
        for length in [1, 16, 32] {
            let secret = bytes_of("secret", length);
            assert_eq!(activate(&tpm, &keys, keys.ak.name(), &secret), Some(secret), "{ek} {ak:?}");
        }
        // The name of another key.
        assert_eq!(activate(&tpm, &keys, keys.ek.name(), b"secret"), None, "{ek} {ak:?}");
    }
    // An endorsement key of another TPM.
    let other = Simulated::start("sha256");
    let foreign = make_keys(&other, "rsa", ["ecc", "sha256", "ecdsa"]);
    let own = make_keys(&tpm, "rsa", ["ecc", "sha256", "ecdsa"]);
    let mixed = Keys { ek: foreign.ek, ak: own.ak.clone() };
    assert_eq!(activate(&tpm, &mixed, own.ak.name(), b"secret"), None);
}

/// Keys of the high range, with AES-256 and SHA-384, are unlocked without a policy.
#[test]
fn credentials_open_for_long_keys() {
    let tpm = Simulated::start("sha256");
    for ek in ["ecc384", "rsa3072"] {
        let keys = make_keys(&tpm, ek, ["ecc", "sha256", "ecdsa"]);
        let secret = bytes_of("secret", 48);
        let randomness = bytes_of("seed", randomness_bytes(&keys.ek));
        let challenge = make_credential(&keys.ek, keys.ak.name(), &secret, &randomness)
            .expect("it can be made");
        let header = [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1];
        let file = [&header[..], &challenge.id_object, &challenge.encrypted_secret].concat();
        tpm.write("credential", &file);
        let files = ["-c", "ak.ctx", "-C", "ek.ctx", "-i", "credential", "-o", "secret"];
        tpm.tool("tpm2_activatecredential", &files);
        assert_eq!(tpm.read("secret"), secret, "{ek}");
    }
}

fn selection(banks: &[(Hash, &[u8])]) -> PcrSelection {
    let set = |indices: &[u8]| PcrSet::new(indices).expect("below 24");
    PcrSelection(banks.iter().map(|(bank, indices)| (*bank, set(indices))).collect())
}

/// Quotes by the key in `ak.ctx`, and the policy that they satisfy.
fn make_quote(
    tpm: &Simulated,
    keys: &Keys,
    [hash, scheme]: [&str; 2],
    banks: &[(Hash, &[u8])],
) -> QuotePolicy {
    let nonce = bytes_of("nonce", 32);
    let mut policy = QuotePolicy::plain(&nonce, selection(banks));
    policy.clock = ClockRule::Safe;
    policy.key_name = Some(keys.ak.name());
    let parent = keys.ek.name().qualified_in(Hierarchy::Endorsement);
    policy.signer = Some(keys.ak.name().qualified_under(parent));
    let (pcrs, nonce) = (policy.selection.to_string(), hex::encode(&nonce));
    let asked = ["-c", "ak.ctx", "-l", &pcrs, "-q", &nonce, "-g", hash, "--scheme", scheme];
    let files = ["-m", "message", "-s", "signature", "-o", "pcrs", "-F", "values"];
    tpm.tool("tpm2_quote", &[&asked[..], &files[..]].concat());
    policy
}

fn failed(tpm: &Simulated, policy: &QuotePolicy) -> Vec<&'static str> {
    let (key, message) = (tpm.read("ak.pub"), tpm.read("message"));
    let (signature, pcrs) = (tpm.read("signature"), tpm.read("pcrs"));
    let signed = SignedBy { key: &key, message: &message, signature: &signature };
    let verdict = quote::verify(&QuoteEvidence { signed, pcrs: &pcrs }, policy);
    assert_eq!(verdict.is_accepted(), verdict.checks().failed_ids().is_empty());
    verdict.checks().failed_ids()
}

#[test]
fn quotes_of_all_kinds_are_accepted() {
    let tpm = Simulated::start("sha1,sha256,sha384");
    let none: [&str; 0] = [];
    for ak in [
        ["rsa", "sha256", "rsassa"],
        ["rsa", "sha256", "rsapss"],
        ["rsa3072", "sha384", "rsassa"],
        ["rsa3072", "sha256", "rsapss"],
        ["ecc", "sha256", "ecdsa"],
        ["ecc384", "sha384", "ecdsa"],
        ["ecc384", "sha256", "ecdsa"],
    ] {
        let keys = make_keys(&tpm, "ecc", ak);
        for banks in [
            &[(Hash::Sha256, &[0, 4, 7, 11][..])][..],
            &[(Hash::Sha256, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 22, 23])],
            &[(Hash::Sha384, &[4, 11]), (Hash::Sha256, &[4, 11])],
            &[(Hash::Sha1, &[0]), (Hash::Sha256, &[1]), (Hash::Sha384, &[2])],
        ] {
            let policy = make_quote(&tpm, &keys, [ak[1], ak[2]], banks);
            assert_eq!(failed(&tpm, &policy), none, "{ak:?} {banks:?}");
        }
    }
}

/// The same quote in all forms in which its tools write it.
#[test]
fn files_of_tools_say_the_same() {
    let tpm = Simulated::start("sha1,sha256,sha384");
    let none: [&str; 0] = [];
    for ak in [
        ["rsa", "sha256", "rsassa"],
        ["rsa", "sha384", "rsapss"],
        ["ecc", "sha256", "ecdsa"],
        ["ecc384", "sha384", "ecdsa"],
    ] {
        let keys = make_keys(&tpm, "ecc", ak);
        let banks = [(Hash::Sha256, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11][..]), (Hash::Sha1, &[7, 16])];
        let policy = make_quote(&tpm, &keys, [ak[1], ak[2]], &banks);
        let values = tpm.read("pcrs");
        let (pcrs, nonce) = (policy.selection.to_string(), hex::encode(&policy.nonce));
        let asked = ["-c", "ak.ctx", "-l", &pcrs, "-q", &nonce, "-g", ak[1], "--scheme", ak[2]];
        let files = ["-m", "message", "-s", "plain", "-f", "plain", "-o", "serialized"];
        tpm.tool("tpm2_quote", &[&asked[..], &files[..]].concat());
        let listing = tpm.run("tpm2_pcrread", &[&pcrs]);
        assert!(listing.status.success());
        for file in [&tpm.read("serialized"), &listing.stdout] {
            assert_eq!(pcr_values_from_file(file, &policy.selection), values, "{ak:?}");
        }
        tpm.tool("tpm2_readpublic", &["-c", "ak.ctx", "-f", "pem", "-o", "ak.pem"]);
        let bare = public_key_from_file(&tpm.read("ak.pem")).expect("a key in PEM");
        let (message, plain) = (tpm.read("message"), tpm.read("plain"));
        let verdicts = [&tpm.read("ak.pub"), &bare].map(|key| {
            let signature = signature_with_scheme(&plain, key, &message).expect("it stands alone");
            let signed = SignedBy { key, message: &message, signature: &signature };
            let evidence = QuoteEvidence { signed, pcrs: &values };
            match *key == bare {
                true => quote::verify_by_bare_key(&evidence, &policy).checks().failed_ids(),
                false => quote::verify(&evidence, &policy).checks().failed_ids(),
            }
        });
        assert_eq!(verdicts, [none, none], "{ak:?}");
    }
}

#[test]
fn quotes_that_are_not_what_was_asked_are_refused() {
    let tpm = Simulated::start("sha256");
    let keys = make_keys(&tpm, "ecc", ["ecc", "sha256", "ecdsa"]);
    let judged: [(Hash, &[u8]); 1] = [(Hash::Sha256, &[4, 11])];
    let none: [&str; 0] = [];
    let policy = make_quote(&tpm, &keys, ECDSA, &judged);
    let (message, signature, pcrs) = (tpm.read("message"), tpm.read("signature"), tpm.read("pcrs"));

    // The machine measured something more, and hides it behind the values of before.
    let digest = Hash::Sha256.digest(b"another kernel");
    tpm.tool("tpm2_pcrextend", &[&format!("11:sha256={digest}")]);
    let policy_after = make_quote(&tpm, &keys, ECDSA, &judged);
    assert_eq!(failed(&tpm, &policy_after), none);
    let quoted = tpm.read("pcrs");
    let extended = attestation::tpm::extend(&Digest::zero(Hash::Sha256), digest.as_bytes());
    assert_eq!(quoted[32..], *extended.as_bytes());
    tpm.write("pcrs", &pcrs);
    assert_eq!(failed(&tpm, &policy_after), ["tpm.quote.pcrs-digest"]);
    // An old quote with its old values: the nonce is another one, or the expected value is.
    tpm.write("message", &message);
    tpm.write("signature", &signature);
    assert_eq!(failed(&tpm, &policy), none);
    let mut newer = policy.clone();
    newer.nonce = bytes_of("newer nonce", 32);
    newer.expected.insert((Hash::Sha256, 11), vec![extended]);
    assert_eq!(failed(&tpm, &newer), ["tpm.message.nonce", "tpm.quote.pcr-expected"]);
    // A key of the same kind that is not below the endorsement key.
    let primary = ["-C", "o", "-G", "ecc:ecdsa-sha256:null", "-c", "ak.ctx"];
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
    tpm.tool("tpm2_createprimary", &[&primary[..], &["-a", attributes]].concat());
    tpm.tool("tpm2_readpublic", &["-c", "ak.ctx", "-f", "tpmt", "-o", "ak.pub"]);
    let owners = make_quote(&tpm, &keys, ECDSA, &judged);
    assert_eq!(failed(&tpm, &owners), ["tpm.key.name", "tpm.message.signer"]);
    let mut known = owners.clone();
    let name = Public::parse(&tpm.read("ak.pub")).expect("a public area").name();
    known.key_name = Some(name);
    known.signer = Some(name.qualified_in(Hierarchy::Owner));
    assert_eq!(failed(&tpm, &known), none);
    known.signer = Some(name.qualified_in(Hierarchy::Null));
    assert_eq!(failed(&tpm, &known), ["tpm.message.signer"]);
    // A key that signs anything: a program can make up what it wants.
    let free = ["-C", "o", "-G", "ecc:ecdsa-sha256:null", "-c", "ak.ctx"];
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign";
    tpm.tool("tpm2_createprimary", &[&free[..], &["-a", attributes]].concat());
    tpm.tool("tpm2_readpublic", &["-c", "ak.ctx", "-f", "tpmt", "-o", "ak.pub"]);
    let mut unrestricted = make_quote(&tpm, &keys, ECDSA, &judged);
    unrestricted.key_name = None;
    unrestricted.signer = None;
    assert_eq!(failed(&tpm, &unrestricted), ["tpm.key.restricted"]);
}

#[test]
fn certified_keys_are_accepted_and_others_not() {
    let tpm = Simulated::start("sha256");
    let keys = make_keys(&tpm, "ecc", ["ecc", "sha256", "ecdsa"]);
    let primary = ["-C", "e", "-G", "ecc:ecdsa-sha256:null", "-c", "object.ctx"];
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign";
    tpm.tool("tpm2_createprimary", &[&primary[..], &["-a", attributes]].concat());
    tpm.tool("tpm2_readpublic", &["-c", "object.ctx", "-f", "tpmt", "-o", "object.pub"]);
    let files = ["-o", "message", "-s", "signature"];
    let asked = ["-c", "object.ctx", "-C", "ak.ctx", "-g", "sha256"];
    tpm.tool("tpm2_certify", &[&asked[..], &files[..]].concat());
    let (key, message) = (tpm.read("ak.pub"), tpm.read("message"));
    let (signature, object) = (tpm.read("signature"), tpm.read("object.pub"));
    let signed = SignedBy { key: &key, message: &message, signature: &signature };
    let name = Public::parse(&object).expect("a public area").name();
    let policy = CertifyPolicy {
        // What tpm2_certify puts in, which has no option for it.
        nonce: vec![0x00, 0xff, 0x55, 0xaa],
        key_name: keys.ak.name(),
        qualified_name: Some(name.qualified_in(Hierarchy::Endorsement)),
    };
    let failed = |object: &[u8], policy: &CertifyPolicy| {
        certify::verify(&signed, object, policy).checks().failed_ids()
    };
    let none: [&str; 0] = [];
    assert_eq!(failed(&object, &policy), none);
    assert_eq!(failed(keys.ak.bytes(), &policy), ["tpm.certify.object-name"]);
    assert_eq!(failed(&object[..9], &policy), ["tpm.certify.object-form"]);
    let other = CertifyPolicy { nonce: vec![1], ..policy.clone() };
    assert_eq!(failed(&object, &other), ["tpm.message.nonce"]);
    let other = CertifyPolicy { qualified_name: Some(name), ..policy.clone() };
    assert_eq!(failed(&object, &other), ["tpm.certify.qualified-name"]);
    let other = CertifyPolicy { key_name: name, ..policy.clone() };
    assert_eq!(failed(&object, &other), ["tpm.key.name"]);
    // A quote is no certificate of a key.
    make_quote(&tpm, &keys, ECDSA, &[(Hash::Sha256, &[0])]);
    let (message, signature) = (tpm.read("message"), tpm.read("signature"));
    let quoted = SignedBy { message: &message, signature: &signature, ..signed };
    let asked = CertifyPolicy { nonce: bytes_of("nonce", 32), ..policy };
    let verdict = certify::verify(&quoted, &object, &asked);
    assert_eq!(verdict.checks().failed_ids(), ["tpm.certify.type"]);
}

#[test]
fn counters_are_read_and_do_not_go_back() {
    const HANDLE: u32 = 0x0150_0018;
    let tpm = Simulated::start("sha256");
    let keys = make_keys(&tpm, "ecc", ["ecc", "sha256", "ecdsa"]);
    let index = format!("{HANDLE:#x}");
    let attributes = "ownerread|ownerwrite|authread|authwrite|nt=counter";
    tpm.tool("tpm2_nvdefine", &[&index, "-C", "o", "-s", "8", "-a", attributes]);
    tpm.tool("tpm2_nvincrement", &[&index, "-C", "o"]);
    tpm.tool("tpm2_nvincrement", &[&index, "-C", "o"]);
    let nonce = bytes_of("nonce", 20);
    let asked = ["-C", "ak.ctx", "-c", "o", "-g", "sha256", "-f", "tss", "-s", "ecdsa"];
    let text = hex::encode(&nonce);
    let files = ["-o", "signature", "--attestation", "message", "--size", "8", "-q", &text, &index];
    tpm.tool("tpm2_nvcertify", &[&asked[..], &files[..]].concat());
    let (key, message) = (tpm.read("ak.pub"), tpm.read("message"));
    let signature = tpm.read("signature");
    let signed = SignedBy { key: &key, message: &message, signature: &signature };
    let listed = tpm.tool("tpm2_nvreadpublic", &[&index]);
    let value = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("value: 0x"))
        .find_map(|text| u32::from_str_radix(text, 16).ok().filter(|value| *value > 0xffff))
        .expect("the attributes are listed");
    let public = |handle, attributes, bytes| {
        NvPublic::new(handle, Hash::Sha256, attributes, &[], bytes).expect("a public area")
    };
    let index = public(HANDLE, value, 8);
    let policy = CounterPolicy {
        nonce,
        key_name: keys.ak.name(),
        handle: HANDLE,
        policy: Vec::new(),
        value_min: 2,
    };
    let failed = |index: &NvPublic, policy: &CounterPolicy| {
        nv::verify(&signed, index.bytes(), policy).checks().failed_ids()
    };
    let none: [&str; 0] = [];
    assert_eq!(failed(&index, &policy), none);
    let verdict = nv::verify(&signed, index.bytes(), &policy);
    let counter = verdict.verified().expect("accepted").value();
    assert!(counter >= 2);
    let above = CounterPolicy { value_min: counter + 1, ..policy.clone() };
    assert_eq!(failed(&index, &above), ["tpm.nv.forward"]);
    let other = CounterPolicy { handle: HANDLE + 1, ..policy.clone() };
    assert_eq!(failed(&index, &other), ["tpm.nv.index-handle"]);
    let other = CounterPolicy { policy: vec![0; 32], ..policy.clone() };
    assert_eq!(failed(&index, &other), ["tpm.nv.index-policy"]);
    // Other public areas are those of other indices.
    let name = "tpm.nv.index-name";
    assert_eq!(failed(&public(HANDLE, value ^ 1, 8), &policy), [name]);
    assert_eq!(failed(&public(HANDLE, value ^ 0x10, 8), &policy), ["tpm.nv.counter", name]);
    assert_eq!(failed(&public(HANDLE, value ^ 1 << 29, 8), &policy), ["tpm.nv.written", name]);
    assert_eq!(failed(&public(HANDLE, value, 7), &policy), ["tpm.nv.counter", name]);
    assert_eq!(failed(&public(HANDLE + 1, value, 8), &policy), ["tpm.nv.index-handle", name]);
    let cut = nv::verify(&signed, &index.bytes()[..13], &policy);
    assert_eq!(cut.checks().failed_ids(), ["tpm.nv.index-form"]);
}
