//! HTTP as odd and hostile clients write it, over raw TCP: the specified answer, and no effect but
//! that of the requests which are whole.

mod fixture;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fixture::TestChain;
use fixture::client::{Key, message};
use replica_http_api::{Clock as _, Limits, SystemClock, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use types::CanisterId;

/// Nothing here takes so long unless it hangs.
const FOREVER: Duration = Duration::from_secs(20);

const CBOR: &str = "Content-Type: application/cbor\r\n";

async fn served() -> (Arc<TestChain>, SocketAddr) {
    let chain = TestChain::new();
    *chain.instant.lock().expect("no panic") = true;
    chain.set_now(SystemClock.now());
    let limits = Limits { idle_timeout: Duration::from_millis(300), ..Limits::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve(listener, chain.router(), limits));
    (chain, address)
}

/// Sends `bytes`, and reads all that comes until the server closes a connection without requests.
async fn answers(address: SocketAddr, bytes: &[u8]) -> String {
    exchange(address, bytes, false).await
}

/// The same, and tells the server that nothing more comes.
async fn answers_of_cut(address: SocketAddr, bytes: &[u8]) -> String {
    exchange(address, bytes, true).await
}

async fn exchange(address: SocketAddr, bytes: &[u8], is_cut: bool) -> String {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    // A server that refuses may be gone before it has read all.
    let _ = stream.write_all(bytes).await;
    if is_cut {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let _reset = timeout(FOREVER, stream.read_to_end(&mut answer)).await.expect("it closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// An update call whose argument tells it from others, and its path.
fn call(chain: &TestChain, argument: &[u8]) -> (String, Vec<u8>) {
    let (key, canister) = (Key::ed25519(1), CanisterId::from_index(5));
    let expiry = chain.now().plus_ms(60_000);
    let sender = key.principal();
    let content = message("call", &sender, &canister, "echo", argument, expiry);
    (format!("/api/v4/canister/{canister}/call"), key.envelope(&content))
}

fn with_length(path: &str, version: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/{version}\r\nHost: x\r\n{CBOR}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn chunked(path: &str, body: &[u8], size: usize) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\n{CBOR}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = body.chunks(size).flat_map(|chunk| {
        [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, &b"\r\n"[..]].concat()
    });
    head.into_bytes().into_iter().chain(chunks).chain(*b"0\r\n\r\n").collect()
}

#[tokio::test]
async fn calls_of_every_framing_are_served() {
    let (chain, address) = served().await;
    let (path, body) = call(&chain, b"1");
    let answer = answers(address, &with_length(&path, "1.1", &body)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (_, body) = call(&chain, b"2");
    let answer = answers(address, &with_length(&path, "1.0", &body)).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    for (argument, size) in [(b"3", 1), (b"4", 7), (b"5", 100_000)] {
        let (_, body) = call(&chain, argument);
        let answer = answers(address, &chunked(&path, &body, size)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(chain.submitted_count(), 5);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (chain, address) = served().await;
    let (path, first) = call(&chain, b"first");
    let (_, second) = call(&chain, b"second");
    let status = b"GET /api/v2/status HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let nothing = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let all = [with_length(&path, "1.1", &first), nothing, chunked(&path, &second, 50), status];
    let answer = answers(address, &all.concat()).await;
    let codes: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(codes, ["200", "404", "200", "200"]);
    assert_eq!(chain.submitted_count(), 2);
}

#[tokio::test]
async fn broken_requests_are_refused_without_effect() {
    let (chain, address) = served().await;
    let (path, body) = call(&chain, b"x");
    let length = body.len();
    let post = |head: &str, body: &[u8]| {
        [format!("POST {path} HTTP/1.1\r\nHost: x\r\n{CBOR}{head}\r\n").as_bytes(), body].concat()
    };
    let long = "y".repeat(100_000);
    let many: String = (0..200).map(|number| format!("x{number}: y\r\n")).collect();
    for (bytes, expected) in [
        (b"\0\0\0\0\0\0\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"GET\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"GET /api/v2/status HTTP/3.9\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"GET /api/v2/status HTTP/1.1\r\nno colon\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"GET /\x7f\xff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes(), "HTTP/1.1 4"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n").into_bytes(), "HTTP/1.1 431"),
        (post("Content-Length: -1\r\n", &body), "HTTP/1.1 400"),
        (post("Content-Length: 1e3\r\n", &body), "HTTP/1.1 400"),
        (
            post(&format!("Content-Length: {length}\r\nContent-Length: 1\r\n"), &body),
            "HTTP/1.1 400",
        ),
        (post("Content-Length: 99999999999999999999999\r\n", &body), "HTTP/1.1 400"),
        (post("Content-Length: 99999999999\r\n", &body), "HTTP/1.1 413"),
        (post(&format!("Content-Length: {}\r\n", length + 1), &body), "HTTP/1.1 400"),
        (post(&format!("Content-Length: {}\r\n", length - 1), &body), "HTTP/1.1 400"),
        (post("Transfer-Encoding: chunked\r\n", b"zz\r\n"), "HTTP/1.1 400"),
        (post("Transfer-Encoding: chunked\r\n", b"5\r\nabc"), "HTTP/1.1 400"),
        (post("Transfer-Encoding: gzip\r\n", &body), "HTTP/1.1 400"),
    ] {
        let answer = answers_of_cut(address, &bytes).await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        assert!(answer.starts_with(expected), "{shown:?}: {answer:?}, not {expected}");
    }
    let answer = answers(address, &post("", b"")).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(chain.submitted_count(), 0);
    let answer = answers(address, &with_length(&path, "1.1", &body)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "it was a good call: {answer}");
}

/// Who frames a request by one header must not see another one than who frames it by the other.
#[tokio::test]
async fn two_framings_of_one_request_are_one_request() {
    let (chain, address) = served().await;
    let (path, hidden) = call(&chain, b"hidden");
    let inner = with_length(&path, "1.1", &hidden);
    let body = [b"0\r\n\r\n".to_vec(), inner].concat();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\n{CBOR}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        body.len()
    );
    let answer = answers(address, &[head.as_bytes(), &body].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(chain.submitted_count(), 0);
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let (chain, address) = served().await;
    let (path, body) = call(&chain, b"x");
    let sent = |media_type: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{media_type}Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    };
    for media_type in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/json\r\n",
        "Content-Type: application/cborish\r\n",
    ] {
        let answer = answers(address, &sent(media_type)).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{media_type}: {answer}");
        assert!(answer.contains("application/cbor"), "{answer}");
    }
    assert_eq!(chain.submitted_count(), 0);
    for media_type in
        ["Content-Type: Application/CBOR\r\n", "content-type: application/cbor; a=b\r\n"]
    {
        let answer = answers(address, &sent(media_type)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{media_type}: {answer}");
    }
}

#[tokio::test]
async fn methods_and_odd_paths() {
    let (chain, address) = served().await;
    let (path, body) = call(&chain, b"x");
    let id = CanisterId::from_index(5).to_string();
    for (line, expected) in [
        ("HEAD /api/v2/status", "200"),
        ("GET http://anything/api/v2/status", "200"),
        ("GET /api/v2/status?x=y", "200"),
        ("GET /api/v2/status/", "404"),
        ("GET /API/v2/status", "404"),
        ("GET //api/v2/status", "404"),
        ("GET /api/v2/../v2/status", "404"),
        ("DELETE /api/v2/status", "405"),
        ("TRACE /api/v2/status", "405"),
        ("BREW /api/v2/status", "405"),
        ("OPTIONS /api/v2/status", "204"),
        ("OPTIONS *", "204"),
        (&format!("HEAD {path}"), "405"),
        (&format!("PUT {path}"), "405"),
    ] {
        let answer =
            answers(address, format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{line}: {answer}");
    }
    let odd = [
        id.replace('-', ""),
        id.replace('-', "%20"),
        format!("%20{id}"),
        format!("{id}%00"),
        format!("{id}-"),
        "a".repeat(5_000),
        "%ff".into(),
        "aaaaa-aa".into(),
        "2vxsx-fae".into(),
    ];
    for id in odd {
        for kind in ["call", "query", "read_state"] {
            let path = format!("/api/v3/canister/{id}/{kind}");
            let answer = answers(address, &with_length(&path, "1.1", &body)).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        }
    }
    // Percent signs may stand for what needs none, and letters may be large.
    assert_eq!(chain.submitted_count(), 0);
    for id in [id.replace('-', "%2D"), id.to_uppercase()] {
        let path = format!("/api/v4/canister/{id}/call");
        let answer = answers(address, &with_length(&path, "1.1", &body)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}
