use super::*;
use std::io::Read;

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

fn with_directories(names: &[&str]) -> Tree {
    let mut tree = Tree::new(1_000);
    for name in names {
        tree.add_directory(path(name), Meta::root(0o755)).unwrap();
    }
    tree
}

fn file(tree: &mut Tree, name: &str, text: &str) {
    tree.add_file(path(name), Meta::root(0o644), Content::bytes(text)).unwrap();
}

#[test]
fn paths_are_checked() {
    let refused: [&[u8]; 10] =
        [b"/a", b"a/", b"a//b", b".", b"..", b"a/../b", b"a/.", b"a\0b", b"/", &[b'x'; 256]];
    for bad in refused {
        assert!(matches!(TreePath::new(bad), Err(TreeError::Path { .. })), "{bad:?}");
    }
    for good in [b"".as_slice(), b"a", b"a/b.c/...", b"\xff\n/ ", &[b'x'; 255]] {
        assert_eq!(TreePath::new(good).unwrap().as_bytes(), good);
    }
    assert!(TreePath::new(&[b"a/".repeat(2_047).as_slice(), b"b"].concat()).is_err());
}

#[test]
fn archives_write_paths_in_their_way() {
    for (written, meant) in
        [("./", ""), (".", ""), ("/", ""), ("./usr/", "usr"), ("/usr/x", "usr/x"), (".x", ".x")]
    {
        assert_eq!(TreePath::from_archive(written.as_bytes()).unwrap(), path(meant), "{written}");
    }
    for bad in ["../x", "./../x", "//x", "././x", "x//"] {
        assert!(TreePath::from_archive(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn the_walk_goes_by_names_whatever_came_first() {
    let mut tree = with_directories(&["b", "a", "a/c"]);
    file(&mut tree, "a/c/x", "");
    file(&mut tree, "a-", "");
    file(&mut tree, "a/b", "");
    let walked: Vec<String> = tree.walk().map(|(path, ..)| path.to_string()).collect();
    assert_eq!(walked, ["/", "/a", "/a/b", "/a/c", "/a/c/x", "/a-", "/b"]);
    let root = TreePath::root();
    let children: Vec<String> = tree.children(&root).map(|(path, ..)| path.to_string()).collect();
    assert_eq!(children, ["/a", "/a-", "/b"]);
}

#[test]
fn hard_links_share_a_file() {
    let mut tree = with_directories(&["d"]);
    file(&mut tree, "x", "text");
    tree.add_link(path("d/y"), &path("x")).unwrap();
    assert_eq!(tree.id(&path("x")), tree.id(&path("d/y")));
    assert_eq!(tree.get(&path("x")).unwrap().name_count, 2);
    assert_eq!(tree.content_bytes(), 4);
    tree.remove(&path("x")).unwrap();
    assert_eq!(tree.get(&path("d/y")).unwrap().name_count, 1);
    tree.remove(&path("d")).unwrap();
    assert_eq!((tree.content_bytes(), tree.name_count()), (0, 1));
    for target in ["d", "nothing"] {
        let error = tree.add_link(path("z"), &path(target)).unwrap_err();
        assert!(matches!(error, TreeError::LinkTarget { .. }), "{error}");
    }
}

#[test]
fn a_file_needs_a_real_directory() {
    let mut tree = with_directories(&["usr", "usr/lib"]);
    tree.add_symlink(path("lib"), Meta::root(0o777), b"usr/lib".to_vec()).unwrap();
    file(&mut tree, "f", "");
    let mut refused = |name| {
        tree.add_file(path(name), Meta::root(0o644), Content::bytes("")).unwrap_err().to_string()
    };
    assert!(refused("lib/x").contains("through the symbolic link /lib"));
    assert!(refused("f/x").contains("which is a regular file"));
    assert!(refused("no/x").contains("add that directory before it"));
    assert!(refused("f").contains("already"));
    assert!(refused("").contains("already"));
    assert_eq!(tree.resolve(&path("lib/x")).unwrap(), path("usr/lib/x"));
}

#[test]
fn links_stay_in_the_image() {
    let mut tree = with_directories(&["a", "a/b"]);
    let mut add = |name, target: &str| {
        tree.add_symlink(path(name), Meta::root(0o777), target.as_bytes().to_vec())
    };
    for (name, target) in [("a/b/up", "../.."), ("abs", "/a/../a"), ("dangling", "x/y/z")] {
        add(name, target).unwrap();
    }
    for (name, target) in [("e", ".."), ("a/e", "../.."), ("f", "/.."), ("g", "a/../../x")] {
        assert!(matches!(add(name, target), Err(TreeError::Escape { .. })), "{target}");
    }
    for target in ["", "x\0y"] {
        assert!(matches!(add("h", target), Err(TreeError::Target { .. })));
    }
    add("one", "two").unwrap();
    add("two", "one").unwrap();
    assert_eq!(tree.resolve(&path("a/b/up/abs/b")).unwrap(), path("a/b"));
    assert!(matches!(tree.resolve(&path("one/x")), Err(TreeError::Circle { .. })));
    assert_eq!(tree.resolve(&path("one")).unwrap(), path("one"));
}

#[test]
fn metadata_is_bounded_and_clamped() {
    let mut tree = Tree::new(1_000);
    let meta = Meta { mtime_s: 2_000, ..Meta::root(0o4755) };
    tree.add_directory(path("d"), meta.clone()).unwrap();
    assert_eq!(tree.get(&path("d")).unwrap().meta.mtime_s, 1_000);
    let error = tree.set_meta(&path("d"), Meta::root(0o10_000)).unwrap_err();
    assert!(matches!(error, TreeError::Mode { .. }));
    for (name, value) in [(b"plain".as_slice(), 1), (b"a.", 1), (b".a", 1), (b"user.x", 70_000)] {
        let mut meta = meta.clone();
        meta.xattrs.insert(name.to_vec(), vec![0; value]);
        assert!(matches!(tree.set_meta(&path("d"), meta), Err(TreeError::Xattrs { .. })));
    }
}

#[test]
fn a_file_that_shrank_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("x");
    std::fs::write(&at, "0123456789").unwrap();
    let content = Content::Range { path: at.as_path().into(), offset: 2, length: 5 };
    assert_eq!(content.read().unwrap(), b"23456");
    std::fs::write(&at, "0123").unwrap();
    let error = content.reader().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("became shorter"), "{error}");
}
