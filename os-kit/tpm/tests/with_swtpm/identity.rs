//! Who the TPM is, and what it attests.

use crate::swtpm::{Machine, raw};
use os_kit_tpm::{Bank, EkKind, Expect, ObjectName, PcrSelection, Tpm, TpmError};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs a tool that is independent of this crate.
pub fn tool(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.expect("the tool starts: `cargo xtask setup` installs it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}{complained}");
    said
}

/// A credential for an endorsement key and a name, made by tpm2-tools without a TPM: the contents of
/// TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET.
pub fn credential(folder: &Path, ek: &[u8], name: &ObjectName, secret: &[u8]) -> [Vec<u8>; 2] {
    let length = u16::try_from(ek.len()).unwrap().to_be_bytes();
    fs::write(folder.join("ek.pub"), [&length, ek].concat()).unwrap();
    fs::write(folder.join("secret"), secret).unwrap();
    let name = hex::encode(&name.0);
    let arguments = ["-T", "none", "-u", "ek.pub", "-s", "secret", "-n", &name, "-o", "credential"];
    tool(folder, "tpm2_makecredential", &arguments);
    let bytes = fs::read(folder.join("credential")).unwrap();
    let part = |bytes: &[u8]| {
        let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        (bytes[2..2 + length].to_vec(), bytes[2 + length..].to_vec())
    };
    // After a magic number and a version.
    let (credential, rest) = part(&bytes[8..]);
    let (secret, _) = part(&rest);
    [credential, secret]
}

#[test]
fn endorsement_keys_are_those_of_their_certificates() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    for (kind, handle) in [(EkKind::Rsa2048, 0x8101_0001), (EkKind::P384, 0x8101_0016)] {
        let key = tpm.endorsement_key(kind).unwrap();
        assert_eq!(key.persistent, Some(handle));
        let certificate = key.certificate.expect("swtpm_setup put one there");
        fs::write(machine.folder().join("ek.der"), &certificate).unwrap();
        let show = ["x509", "-inform", "DER", "-in", "ek.der", "-noout", "-pubkey"];
        let certified = tool(machine.folder(), "openssl", &show);
        let length = u16::try_from(key.public.len()).unwrap().to_be_bytes();
        let public = [length.as_slice(), &key.public].concat();
        fs::write(machine.folder().join("ek.pub"), public).unwrap();
        let print = ["-t", "TPM2B_PUBLIC", "-f", "pem", "ek.pub"];
        let ours = tool(machine.folder(), "tpm2_print", &print);
        let key_lines = |pem: &str| {
            let lines = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN"));
            lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(key_lines(&ours), key_lines(&certified), "{kind:?}");
        assert!(key.issuers.is_empty());
    }
    // The TPM can make a P-256 key too; nobody has certified that one.
    let key = tpm.endorsement_key(EkKind::P256).unwrap();
    assert_eq!((key.persistent, key.certificate), (None, None));
}

#[test]
fn the_attestation_key_is_the_same_after_restart_and_clear_but_not_on_another_machine() {
    let mut machine = Machine::new("node-1");
    let public = |machine: &Machine| {
        let tpm = machine.open();
        let key = tpm.attestation_key().unwrap();
        let name = [&[0, 0x0b], Sha256::digest(key.public()).as_slice()].concat();
        assert_eq!(key.name().0, name);
        key.public().to_vec()
    };
    let first = public(&machine);
    machine.restart();
    assert_eq!(public(&machine), first, "after a restart");
    machine.open().clear().unwrap();
    assert_eq!(public(&machine), first, "after TPM2_Clear");
    assert_ne!(public(&Machine::new("node-2")), first, "on another machine");
}

#[test]
fn a_key_kept_in_the_tpm_does_not_survive_a_clear_and_the_derived_one_does() {
    // The evidence for docs/decisions/061: the storage key is a persistent one.
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    let key = || tpm.attestation_key().unwrap().name().clone();
    let before = key();
    let first = crate::releases::Release::new(1);
    first.take(&tpm);
    tpm.seal(&crate::releases::secret(), &first.estate.approval()).unwrap();
    // The lockout has a password now that nobody knows; swtpm's tool acts as the firmware.
    drop(tpm);
    machine.clear_by_firmware();
    let tpm = machine.open();
    let sealed = tpm.seal(&crate::releases::secret(), &first.estate.approval());
    assert!(matches!(sealed, Err(TpmError::Missing { .. })), "the kept key is gone");
    assert_eq!(*tpm.attestation_key().unwrap().name(), before);
}

#[test]
fn a_credential_opens_for_its_two_keys_only() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    let key = tpm.attestation_key().unwrap();
    for kind in [EkKind::Rsa2048, EkKind::P256, EkKind::P384] {
        let ek = tpm.endorsement_key(kind).unwrap();
        let made = |name: &ObjectName| {
            credential(machine.folder(), &ek.public, name, b"a secret of the registry")
        };
        let [credential, secret] = made(key.name());
        let opened = tpm.activate_credential(&key, kind, &credential, &secret).unwrap();
        assert_eq!(opened.expose(), b"a secret of the registry", "{kind:?}");

        let mut other = key.name().clone();
        other.0[5] ^= 1;
        let [credential, secret] = made(&other);
        tpm.activate_credential(&key, kind, &credential, &secret).map(|_| ()).unwrap_err();
    }
    // Another machine with the right name cannot open it either.
    let stranger = Machine::new("node-2");
    let stranger = stranger.open();
    let ek = tpm.endorsement_key(EkKind::P384).unwrap();
    let [credential, secret] = credential(machine.folder(), &ek.public, key.name(), b"secret");
    let strangers = stranger.attestation_key().unwrap();
    let opened = stranger.activate_credential(&strangers, EkKind::P384, &credential, &secret);
    opened.map(|_| ()).unwrap_err();
    let garbage = stranger.activate_credential(&strangers, EkKind::P384, &[1; 5000], &[1; 5000]);
    assert!(matches!(garbage.map(|_| ()), Err(TpmError::BadInput { .. })));
}

#[test]
fn another_tpm_than_the_expected_is_refused() {
    let machine = Machine::new("node-1");
    let kinds = [EkKind::Rsa2048, EkKind::P256, EkKind::P384];
    let names = {
        let tpm = machine.open();
        kinds.map(|kind| tpm.endorsement_key(kind).unwrap().name)
    };
    for name in names {
        let expect = Expect::Endorsement(name);
        Tpm::open(&machine.address(), &expect).unwrap();
        let other = Tpm::open(&Machine::new("node-2").address(), &expect);
        assert!(matches!(other.map(|_| ()), Err(TpmError::OtherTpm)));
    }
}

#[test]
fn a_quote_of_several_banks_satisfies_tpm2_checkquote() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    let extended = [(Bank::Sha256, vec![7; 32]), (Bank::Sha384, vec![7; 48])];
    tpm.extend_pcr(11, &extended).unwrap();
    let pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 11, 14, 23];
    let selection =
        PcrSelection::of(Bank::Sha256, &pcrs).unwrap().and(Bank::Sha384, &pcrs).unwrap();
    let selection = selection.and(Bank::Sha1, &[0]).unwrap();
    let key = tpm.attestation_key().unwrap();
    let quote = tpm.quote(&key, &selection, &[0xab; 32]).unwrap();

    let expected = Sha256::digest([[0; 32], [7; 32]].concat());
    assert_eq!(quote.pcrs.get(Bank::Sha256, 11), Some(expected.as_slice()));
    assert_eq!(quote.pcrs.iter().count(), 23);

    let folder = machine.folder();
    let length = u16::try_from(key.public().len()).unwrap().to_be_bytes();
    fs::write(folder.join("ak.pub"), [&length, key.public()].concat()).unwrap();
    fs::write(folder.join("message"), &quote.statement.message).unwrap();
    fs::write(folder.join("signature"), &quote.statement.signature).unwrap();
    let check = |nonce: &str| {
        let program = Command::new("tpm2_checkquote")
            .args(["-u", "ak.pub", "-m", "message", "-s", "signature", "-g", "sha256", "-q", nonce])
            .current_dir(folder)
            .output()
            .unwrap();
        program.status.success()
    };
    assert!(check(&"ab".repeat(32)));
    assert!(!check(&"ac".repeat(32)), "another nonce");
    let mut message = quote.statement.message.clone();
    *message.last_mut().unwrap() ^= 1;
    fs::write(folder.join("message"), message).unwrap();
    assert!(!check(&"ab".repeat(32)), "a changed message");
}

#[test]
fn what_cannot_be_quoted_or_extended_is_said_before() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    let key = tpm.attestation_key().unwrap();
    let text = |result: Result<(), TpmError>| result.unwrap_err().to_string();
    let sha512 = PcrSelection::of(Bank::Sha512, &[0]).unwrap();
    assert!(text(tpm.quote(&key, &sha512, &[]).map(|_| ())).contains("enable the bank"));
    let sha256 = PcrSelection::of(Bank::Sha256, &[0]).unwrap();
    assert!(text(tpm.quote(&key, &sha256, &[0; 33]).map(|_| ())).contains("give a hash"));
    assert!(text(tpm.extend_pcr(24, &[(Bank::Sha256, vec![0; 32])])).contains("no PCR 24"));
    assert!(text(tpm.extend_pcr(1, &[(Bank::Sha256, vec![0; 31])])).contains("32 bytes, not 31"));
    assert!(text(tpm.extend_pcr(1, &[])).contains("one digest for each bank"));
    let twice = vec![(Bank::Sha256, vec![0; 32]), (Bank::Sha256, vec![1; 32])];
    assert!(text(tpm.extend_pcr(1, &twice)).contains("once"));
}

#[test]
fn certificates_of_issuers_are_read_in_order_and_in_pieces() {
    let machine = Machine::new("node-1");
    let nearest: Vec<u8> = (0..1500u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let farthest = vec![7; 700];
    {
        let mut vendor = machine.raw();
        for (index, certificate) in [(0x01c0_0101, &farthest), (0x01c0_0100, &nearest)] {
            let bytes = u16::try_from(certificate.len()).unwrap();
            assert_eq!(vendor.define(index, 0x0206_0002, bytes, b""), 0);
            for (number, piece) in certificate.chunks(500).enumerate() {
                let at = u16::try_from(number * 500).unwrap().to_be_bytes();
                let parameters = [raw::sized(piece), at.to_vec()].concat();
                let (code, _) =
                    vendor.command(raw::NV_WRITE, &[raw::OWNER, index], &[b""], &parameters);
                assert_eq!(code, 0);
            }
        }
        // Defined, and never written.
        assert_eq!(vendor.define(0x01c0_0102, 0x0206_0002, 100, b""), 0);
        assert_eq!(vendor.define(0x01c0_000a, 0x0206_0002, 100, b""), 0);
    }
    let tpm = machine.open();
    let key = tpm.endorsement_key(EkKind::P256).unwrap();
    assert_eq!(key.issuers, [nearest, farthest].concat());
    assert_eq!(key.certificate, None);
}

/// Defines an index of the vendor and writes it.
fn put(vendor: &mut raw::Raw, index: u32, content: &[u8]) {
    let bytes = u16::try_from(content.len()).unwrap();
    assert_eq!(vendor.define(index, 0x0206_0002, bytes, b""), 0);
    let parameters = [raw::sized(content), vec![0, 0]].concat();
    assert_eq!(vendor.command(raw::NV_WRITE, &[raw::OWNER, index], &[b""], &parameters).0, 0);
}

#[test]
fn a_vendors_own_template_or_number_makes_another_key() {
    let usual = Machine::new("node-1").open().endorsement_key(EkKind::P256).unwrap();
    // TPMT_PUBLIC ends with x and y of 32 bytes, each after its length.
    let template = |x: &[u8]| {
        let head = &usual.public[..usual.public.len() - 68];
        [head, raw::sized(x).as_slice(), raw::sized(&[0; 32]).as_slice()].concat()
    };
    let number = [[9; 8].as_slice(), &[0; 24]].concat();
    // What the TPM makes of the template when it is asked in plain.
    let expected = {
        let machine = Machine::new("node-1");
        let parameters = [raw::sized(&[0; 4]), raw::sized(&template(&number)), vec![0; 6]].concat();
        let made =
            machine.raw().command(raw::CREATE_PRIMARY, &[raw::ENDORSEMENT], &[b""], &parameters);
        assert_eq!(made.0, 0);
        let length = usize::from(u16::from_be_bytes([made.1[8], made.1[9]]));
        made.1[10..10 + length].to_vec()
    };
    assert_ne!(expected, usual.public);
    for (index, content) in [(0x01c0_000b, vec![9; 8]), (0x01c0_000c, template(&number))] {
        let machine = Machine::new("node-1");
        put(&mut machine.raw(), index, &content);
        let tpm = machine.open();
        let key = tpm.endorsement_key(EkKind::P256).unwrap();
        assert_eq!(key.public, expected, "{index:#x}");
        let attestation = tpm.attestation_key().unwrap();
        let [blob, seed] = credential(machine.folder(), &key.public, attestation.name(), b"secret");
        let opened = tpm.activate_credential(&attestation, EkKind::P256, &blob, &seed).unwrap();
        assert_eq!(opened.expose(), b"secret");
    }
    for (kind, index) in [(EkKind::P256, 0x01c0_000c), (EkKind::P256, 0x01c0_000b)] {
        let machine = Machine::new("node-1");
        put(&mut machine.raw(), index, &[1; 300]);
        let error = machine.open().endorsement_key(kind).unwrap_err();
        assert!(matches!(error, TpmError::Foreign { .. }), "{index:#x}: {error:?}");
    }
    // The key that is kept is not the one that the template makes: somebody exchanged one of them.
    let machine = Machine::new("node-1");
    put(&mut machine.raw(), 0x01c0_0003, &[1; 16]);
    let error = machine.open().endorsement_key(EkKind::Rsa2048).unwrap_err();
    assert!(matches!(error, TpmError::Foreign { handle: 0x8101_0001, .. }), "{error:?}");
}
