use super::*;
use image_build::compare::Cause;
use image_build::tree::{Meta, Tree, TreePath};

/// A file of a built image in which one thing was varied on purpose.
fn write(folder: &Path, mtime_s: u64, folder_text: &str) {
    let mut tree = Tree::new(1_750_000_000);
    let path = |name: &str| TreePath::new(name.as_bytes()).unwrap();
    tree.add_directory(path("etc"), Meta::root(0o755)).unwrap();
    let meta = Meta { mtime_s, ..Meta::root(0o644) };
    tree.add_file(path("etc/hosts"), meta, Content::bytes("127.0.0.1 localhost\n")).unwrap();
    let text = format!("compiled in {folder_text}/src/main.rs\n");
    tree.add_file(path("etc/note"), Meta::root(0o644), Content::bytes(text)).unwrap();
    let plan = image_build::erofs::Plan::new(&tree, &Default::default()).unwrap();
    fs::create_dir_all(folder).unwrap();
    let mut file = fs::File::create(folder.join("guestos.root.erofs")).unwrap();
    plan.write(&mut file).unwrap();
    fs::write(folder.join("guestos.json"), "{}\n").unwrap();
    fs::write(folder.join(".guestos.inputs"), folder_text).unwrap();
}

#[test]
fn what_was_varied_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["same", "again", "time", "path"].map(|name| dir.path().join(name));
    write(&folders[0], 1_700_000_000, "/build/a");
    write(&folders[1], 1_700_000_000, "/build/a");
    write(&folders[2], 1_700_000_777, "/build/a");
    write(&folders[3], 1_700_000_000, "/build/b");
    fs::write(folders[3].join("more"), "").unwrap();
    let compared = |at: usize| compare_folders(&folders[0], &folders[at]).unwrap();
    assert!(compared(1).iter().all(|file| file.difference.is_none() && file.only.is_none()));
    let difference = |at: usize| {
        let files = compared(at);
        let root = files.into_iter().find(|file| file.name == "guestos.root.erofs").unwrap();
        root.difference.unwrap()
    };
    let time = difference(2);
    assert_eq!(
        (time.place.to_string().as_str(), time.cause),
        ("file /etc/hosts, byte 0", Cause::Time)
    );
    let path = difference(3);
    assert_eq!(
        (path.place.to_string().as_str(), path.cause),
        ("file /etc/note, byte 19", Cause::Path)
    );
    assert_eq!(compared(3).iter().find(|file| file.name == "more").unwrap().only, Some("second"));
}
