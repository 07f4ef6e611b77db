use super::*;
use std::io::Write;

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Blocks that all differ.
fn data(block_count: usize) -> Vec<u8> {
    (0..block_count * BLOCK).map(|at| (at / BLOCK * 31 + at % 251) as u8).collect()
}

fn tree_bytes(tree: &HashTree) -> Vec<u8> {
    let mut bytes = Vec::new();
    tree.write(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, tree.length_bytes());
    bytes
}

#[test]
fn threads_change_nothing() {
    let salt = Salt::of("guestos/root");
    for block_count in [1, 2, 63, 64, 65, 127, 128, 129, 1_000] {
        let file = file_of(&data(block_count));
        let one = HashTree::of(&file, salt, 1).unwrap();
        for threads in [0, 2, 3, 64, 1_000] {
            assert!(HashTree::of(&file, salt, threads).unwrap() == one);
        }
        assert_ne!(HashTree::of(&file, Salt::of("x"), 1).unwrap().root_hash, one.root_hash);
    }
}

#[test]
fn what_is_no_file_system_is_refused() {
    for bytes in [0, 1, 4095, 4097] {
        let error = HashTree::of(&file_of(&vec![0; bytes]), Salt::of("x"), 1).unwrap_err();
        assert!(error.to_string().contains("not whole blocks"), "{error}");
    }
}

#[test]
fn a_flipped_byte_is_found_where_it_is() {
    let salt = Salt::of("x");
    for block_count in [1_usize, 5, 129, 300] {
        let good = data(block_count);
        let tree = HashTree::of(&file_of(&good), salt, 2).unwrap();
        let (root, tree) = (tree.root_hash, tree_bytes(&tree));
        let run = |data: &[u8], tree: &[u8]| {
            check(&file_of(data), &file_of(tree), salt, &root, 2).unwrap()
        };
        assert_eq!(run(&good, &tree), None);
        assert_eq!(run(&good, &[&tree[..], &[0; 8192]].concat()), None);
        let mut bad = good.clone();
        let block = block_count / 2;
        bad[block * BLOCK + 77] ^= 1;
        // A single block has no hash in the tree but in its id, which follows from the root hash.
        if block_count > 1 {
            assert_eq!(run(&bad, &tree), Some(Finding::Data { block: block as u64 }));
        } else {
            assert!(run(&bad, &tree).is_some());
        }
        for byte in [0, 17, 100, tree.len() - 1, tree.len() / 2] {
            let mut bad = tree.clone();
            bad[byte] ^= 0x80;
            let found = run(&good, &bad);
            assert!(matches!(found, Some(Finding::Tree { .. })), "{byte}: {found:?}");
        }
        let last = tree.len() as u64 - 1;
        assert_eq!(run(&good, &tree[..tree.len() - 1]), Some(Finding::Tree { byte: last }));
        let other = check(&file_of(&good), &file_of(&tree), salt, &[0; 32], 1).unwrap();
        assert_eq!(other, Some(Finding::Root { found: root }));
    }
}
