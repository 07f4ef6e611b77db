use super::*;
use std::fs;
use std::io::Cursor;
use std::path::Path;

const CHUNK: usize = CHUNK_BYTES as usize;

/// Bytes that zstd can shorten, different for each seed.
fn text(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|at| (at / 64 * (seed + 3) % 251) as u8 ^ (at % 7) as u8).collect()
}

/// Bytes that nothing can shorten.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn payload_of(parts: &[(&str, Vec<u8>)], threads: usize) -> (Index, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let source = |(name, bytes): &(&str, Vec<u8>)| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        Source { name: (*name).to_owned(), path }
    };
    let sources: Vec<Source> = parts.iter().map(source).collect();
    let mut payload = Cursor::new(Vec::new());
    let index = write(&sources, threads, &mut payload).unwrap();
    assert_eq!(payload.get_ref().len() as u64, index.payload_bytes());
    (index, payload.into_inner())
}

fn sample() -> Vec<(&'static str, Vec<u8>)> {
    let root = [text(5 * CHUNK, 1), vec![0; 3 * CHUNK], noise(CHUNK), text(777, 2)].concat();
    vec![("root", root), ("verity", noise(CHUNK + 1)), ("boot", Vec::new())]
}

fn extracted(payload: &[u8], name: &str) -> Vec<u8> {
    let mut to = Cursor::new(Vec::new());
    Payload::open(Cursor::new(payload), None).unwrap().extract(name, &mut to).unwrap();
    to.into_inner()
}

#[test]
fn what_goes_in_comes_out_whatever_the_threads() {
    let (index, payload) = payload_of(&sample(), 1);
    for threads in [0, 2, 3, 100] {
        assert!(payload_of(&sample(), threads).1 == payload);
    }
    for (name, bytes) in sample() {
        assert!(extracted(&payload, name) == bytes, "{name}");
    }
    assert_eq!(Index::read(&mut payload.as_slice()).unwrap(), index);
    // The noise and the zeros are there once each.
    assert!(payload.len() < 3 * CHUNK, "{}", payload.len());
}

#[test]
fn an_extraction_goes_on_where_it_was() {
    let (_, payload) = payload_of(&sample(), 2);
    let root = &sample()[0].1;
    let mut half = root.clone();
    half.truncate(4 * CHUNK + 5);
    half[CHUNK] ^= 1;
    let mut to = Cursor::new(half);
    let mut payload = Payload::open(Cursor::new(payload), None).unwrap();
    let counts = payload.extract("root", &mut to).unwrap();
    assert_eq!((counts.kept_chunks, counts.written_chunks), (3, 7));
    assert!(to.get_ref() == root);
    assert_eq!(payload.extract("root", &mut to).unwrap().written_chunks, 0);
    assert!(payload.extract("other", &mut to).is_err());
}

#[test]
fn every_flipped_byte_is_found_and_located() {
    let (index, payload) = payload_of(&sample(), 2);
    let index_bytes = Index::encoded_bytes(&index.parts) as usize;
    for at in (0..index_bytes).chain((index_bytes..payload.len()).step_by(997)) {
        let mut bad = payload.clone();
        bad[at] ^= 0x10;
        let opened = Payload::open(Cursor::new(&bad), None);
        if at < index_bytes {
            assert!(opened.is_err(), "byte {at}");
            continue;
        }
        let damaged = opened.unwrap().damaged().unwrap();
        assert!(!damaged.is_empty(), "byte {at}");
    }
}

#[test]
fn half_a_payload_says_what_is_left() {
    let (index, payload) = payload_of(&sample(), 2);
    let cut = &payload[..payload.len() - 1];
    let mut cut = Payload::open(Cursor::new(cut), Some(&index.id())).unwrap();
    let last = index.chunks.len() - 1;
    assert_eq!(cut.damaged().unwrap(), [last]);
    let error = cut.chunk(last).unwrap_err().to_string();
    assert!(error.contains("(verity, from byte 131072) is damaged; fetch it again"), "{error}");
    let other = Payload::open(Cursor::new(&payload), Some(&[0; 32])).unwrap_err();
    assert!(other.to_string().contains("another release"));
}

#[test]
fn a_delta_is_what_changed() {
    let (old, _) = payload_of(&sample(), 2);
    let mut changed = sample();
    changed[0].1[2 * CHUNK + 9] ^= 1;
    let (new, _) = payload_of(&changed, 2);
    let delta = new.delta(Some(&old));
    assert_eq!(delta.chunks, [2]);
    let stored = u64::from(new.chunks[2].stored_bytes);
    assert_eq!(delta.fetch_bytes, Index::encoded_bytes(&new.parts) + stored);
    let whole = new.delta(None);
    assert_eq!(whole.fetch_bytes, whole.payload_bytes);
    assert_eq!(new.delta(Some(&new)).chunks, Vec::<usize>::new());
}

#[test]
fn what_makes_no_payload_is_refused() {
    let source = |name: &str, path: &Path| Source { name: name.into(), path: path.into() };
    let refused = |sources: &[Source]| {
        let error = write(sources, 1, &mut Cursor::new(Vec::new())).unwrap_err();
        error.to_string()
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    for name in ["", "Root", "a/b", &"x".repeat(37)] {
        assert!(refused(&[source(name, file.path())]).contains("is not named by"));
    }
    let twice = [source("a", file.path()), source("a", file.path())];
    assert!(refused(&twice).contains("the name of another"));
    file.as_file().set_len((64 << 30) + 1).unwrap();
    assert!(refused(&[source("a", file.path())]).contains("larger than 64 GiB"));
    assert!(refused(&[source("a", Path::new("/nowhere"))]).contains("cannot read the part a"));
    let many: Vec<Source> =
        (0..17).map(|n| source(&format!("p{n}"), Path::new("/dev/null"))).collect();
    assert!(refused(&many).contains("one too many"));
}
