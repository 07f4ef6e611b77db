//! cpio: unpacked by GNU cpio.

use super::tool::{is_root, run, tool};
use super::trees::{self, Holds, assert_same, reversed, seen_in_tree, seen_on_disk};
use image_build::cpio;
use image_build::tree::Tree;
use proptest::prelude::*;
use std::fs::{self, File};

const HOLDS: Holds = Holds { odd_names: true, links: true, xattrs: false };

fn archive(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert_eq!(cpio::write(tree, &mut bytes).unwrap(), bytes.len() as u64);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_tree_is_unpacked_as_it_was(steps in trees::steps(HOLDS)) {
        let tree = trees::tree(&steps);
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("archive"), dir.path().join("unpacked"));
        fs::write(&file, archive(&tree)).unwrap();
        fs::create_dir(&folder).unwrap();
        let mut unpack = tool("cpio");
        unpack.args(["-i", "-d", "-m", "--quiet"]).current_dir(&folder);
        if !is_root() {
            unpack.arg("--no-preserve-owner");
        }
        run(unpack.stdin(File::open(&file).unwrap()));
        let (mut expected, mut found) = (seen_in_tree(&tree), seen_on_disk(&folder));
        for seen in expected.values_mut().chain(found.values_mut()) {
            // Linux gives links no mode, and cpio gives them no time; unpacking files into a folder
            // changes its time.
            if seen.kind == 'l' {
                seen.mode = 0o777;
            }
            if seen.kind != 'f' {
                seen.mtime_s = 0;
            }
            if !is_root() {
                seen.owner = (0, 0);
            }
        }
        // The archive has no entry for the root.
        expected.remove(b"".as_slice());
        found.remove(b"".as_slice());
        assert_same(&expected, &found);
    }

    #[test]
    fn order_of_insertion_changes_nothing(steps in trees::steps(HOLDS)) {
        let tree = trees::tree(&steps);
        prop_assert!(archive(&tree) == archive(&reversed(&tree)));
    }
}
