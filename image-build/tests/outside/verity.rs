//! dm-verity: checked by `veritysetup`, and byte for byte what it makes itself.

use super::tool::{run, tool};
use super::trees::bytes;
use image_build::verity::{HashTree, Salt};
use std::fs::{self, File};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_tree_is_that_of_veritysetup() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // Around one and two levels of hashes, which have 128 each.
    for block_count in [1, 2, 127, 128, 129, 1_000, 128 * 128, 128 * 128 + 1] {
        fs::write(path("data"), bytes(block_count * 4096, 9)).unwrap();
        let salt = Salt::of("test");
        let tree = HashTree::of(&File::open(path("data")).unwrap(), salt, 2).unwrap();
        tree.write(&mut File::create(path("tree")).unwrap()).unwrap();
        let root_hash = hex(&tree.root_hash);
        run(tool("veritysetup").arg("verify").args([path("data"), path("tree")]).arg(&root_hash));
        let said = run(tool("veritysetup")
            .args(["format", "--hash=sha256", "--data-block-size=4096", "--hash-block-size=4096"])
            .arg(format!("--salt={}", hex(salt.bytes())))
            .arg(format!("--uuid={}", tree.id()))
            .args([path("data"), path("theirs")]));
        assert!(said.contains(&root_hash), "{said}");
        assert!(fs::read(path("tree")).unwrap() == fs::read(path("theirs")).unwrap());
        fs::remove_file(path("theirs")).unwrap();
    }
}

#[test]
fn veritysetup_refuses_a_flipped_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (data, tree_path) = (dir.path().join("data"), dir.path().join("tree"));
    let mut content = bytes(300 * 4096, 1);
    fs::write(&data, &content).unwrap();
    let tree = HashTree::of(&File::open(&data).unwrap(), Salt::of("test"), 1).unwrap();
    tree.write(&mut File::create(&tree_path).unwrap()).unwrap();
    content[777_777] ^= 1;
    fs::write(&data, &content).unwrap();
    let mut verify = tool("veritysetup");
    verify.arg("verify").args([&data, &tree_path]).arg(hex(&tree.root_hash));
    assert!(!verify.output().unwrap().status.success());
}
