//! Every bit of accepted evidence is flipped, one at a time: nothing is accepted. No byte is free.
//!
//! A host's evidence has all fields of the TPM's part, a guest's all of the SNP part: every bit of both. Of
//! a machine's, which has both, one bit of each byte. The work is divided into tests that run beside each
//! other. One answer of many is asked of both back ends; each kind of question is compared many times all
//! the same.

use super::super::forge::Machine;
use super::super::*;
use crate::crypto::sparingly;

/// One of so many answers is compared.
const STRIDE: u32 = 211;

/// Flips the bits that `chosen` says, by byte and bit.
fn flip(role: Role, chosen: impl Fn(usize, usize) -> bool) {
    let machine = Machine::new(role, 1);
    let (policy, roots) = (machine.read_policy(), machine.roots());
    let bytes = machine.evidence().encode();
    let accepts =
        |bytes: &[u8]| verify(bytes, &policy, &roots, &machine.known, machine.at).is_accepted();
    assert!(accepts(&bytes));
    let mut flipped = 0;
    sparingly(STRIDE, || {
        for (byte, bit) in (0..bytes.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
            if !chosen(byte, bit) {
                continue;
            }
            flipped += 1;
            let mut changed = bytes.clone();
            changed[byte] ^= 1 << bit;
            // What is read is written as it was: there are no two forms.
            if let Ok(read) = Evidence::decode(&changed) {
                assert!(read.encode() == changed, "{role}: bit {bit} of byte {byte}: another form");
                assert!(!accepts(&changed), "{role}: bit {bit} of byte {byte} is free");
            }
        }
    });
    assert!(flipped >= bytes.len(), "{flipped} bits of {} bytes", bytes.len());
}

#[test]
fn no_bit_of_a_host_is_free_lower_half() {
    flip(Role::Host, |_, bit| bit < 4);
}

#[test]
fn no_bit_of_a_host_is_free_upper_half() {
    flip(Role::Host, |_, bit| bit >= 4);
}

#[test]
fn no_bit_of_a_guest_is_free_lower_half() {
    flip(Role::Guest, |_, bit| bit < 4);
}

#[test]
fn no_bit_of_a_guest_is_free_upper_half() {
    flip(Role::Guest, |_, bit| bit >= 4);
}

#[test]
fn no_byte_of_a_machine_is_free() {
    flip(Role::Machine, |byte, bit| bit == byte % 8);
}
