//! Stores in temporary folders, mirrors in folders and on the loopback.

use super::*;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::thread;

fn bytes() -> Vec<u8> {
    (0..300_000_u32).map(|number| (number % 251) as u8).collect()
}

fn wanted(bytes: &[u8]) -> Wanted {
    Wanted {
        package: "aa".into(),
        sha256: hex::encode(Sha256::digest(bytes)),
        size: bytes.len() as u64,
        area: "debian".into(),
        path: "pool/a/aa.deb".into(),
        date_s: 1_795_252_544,
    }
}

fn mirrors(places: Vec<Location>) -> Mirrors {
    let mut mirrors = Mirrors::default();
    mirrors.prefer("debian", places);
    mirrors
}

/// A folder that holds `bytes` as the wanted file.
fn folder(bytes: &[u8]) -> (tempfile::TempDir, Location) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("pool/a")).unwrap();
    fs::write(folder.path().join("pool/a/aa.deb"), bytes).unwrap();
    let location = Location::Folder(folder.path().into());
    (folder, location)
}

fn unfinished(store: &Store, wanted: &Wanted) -> PathBuf {
    let path = store.path(&wanted.sha256).with_extension("unfinished");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

#[test]
fn a_file_is_fetched_once_and_checked_whenever_used() {
    let (good, temp) = (bytes(), tempfile::tempdir().unwrap());
    let (wanted, store) = (wanted(&good), Store::new(temp.path().join("store")));
    let (_folder, location) = folder(&good);
    let mirrors = mirrors(vec![location]);
    let (path, found) = store.get(&wanted, &mirrors).unwrap();
    assert_eq!((fs::read(&path).unwrap(), found), (good, Found::Fetched));
    assert_eq!(store.get(&wanted, &Mirrors::default()).unwrap().1, Found::Stored);
    assert!(!path.with_extension("unfinished").exists());

    let mut changed = fs::read(&path).unwrap();
    changed[7] ^= 1;
    fs::write(&path, changed).unwrap();
    let error = store.get(&wanted, &mirrors).unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("package aa"), "{error}");
    assert!(error.to_string().contains("remove it"), "{error}");
}

#[test]
fn wrong_bytes_are_never_taken() {
    let (good, temp) = (bytes(), tempfile::tempdir().unwrap());
    let (wanted, store) = (wanted(&good), Store::new(temp.path().into()));
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    for wrong in [flipped, good[..1000].to_vec(), Vec::new()] {
        let (_folder, location) = folder(&wrong);
        let error = store.get(&wanted, &mirrors(vec![location])).unwrap_err().to_string();
        assert!(error.contains("package aa") && error.contains("--mirror"), "{error}");
        assert!(error.contains("SHA-256") || error.contains("ends after"), "{error}");
        assert!(!store.path(&wanted.sha256).exists());
    }
    // The next place has it.
    let (_bad, bad) = folder(b"wrong");
    let (_folder, location) = folder(&good);
    store.get(&wanted, &mirrors(vec![bad, location])).unwrap();
}

#[test]
fn a_longer_file_is_not_read_to_its_end() {
    let (good, temp) = (bytes(), tempfile::tempdir().unwrap());
    let (wanted, store) = (wanted(&good), Store::new(temp.path().into()));
    let (_folder, location) = folder(&[good.clone(), vec![0; 1000]].concat());
    let (path, _) = store.get(&wanted, &mirrors(vec![location])).unwrap();
    assert_eq!(fs::read(path).unwrap(), good);
}

#[test]
fn an_interrupted_fetch_goes_on_or_begins_again() {
    let good = bytes();
    let wanted = wanted(&good);
    let (_folder, location) = folder(&good);
    let mirrors = mirrors(vec![location]);
    let damaged = [&[1; 10], &good[10..1000]].concat();
    for left in [good[..1000].to_vec(), damaged, vec![9; good.len()], vec![9; 2 * good.len()]] {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::new(temp.path().into());
        fs::write(unfinished(&store, &wanted), left).unwrap();
        let (path, _) = store.get(&wanted, &mirrors).unwrap();
        assert_eq!(fs::read(path).unwrap(), good);
    }
}

#[test]
fn a_full_disk_is_told() {
    let (good, temp) = (bytes(), tempfile::tempdir().unwrap());
    let (wanted, store) = (wanted(&good), Store::new(temp.path().into()));
    std::os::unix::fs::symlink("/dev/full", unfinished(&store, &wanted)).unwrap();
    let (_folder, location) = folder(&good);
    let error = store.get(&wanted, &mirrors(vec![location])).unwrap_err();
    assert!(error.to_string().contains("free some room"), "{error}");
    assert!(!store.path(&wanted.sha256).exists());
}

#[test]
fn builders_that_share_a_store_do_not_disturb_each_other() {
    let (good, temp) = (bytes(), tempfile::tempdir().unwrap());
    let (wanted, store) = (wanted(&good), Store::new(temp.path().into()));
    let (_folder, location) = folder(&good);
    let mirrors = mirrors(vec![location]);
    let fetched: usize = thread::scope(|scope| {
        let run = || usize::from(store.get(&wanted, &mirrors).unwrap().1 == Found::Fetched);
        let builders: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        builders.into_iter().map(|builder| builder.join().unwrap()).sum()
    });
    assert_eq!(fetched, 1);
    assert_eq!(fs::read(store.path(&wanted.sha256)).unwrap(), good);
}

#[test]
fn without_a_mirror_the_error_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::new(temp.path().into());
    let error = store.get(&wanted(b"x"), &Mirrors::default()).unwrap_err().to_string();
    assert!(error.contains("no mirror of debian is known"), "{error}");
}

/// Answers requests for one file; with `ranges` as HTTP has them, without them all of it each time.
fn serve(
    bytes: Vec<u8>,
    ranges: bool,
    request_count: usize,
) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut paths = Vec::new();
        for _ in 0..request_count {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let mut offset = 0;
            for line in lines.map(Result::unwrap).take_while(|line| !line.is_empty()) {
                if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                    offset = range.trim_end_matches('-').parse().unwrap();
                }
            }
            let path = first.split(' ').nth(1).unwrap().to_owned();
            let (status, body) = match (path.ends_with("aa.deb"), ranges && offset > 0) {
                (false, _) => ("404 Not Found", &bytes[..0]),
                (true, true) => ("206 Partial Content", &bytes[offset..]),
                (true, false) => ("200 OK", &bytes[..]),
            };
            paths.push(format!("{path} {offset}"));
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
        paths
    });
    (address, server)
}

#[test]
fn servers_are_asked_for_what_is_missing() {
    let good = bytes();
    let wanted = wanted(&good);
    for ranges in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::new(temp.path().into());
        fs::write(unfinished(&store, &wanted), &good[..1000]).unwrap();
        let (address, server) = serve(good.clone(), ranges, 1);
        let location = Location::parse(&address).unwrap();
        let (path, _) = store.get(&wanted, &mirrors(vec![location])).unwrap();
        assert_eq!(fs::read(path).unwrap(), good);
        assert_eq!(server.join().unwrap(), ["/pool/a/aa.deb 1000"]);
    }
}

#[test]
fn the_snapshot_archive_is_asked_last_and_by_time() {
    let good = bytes();
    let (wanted, temp) = (wanted(&good), tempfile::tempdir().unwrap());
    let store = Store::new(temp.path().into());
    let (empty, _empty_folder) = (tempfile::tempdir().unwrap(), ());
    let (address, server) = serve(good.clone(), true, 1);
    let mut mirrors = mirrors(vec![Location::Folder(empty.path().into())]);
    mirrors.snapshot = Some(Location::parse(&address).unwrap());
    store.get(&wanted, &mirrors).unwrap();
    let asked = server.join().unwrap();
    assert_eq!(asked, ["/archive/debian/20261121T091544Z/pool/a/aa.deb 0"]);
}

#[test]
fn a_server_that_does_not_have_it_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::new(temp.path().into());
    let (address, server) = serve(Vec::new(), true, 1);
    let wanted = Wanted { path: "pool/b/bb.deb".into(), ..wanted(b"x") };
    let location = Location::parse(&address).unwrap();
    let error = store.get(&wanted, &mirrors(vec![location])).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("bb.deb"), "{error}");
    server.join().unwrap();
}

#[test]
fn mirrors_of_apt_are_found_in_both_forms() {
    let temp = tempfile::tempdir().unwrap();
    let list = "# deb http://commented.example/debian x main\n\
        deb [signed-by=/x.gpg] http://one.example/debian trixie main\n\
        deb http://other.example/apt stable main\n";
    fs::write(temp.path().join("sources.list"), list).unwrap();
    fs::create_dir(temp.path().join("sources.list.d")).unwrap();
    let sources = "Types: deb\n# http://commented.example/debian\nURIs: http://two.example/debian\n\
        Suites: x\n\nTypes: deb\nURIs: http://two.example/debian-security/\nSuites: y\n";
    fs::write(temp.path().join("sources.list.d/debian.sources"), sources).unwrap();
    let mirrors = Mirrors::of_apt(temp.path());
    let texts = |area| mirrors.of(area).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts("debian"), ["http://one.example/debian", "http://two.example/debian"]);
    assert_eq!(texts("debian-security"), ["http://two.example/debian-security"]);
    assert_eq!(Mirrors::of_apt(Path::new("/nowhere")), Mirrors::default());
}

#[test]
fn places_have_one_form() {
    assert!(
        matches!(Location::parse("http://a.example/x/"), Ok(Location::Http(a)) if a.ends_with("/x"))
    );
    assert!(matches!(Location::parse("some/folder"), Ok(Location::Folder(_))));
    for bad in ["", "ftp://a", "https://a"] {
        assert!(Location::parse(bad).is_err(), "{bad}");
    }
}
