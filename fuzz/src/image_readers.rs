//! Strict readers of file systems and archives, and of release manifests: what they accept, the writer writes to
//! the same bytes.

use image_build::tree::{Content, Meta, Tree, TreePath};
use image_build::{cpio, erofs, fat};
use std::io::Cursor;
use std::sync::OnceLock;
use types::release::Release;

/// Inputs begin with this byte when they are changes of a good image, else they are an image.
const CHANGES: u8 = 0xff;
/// The smallest volume has 4 MiB: more than an input can be.
const VOLUME_BYTES: u64 = 4 << 20;

fn tree() -> Tree {
    let path = |path: &str| TreePath::new(path.as_bytes()).expect("a good path");
    let mut tree = Tree::new(1_750_000_000);
    tree.add_directory(path("d"), Meta::root(0o755)).expect("its parent is there");
    for (name, length) in [("d/FILE.TXT", 5_000), ("d/a longer name", 3), ("empty", 0)] {
        let content = Content::bytes(vec![b'x'; length]);
        tree.add_file(path(name), Meta::root(0o644), content).expect("its parent is there");
    }
    tree
}

/// The tree with what FAT does not have.
fn tree_with_links() -> Tree {
    let path = |path: &str| TreePath::new(path.as_bytes()).expect("a good path");
    let mut tree = tree();
    tree.add_link(path("d/two"), &path("d/FILE.TXT")).expect("its file is there");
    tree.add_symlink(path("link"), Meta::root(0o777), b"d/two".to_vec()).expect("it stays inside");
    tree
}

/// An input as an image: itself, or a good image with bytes changed at up to 65,536 places of three bytes each:
/// two of the place (in steps that reach everywhere), one that is put there.
fn image(data: &[u8], good: &[u8]) -> Option<Vec<u8>> {
    let (first, rest) = data.split_first()?;
    if *first != CHANGES {
        return Some(data.to_vec());
    }
    let mut image = good.to_vec();
    for change in rest.chunks_exact(4) {
        let place =
            usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let place = place % image.len();
        image[place] = change[3];
    }
    Some(image)
}

/// A file system.
pub fn erofs_read(data: &[u8]) {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let written = |tree: &Tree, options: &erofs::Options| {
        let mut image = Cursor::new(Vec::new());
        let plan = erofs::Plan::new(tree, options).expect("it was read or made as one");
        plan.write(&mut image).expect("memory takes it");
        image.into_inner()
    };
    let good = GOOD.get_or_init(|| written(&tree_with_links(), &erofs::Options::default()));
    let Some(image) = image(data, good) else { return };
    let content = Content::bytes(image.clone());
    let _ = erofs::length_bytes(&content);
    if let Ok(volume) = erofs::read(&content) {
        assert!(written(&volume.tree, &volume.options) == image);
        assert!(volume.place(image.len() as u64 - 1).is_some());
    }
}

/// A FAT volume.
pub fn fat_read(data: &[u8]) {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let written = |tree: &Tree, label: &str| {
        let mut image = Cursor::new(Vec::new());
        fat::write(tree, label, VOLUME_BYTES, &mut image).expect("it was read or made as one");
        image.into_inner()
    };
    let good = GOOD.get_or_init(|| written(&tree(), "ESP"));
    let Some(image) = image(data, good) else { return };
    let content = Content::bytes(image.clone());
    if let Ok(volume) = fat::read(&content) {
        assert!(written(&volume.tree, &volume.label) == image);
        assert!(volume.place(&content, image.len() as u64 - 1).is_some());
    }
}

/// A cpio archive.
pub fn cpio_read(data: &[u8]) {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let written = |tree: &Tree| {
        let mut archive = Vec::new();
        cpio::write(tree, &mut archive).expect("it was read or made as one");
        archive
    };
    let good = GOOD.get_or_init(|| written(&tree_with_links()));
    let Some(image) = image(data, good) else { return };
    let content = Content::bytes(image.clone());
    let _ = cpio::length_bytes(&content);
    if let Ok(archive) = cpio::read(&content) {
        assert!(written(&archive.tree) == image);
        assert!(archive.place(0).is_some());
    }
}

/// A release manifest.
pub fn release_manifest(data: &[u8]) {
    if let Ok(release) = Release::parse(data) {
        assert!(release.encode() == data);
        assert!(release.all_files().all(|(name, _)| !name.contains('/')));
    }
}
