//! Tests of the hash tree with the example of the specification.

use super::*;
use proptest::prelude::*;

const WHOLE: &str = "8301830183024161830183018302417882034568656c6c6f810083024179820345776f726c6483024162820344676f6f648301830241638100830241648203476d6f726e696e67";
const PRUNED: &str = "83018301830241618301820458201b4feff9bef8131788b0c9dc6dbad6e81e524249c879e9f10f71ce3749f5a63883024179820345776f726c6483024162820458207b32ac0c6ba8ce35ac82c255fc7906f7fc130dab2a090f80fe12f9c2cae83ba6830182045820ec8324b8a1f1ac16bd2e806edba78006479c9877fed4eb464a25485465af601d830241648203476d6f726e696e67";
const ROOT: &str = "eb5c5b2195e62d996b84c9bcc8259d19a83786a2f59e0878cec84c811f669aa0";

fn labeled(label: &'static str, tree: HashTree) -> HashTree {
    HashTree::labeled(label.as_bytes(), tree)
}

fn leaf(value: &'static str) -> HashTree {
    HashTree::leaf(value.as_bytes())
}

/// The tree in "Encoding of certificates, Example".
fn example() -> HashTree {
    let x_y = HashTree::fork(
        HashTree::fork(labeled("x", leaf("hello")), HashTree::Empty),
        labeled("y", leaf("world")),
    );
    HashTree::fork(
        HashTree::fork(labeled("a", x_y), labeled("b", leaf("good"))),
        HashTree::fork(labeled("c", HashTree::Empty), labeled("d", leaf("morning"))),
    )
}

fn pruned() -> HashTree {
    HashTree::from_cbor(&hex::decode(PRUNED).unwrap()).unwrap()
}

#[test]
fn the_example_has_its_encoding_and_root() {
    assert_eq!(hex::encode(example().to_cbor()), WHOLE);
    assert_eq!(hex::encode(example().digest()), ROOT);
    assert_eq!(HashTree::from_cbor(&hex::decode(WHOLE).unwrap()).unwrap(), example());
    assert_eq!(hex::encode(pruned().digest()), ROOT);
    assert_eq!(hex::encode(pruned().to_cbor()), PRUNED);
    assert!(example().is_well_formed() && pruned().is_well_formed());
}

#[test]
fn lookups_in_the_pruned_example() {
    let check = |path: &[&str], expected| assert_eq!(pruned().lookup(path), expected, "{path:?}");
    check(&["a", "a"], Lookup::Unknown);
    check(&["a", "y"], Lookup::Found(b"world"));
    check(&["aa"], Lookup::Absent);
    check(&["ax"], Lookup::Absent);
    check(&["b"], Lookup::Unknown);
    check(&["bb"], Lookup::Unknown);
    check(&["d"], Lookup::Found(b"morning"));
    check(&["e"], Lookup::Absent);
}

#[test]
fn lookups_in_the_whole_example() {
    let check = |path: &[&str], expected| assert_eq!(example().lookup(path), expected, "{path:?}");
    check(&[], Lookup::Error);
    check(&["a"], Lookup::Error);
    check(&["a", "x"], Lookup::Found(b"hello"));
    check(&["a", "z"], Lookup::Absent);
    check(&["c"], Lookup::Absent);
    check(&["c", "x"], Lookup::Absent);
    check(&["d", "below a value"], Lookup::Absent);
    check(&[""], Lookup::Absent);
    assert_eq!(example().lookup_all(&["a"]), [b"hello", b"world"]);
    assert_eq!(example().lookup_all::<&str>(&[]).len(), 4);
    assert_eq!(pruned().lookup_all(&["a"]), [b"world"]);
    assert_eq!(HashTree::Empty.lookup::<&str>(&[]), Lookup::Absent);
    assert_eq!(HashTree::Pruned([0; 32]).lookup(&["a"]), Lookup::Unknown);
}

#[test]
fn well_formedness() {
    let check = |tree: HashTree, expected| assert_eq!(tree.is_well_formed(), expected, "{tree:?}");
    let fork = HashTree::fork;
    check(leaf("v"), true);
    check(HashTree::Empty, true);
    check(fork(labeled("b", leaf("1")), labeled("a", leaf("2"))), false);
    check(fork(labeled("a", leaf("1")), labeled("a", leaf("2"))), false);
    check(fork(labeled("a", leaf("1")), leaf("2")), false);
    check(fork(leaf("1"), HashTree::Empty), false);
    check(labeled("a", fork(leaf("1"), leaf("2"))), false);
    check(fork(HashTree::Pruned([0; 32]), labeled("a", leaf("2"))), true);
    let gap = fork(labeled("b", leaf("1")), HashTree::Pruned([0; 32]));
    check(fork(gap, labeled("a", leaf("2"))), false);
}

#[test]
fn joining_reveals_both() {
    let joined = pruned().merge(example()).unwrap();
    assert_eq!(joined, example());
    assert_eq!(HashTree::Pruned(pruned().digest()).merge(pruned()).unwrap(), pruned());
    assert_eq!(example().merge(labeled("a", leaf("v"))), Err(MergeError));
    assert_eq!(HashTree::Pruned([0; 32]).merge(example()), Err(MergeError));
    assert_eq!(labeled("a", leaf("v")).merge(labeled("b", leaf("v"))), Err(MergeError));
}

fn error_of(bytes: &[u8]) -> DecodeError {
    HashTree::from_cbor(bytes).unwrap_err()
}

#[test]
fn what_is_not_a_tree_is_refused() {
    let check = |hex: &str, expected: fn(&DecodeError) -> bool| {
        let error = error_of(&hex::decode(hex).unwrap());
        assert!(expected(&error), "{hex}: {error:?}");
    };
    check("", |e| matches!(e, DecodeError::Cbor(_)));
    check("8105", |e| matches!(e, DecodeError::NodeKind { kind: 5, length: 1 }));
    check("820000", |e| matches!(e, DecodeError::NodeKind { kind: 0, length: 2 }));
    check("80", |e| matches!(e, DecodeError::Cbor(_)));
    check("820443000000", |e| matches!(e, DecodeError::DigestLength(3)));
    check("9f00ff", |e| matches!(e, DecodeError::Cbor(_)));
    check("82035f4101ff", |e| matches!(e, DecodeError::Cbor(_)));
    check("820361ff", |e| matches!(e, DecodeError::Cbor(_)));
    check("81f90000", |e| matches!(e, DecodeError::Cbor(_)));
    check("810000", |e| matches!(e, DecodeError::Cbor(_)));
    assert_eq!(HashTree::from_cbor(&hex::decode("d9d9f78100").unwrap()).unwrap(), HashTree::Empty);
    assert!(matches!(error_of(&hex::decode("c18100").unwrap()), DecodeError::Cbor(_)));
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = |forks: usize| [[0x83, 1, 0x81, 0].repeat(forks), vec![0x81, 0]].concat();
    assert!(HashTree::from_cbor(&deep(TREE_DEPTH_MAX as usize - 1)).is_ok());
    assert!(matches!(error_of(&deep(TREE_DEPTH_MAX as usize)), DecodeError::TooDeep));
    let full = |levels: u32| (0..levels).fold(HashTree::Empty, |t, _| HashTree::fork(t.clone(), t));
    assert!(HashTree::from_cbor(&full(17).to_cbor()).is_ok());
    assert!(matches!(error_of(&full(18).to_cbor()), DecodeError::TooManyNodes));
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(bytes: Vec<u8>, flip in any::<prop::sample::Index>(), to: u8) {
        let _ = HashTree::from_cbor(&bytes);
        let mut changed = hex::decode(PRUNED).unwrap();
        let at = flip.index(changed.len());
        changed[at] = to;
        if let Ok(tree) = HashTree::from_cbor(&changed) {
            prop_assert_eq!(HashTree::from_cbor(&tree.to_cbor()).unwrap(), tree);
        }
    }
}
