//! Generated trees, and what a folder on disk holds, in one comparable form.

use image_build::tree::{Content, Inode, Meta, Node, Tree, TreeError, TreePath};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The time of all generated trees.
pub const TIME_S: u64 = 1_750_000_001;

/// One step of making a tree; steps that break a rule of trees are left out.
#[derive(Clone, Debug)]
pub struct Step {
    parent: Index,
    name: Vec<u8>,
    kind: Kind,
    mode: u16,
    owner: (u32, u32),
    mtime_s: u64,
    xattrs: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum Kind {
    Directory,
    File { length: usize, seed: u8 },
    Symlink(Vec<u8>),
    Link(Index),
}

/// What the format under test can hold.
#[derive(Clone, Copy)]
pub struct Holds {
    pub odd_names: bool,
    pub links: bool,
    pub xattrs: bool,
}

pub fn steps(holds: Holds) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(holds), 0..60)
}

/// Lengths around the borders of sectors, blocks and clusters, and a few blocks beyond the border
/// above which files are large.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => prop::sample::select(vec![
            0, 1, 31, 32, 33, 511, 512, 513, 2047, 2048, 2049, 4000, 4032, 4064, 4095, 4096, 4097,
            8191, 8192, 8193, 12_288, 65_535, 65_536, 65_537,
        ]),
        2 => 0_usize..20_000,
        1 => prop::sample::select(vec![1_048_575_usize, 1_048_576, 1_048_577, 1_314_816]),
    ]
}

fn name(odd: bool) -> BoxedStrategy<Vec<u8>> {
    let plain = prop_oneof![
        "[a-c]{1,2}",
        "[A-Za-z0-9_-]{1,12}(\\.[a-z]{1,4})?",
        // Beyond 16 bits mtools cannot read, though FAT can hold it.
        "[a-z ]{0,20}[a-zäßあ]{1,30}",
    ];
    let plain = plain.prop_map(String::into_bytes).prop_filter("spaces at the edge", |name| {
        name.first() != Some(&b' ') && name.last() != Some(&b' ')
    });
    if !odd {
        return plain.boxed();
    }
    let byte = prop_oneof![Just(b'\n'), Just(0xff), Just(b' '), Just(b'.'), Just(b'-'), 1_u8..];
    let odd = prop::collection::vec(byte, 1..10);
    let long = (1_u8.., 200_usize..256).prop_map(|(byte, length)| vec![byte; length]);
    prop_oneof![4 => plain, 3 => odd, 1 => long].boxed()
}

fn step(holds: Holds) -> impl Strategy<Value = Step> {
    let target = prop_oneof![
        4 => prop::collection::vec(1_u8.., 1..40),
        1 => (3_900_usize..4_094).prop_map(|length| vec![b'x'; length]),
    ];
    let link_weight = u32::from(holds.links) * 2;
    let kind = prop_oneof![
        3 => Just(Kind::Directory),
        6 => (length(), any::<u8>()).prop_map(|(length, seed)| Kind::File { length, seed }),
        link_weight.max(1) => target.prop_map(Kind::Symlink),
        link_weight.max(1) => any::<Index>().prop_map(Kind::Link),
    ];
    let kind = kind.prop_map(move |kind| match kind {
        Kind::Symlink(_) | Kind::Link(_) if !holds.links => Kind::Directory,
        kind => kind,
    });
    let owner = prop_oneof![5 => Just((0, 0)), 1 => (0_u32..70_000, 0_u32..70_000)];
    let mtime_s = prop_oneof![4 => Just(u64::MAX), 1 => 0..TIME_S];
    let xattr = (
        "(user|security|trusted)\\.[a-z]{1,9}",
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            Just(b"the same for many".to_vec()),
            Just(vec![7; 5_000]),
        ],
    );
    let xattr_count = if holds.xattrs { 0..4 } else { 0..1_usize };
    let xattrs = prop::collection::vec(xattr, xattr_count);
    (any::<Index>(), name(holds.odd_names), kind, 0_u16..0o1000, owner, mtime_s, xattrs).prop_map(
        move |(parent, name, kind, mode, owner, mtime_s, xattrs)| {
            let xattrs = if holds.xattrs { xattrs } else { Vec::new() };
            // Whoever is not root must be able to look into what was unpacked.
            let mode = mode | if matches!(kind, Kind::Directory) { 0o700 } else { 0o400 };
            Step { parent, name, kind, mode, owner, mtime_s, xattrs }
        },
    )
}

/// Makes the tree. Contents lie in memory.
pub fn tree(steps: &[Step]) -> Tree {
    let mut tree = Tree::new(TIME_S);
    let mut directories = vec![TreePath::root()];
    let mut files = Vec::new();
    for step in steps {
        let parent = &directories[step.parent.index(directories.len())];
        let Ok(path) = parent.join(&step.name) else { continue };
        let meta = Meta {
            mode: step.mode,
            uid: step.owner.0,
            gid: step.owner.1,
            mtime_s: step.mtime_s,
            xattrs: step.xattrs.iter().map(|(n, v)| (n.clone().into_bytes(), v.clone())).collect(),
        };
        let added = match &step.kind {
            Kind::Directory => tree.add_directory(path.clone(), meta),
            Kind::File { length, seed } => {
                tree.add_file(path.clone(), meta, Content::bytes(bytes(*length, *seed)))
            }
            Kind::Symlink(target) => tree.add_symlink(path.clone(), meta, target.clone()),
            Kind::Link(_) if files.is_empty() => continue,
            Kind::Link(index) => tree.add_link(path.clone(), &files[index.index(files.len())]),
        };
        match (added, &step.kind) {
            (Ok(()), Kind::Directory) => directories.push(path),
            (Ok(()), Kind::File { .. }) => files.push(path),
            (Ok(()), _) => {}
            (
                Err(TreeError::Exists { .. } | TreeError::Escape { .. } | TreeError::Path { .. }),
                _,
            ) => {}
            (Err(error), _) => panic!("{error}"),
        }
    }
    tree
}

/// Bytes that differ from block to block and from file to file.
pub fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at ^ ((at >> 8) * 7) ^ ((at >> 12) * 31)) as u8 ^ seed).collect()
}

/// The same tree, made in another order.
pub fn reversed(tree: &Tree) -> Tree {
    let mut other = Tree::new(tree.time_s());
    let mut all: Vec<(&TreePath, &Inode)> =
        tree.walk().map(|(path, _, inode)| (path, inode)).collect();
    // Directories in their order, since each needs its parent; then everything else from the end.
    all.sort_by_key(|(path, inode)| {
        let is_directory = matches!(inode.node, Node::Directory);
        (!is_directory, if is_directory { path.depth() } else { 0 })
    });
    let files_at = all.iter().position(|(_, inode)| !matches!(inode.node, Node::Directory));
    let files_at = files_at.unwrap_or(all.len());
    all[files_at..].reverse();
    let mut first_names = BTreeMap::new();
    for (path, inode) in all {
        let (path, meta) = (path.clone(), inode.meta.clone());
        let id = tree.id(&path).unwrap();
        match &inode.node {
            Node::Directory if path.is_root() => other.set_meta(&path, meta).unwrap(),
            Node::Directory => other.add_directory(path, meta).unwrap(),
            Node::Symlink(target) => other.add_symlink(path, meta, target.clone()).unwrap(),
            Node::File(content) => match first_names.get(&id) {
                Some(first) => other.add_link(path, first).unwrap(),
                None => {
                    first_names.insert(id, path.clone());
                    other.add_file(path, meta, content.clone()).unwrap();
                }
            },
        }
    }
    other
}

/// One file as a tree and a folder both show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: char,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime_s: i64,
    pub link_count: u64,
    /// Content or target; for messages a hash would do, but the files are small.
    pub bytes: Vec<u8>,
}

/// What a tree says.
pub fn seen_in_tree(tree: &Tree) -> BTreeMap<Vec<u8>, Seen> {
    tree.walk()
        .map(|(path, _, inode)| {
            let (kind, bytes) = match &inode.node {
                Node::Directory => ('d', Vec::new()),
                Node::File(content) => ('f', content.read().unwrap()),
                Node::Symlink(target) => ('l', target.clone()),
            };
            let meta = &inode.meta;
            let seen = Seen {
                kind,
                mode: u32::from(meta.mode),
                owner: (meta.uid, meta.gid),
                mtime_s: meta.mtime_s as i64,
                link_count: if kind == 'd' { 0 } else { u64::from(inode.name_count) },
                bytes,
            };
            (path.as_bytes().to_vec(), seen)
        })
        .collect()
}

/// What lies below a folder, which stands for the root.
pub fn seen_on_disk(folder: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let (kind, bytes) = if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            ('d', Vec::new())
        } else if metadata.is_symlink() {
            ('l', fs::read_link(&path).unwrap().into_os_string().into_vec())
        } else {
            ('f', fs::read(&path).unwrap())
        };
        let seen = Seen {
            kind,
            mode: metadata.mode() & 0o7777,
            owner: (metadata.uid(), metadata.gid()),
            mtime_s: metadata.mtime(),
            link_count: if kind == 'd' { 0 } else { metadata.nlink() },
            bytes,
        };
        let relative = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
        all.insert(relative, seen);
    }
    all
}

/// Fails with the first file that differs.
pub fn assert_same(expected: &BTreeMap<Vec<u8>, Seen>, found: &BTreeMap<Vec<u8>, Seen>) {
    for (path, seen) in expected {
        let name = path.escape_ascii();
        let other = found.get(path).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(seen.bytes == other.bytes, "{name} has other bytes");
        let short = |seen: &Seen| Seen { bytes: Vec::new(), ..seen.clone() };
        assert_eq!(short(seen), short(other), "{name}");
    }
    let more: Vec<_> = found.keys().filter(|path| !expected.contains_key(*path)).collect();
    assert!(more.is_empty(), "{more:?} should not be there");
}
