//! Clients that hold a connection without using it, over raw TCP.

mod fixture;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use fixture::TestChain;
use replica_http_api::{Limits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// What a slow client gets at most.
const SHORT: Duration = Duration::from_millis(200);

/// Nothing here takes so long unless it hangs.
const FOREVER: Duration = Duration::from_secs(20);

const STATUS: &[u8] = b"GET /api/v2/status HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The first bytes of every HTTP/2 connection, with an empty frame of settings.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn served(router: Router, limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve(listener, router, limits));
    address
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("somebody listens")
}

/// Reads until the server closes; a reset counts as closed.
async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _reset = timeout(FOREVER, stream.read_to_end(&mut bytes)).await.expect("it closes");
    bytes
}

/// Sends `bytes` one by one for as long as the server takes them.
async fn trickle(stream: &mut TcpStream, bytes: &[u8]) {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    for byte in bytes.iter().cycle() {
        pace.tick().await;
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

async fn closed_after(address: SocketAddr, first: &[u8], then: &[u8]) -> (Vec<u8>, Duration) {
    let mut stream = connect(address).await;
    let begun = Instant::now();
    stream.write_all(first).await.expect("the server is there");
    if !then.is_empty() {
        timeout(FOREVER, trickle(&mut stream, then)).await.expect("it closes");
    }
    (read_to_end(&mut stream).await, begun.elapsed())
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let limits = Limits { head_timeout: SHORT, ..Limits::default() };
    let address = served(TestChain::new().router(), limits).await;
    // Nothing; what may become either protocol; half a head; a head without an end; HTTP/2
    // without a request.
    for (first, then) in [
        (&b""[..], &b""[..]),
        (b"P", b""),
        (b"POST /api/v2/status HTTP/1.1\r\nHost", b""),
        (b"GET /api/v2/status HTTP/1.1\r\n", b"X: y\r\n"),
        (HTTP2, b""),
    ] {
        let (_, took) = closed_after(address, first, then).await;
        assert!(took >= SHORT && took < FOREVER, "{took:?}");
    }
}

#[tokio::test]
async fn a_connection_without_a_next_request_is_closed() {
    let limits = Limits { idle_timeout: SHORT, ..Limits::default() };
    let address = served(TestChain::new().router(), limits).await;
    let second = [STATUS, b"GET /api"].concat();
    for bytes in [STATUS, &second] {
        let (answer, took) = closed_after(address, bytes, b"").await;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
        assert!(took >= SHORT && took < FOREVER, "{took:?}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_and_ends_the_connection() {
    let chain = TestChain::new();
    let limits = Limits { body_timeout: SHORT, idle_timeout: SHORT, ..Limits::default() };
    let router = replica_http_api::router(chain.api(limits.clone()), &mut Default::default());
    let address = served(router, limits).await;
    let head = b"POST /api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/call HTTP/1.1\r\n\
                 Host: localhost\r\nContent-Type: application/cbor\r\nContent-Length: 100000\r\n\r\n";
    let mut stream = connect(address).await;
    let begun = Instant::now();
    stream.write_all(head).await.expect("the server is there");
    let (mut from, mut to) = stream.split();
    let mut answer = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    // Trickles until the answer is there.
    while answer.is_empty() {
        tokio::select! {
            _ = pace.tick() => drop(to.write_all(b"x").await),
            read = from.read_buf(&mut answer) => assert_ne!(read.expect("an answer"), 0),
        }
    }
    let _reset = timeout(FOREVER, from.read_to_end(&mut answer)).await.expect("it closes");
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(begun.elapsed() >= SHORT);
}

/// The answer is larger than what the sockets of both sides buffer.
#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection() {
    const ANSWER_BYTES: usize = 64 << 20;
    let large = Router::new().route("/", get(|| async { vec![0u8; ANSWER_BYTES] }));
    let limits = Limits { idle_timeout: SHORT, connections_max: 1, ..Limits::default() };
    let address = served(large, limits).await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut lazy = connect(address).await;
    lazy.write_all(request).await.expect("the server is there");
    // There is one place: that the next client is answered says that the first has lost it.
    let mut next = connect(address).await;
    next.write_all(request).await.expect("the kernel takes it");
    let mut begin = [0; 12];
    timeout(FOREVER, next.read_exact(&mut begin)).await.expect("in time").expect("an answer");
    assert_eq!(&begin, b"HTTP/1.1 200");
    assert!(read_to_end(&mut lazy).await.len() < ANSWER_BYTES);
}

#[tokio::test]
async fn the_number_of_connections_is_bounded() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let address = served(TestChain::new().router(), limits).await;
    let (first, second) = (connect(address).await, connect(address).await);
    let mut third = connect(address).await;
    third.write_all(STATUS).await.expect("the kernel takes it");
    let mut begin = [0; 12];
    let early = timeout(SHORT, third.read_exact(&mut begin)).await;
    assert!(early.is_err(), "two hold all places, and yet the third got an answer");
    drop(first);
    timeout(FOREVER, third.read_exact(&mut begin)).await.expect("in time").expect("an answer");
    assert_eq!(&begin, b"HTTP/1.1 200");
    drop(second);
}

/// A request under way is no reason to close, however long it takes.
#[tokio::test]
async fn a_request_that_is_being_answered_keeps_its_connection() {
    let slow = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(4 * SHORT).await;
            "late"
        }),
    );
    let limits = Limits { head_timeout: SHORT, idle_timeout: SHORT, ..Limits::default() };
    let address = served(slow, limits).await;
    let (answer, _) =
        closed_after(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"").await;
    assert!(answer.ends_with(b"late"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_head_of_any_length_is_not_kept() {
    let address = served(TestChain::new().router(), Limits::default()).await;
    let mut stream = connect(address).await;
    stream.write_all(b"GET /api/v2/status HTTP/1.1\r\nX: ").await.expect("the server is there");
    let chunk = vec![b'y'; 1 << 20];
    while stream.write_all(&chunk).await.is_ok() {}
    read_to_end(&mut stream).await;
}
