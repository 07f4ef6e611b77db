//! FAT: checked by `fsck.vfat`, unpacked by `mcopy`.

use super::tool::{run, tool};
use super::trees::{self, Holds, assert_same, reversed, seen_in_tree, seen_on_disk};
use image_build::fat::{self, FatError};
use image_build::tree::{Content, Meta, Tree, TreePath};
use proptest::prelude::*;
use std::fs::{self, File};
use std::path::Path;

const HOLDS: Holds = Holds { odd_names: false, links: false, xattrs: false };
/// 1980-01-01, before which FAT has no time.
const TIME_S_MIN: i64 = 315_532_800;

fn write(tree: &Tree, length_bytes: u64, image: &Path) -> Result<(), FatError> {
    let mut file = File::create(image).unwrap();
    fat::write(tree, "ESP", length_bytes, &mut file)
}

fn check(tree: &Tree, length_bytes: u64) {
    let dir = tempfile::tempdir().unwrap();
    let (image, folder) = (dir.path().join("image"), dir.path().join("unpacked"));
    match write(tree, length_bytes, &image) {
        // Generated names may differ in case alone, or be too many for a root of FAT16.
        Err(FatError::Collision { .. } | FatError::RootFull | FatError::TooSmall { .. }) => return,
        result => result.unwrap(),
    }
    assert_eq!(image.metadata().unwrap().len(), length_bytes);
    let said = run(tool("fsck.vfat").args(["-n", "-v"]).arg(&image));
    assert!(!said.contains("differ") && !said.contains("wrong"), "{said}");
    fs::create_dir(&folder).unwrap();
    if tree.name_count() > 1 {
        run(tool("mcopy").args(["-s", "-n", "-m", "-i"]).arg(&image).arg("::*").arg(&folder));
    }
    let (mut expected, mut found) = (seen_in_tree(tree), seen_on_disk(&folder));
    for seen in expected.values_mut().chain(found.values_mut()) {
        // What FAT does not have; mcopy gives folders no time.
        (seen.mode, seen.owner) = (0, (0, 0));
        seen.mtime_s = match seen.kind {
            'd' => 0,
            _ => seen.mtime_s.max(TIME_S_MIN) / 2 * 2,
        };
    }
    assert_same(&expected, &found);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_tree_is_unpacked_as_it_was(
        steps in trees::steps(HOLDS),
        length_mib in prop::sample::select(vec![5_u64, 15, 16, 33, 34, 64, 261, 512]),
    ) {
        check(&trees::tree(&steps), length_mib << 20);
    }

    #[test]
    fn order_of_insertion_changes_nothing(steps in trees::steps(HOLDS)) {
        let tree = trees::tree(&steps);
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let first = write(&tree, 8 << 20, &one);
        prop_assert_eq!(first.is_ok(), write(&reversed(&tree), 8 << 20, &two).is_ok());
        if first.is_ok() {
            prop_assert!(fs::read(one).unwrap() == fs::read(two).unwrap());
        }
    }
}

#[test]
fn an_esp_and_a_folder_of_many_similar_names() {
    let path = |path: &str| TreePath::new(path.as_bytes()).unwrap();
    let mut tree = Tree::new(trees::TIME_S);
    for folder in ["EFI", "EFI/BOOT", "EFI/Linux", "many"] {
        tree.add_directory(path(folder), Meta::root(0o755)).unwrap();
    }
    let mut add = |name: &str, length| {
        let content = Content::bytes(trees::bytes(length, 3));
        tree.add_file(path(name), Meta::root(0o644), content).unwrap();
    };
    add("EFI/BOOT/BOOTX64.EFI", 3_000_000);
    add("EFI/Linux/hostos-a.efi", 14_500_001);
    for number in 0..2_000 {
        add(&format!("many/the same beginning {number}.html"), number % 3);
    }
    check(&tree, 512 << 20);
    check(&tree, 48 << 20);
}
