use super::*;
use crate::tree::Meta;

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

fn tree() -> Tree {
    let mut tree = Tree::new(1_750_000_000);
    tree.add_directory(path("d"), Meta::root(0o755)).unwrap();
    tree.add_file(path("d/one"), Meta::root(0o640), Content::bytes("some text")).unwrap();
    tree.add_link(path("d/two"), &path("d/one")).unwrap();
    tree.add_symlink(path("link"), Meta::root(0o777), b"d/one".to_vec()).unwrap();
    tree.add_file(path("empty"), Meta::root(0o644), Content::bytes("")).unwrap();
    tree
}

fn archive() -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&tree(), &mut bytes).unwrap();
    bytes
}

#[test]
fn what_was_written_is_read() {
    let read = read(&Content::bytes(archive())).unwrap();
    let names: Vec<String> = read.tree.walk().map(|(path, ..)| path.to_string()).collect();
    assert_eq!(names, ["/", "/d", "/d/one", "/d/two", "/empty", "/link"]);
    assert_eq!(read.tree.id(&path("d/one")), read.tree.id(&path("d/two")));
    let one = read.tree.get(&path("d/one")).unwrap();
    assert!(matches!(&one.node, Node::File(content) if content.read().unwrap() == b"some text"));
    assert_eq!((one.meta.mode, one.meta.mtime_s), (0o640, 1_750_000_000));
    let two = read.records.iter().find(|record| record.path == path("d/two")).unwrap();
    assert_eq!(&archive()[two.content_at as usize..][..9], b"some text");
}

/// Whatever bit is flipped: it is found, or the file that has it has other bytes.
#[test]
fn every_flipped_bit_is_seen() {
    let good = archive();
    let text = good.windows(9).position(|window| window == b"some text").unwrap();
    let target = good.windows(8).rposition(|window| window == b"d/one\0\0\0").unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let is_content = (text..text + 9).contains(&at) || (target..target + 5).contains(&at);
        let accepted = read(&Content::bytes(bytes));
        if let Ok(accepted) = accepted {
            let mut again = Vec::new();
            write(&accepted.tree, &mut again).unwrap();
            assert_ne!(again, good);
        } else {
            assert!(!is_content, "{at}");
        }
    }
    for length in 0..good.len() {
        assert!(read(&Content::bytes(&good[..length])).is_err(), "{length}");
    }
}
