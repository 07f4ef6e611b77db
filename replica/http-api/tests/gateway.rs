//! Canisters in the browser: answers that the ecosystem's own library certifies, and answers that
//! nobody should be shown.

mod fixture;

use std::sync::{Arc, Mutex, mpsc};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use candid::{CandidType, Decode, Encode, Nat, Principal};
use fixture::{Answer, Played, TestChain};
use ic_asset_certification::{Asset, AssetConfig, AssetFallbackConfig, AssetRouter};
use ic_http_certification::{HttpRequest, HttpResponse};
use replica_crypto::hash_tree::HashTree;
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use types::{CanisterId, ErrorCode, UserError};

/// Bytes of a file in three ranges.
const LARGE_BYTES: usize = 4_500_000;

candid::define_function!(More: (Token) -> () query);

#[derive(CandidType, candid::Deserialize)]
struct Token {
    part: Nat,
}

#[derive(CandidType)]
struct Part {
    body: ByteBuf,
    token: Option<Token>,
}

#[derive(CandidType)]
enum Strategy {
    Callback { callback: More, token: Token },
}

#[derive(CandidType)]
struct Reply {
    status_code: u16,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    upgrade: Option<bool>,
    streaming_strategy: Option<Strategy>,
}

fn reply(status_code: u16, body: &[u8]) -> Reply {
    let (headers, body) = (Vec::new(), ByteBuf::from(body));
    Reply { status_code, headers, body, upgrade: None, streaming_strategy: None }
}

/// A canister with files, and with paths of its own that nothing certifies.
struct Site {
    id: CanisterId,
    files: Mutex<mpsc::SyncSender<Wish>>,
    /// Changes what the files answer: what a node that lies would do.
    forgery: Mutex<Option<fn(&mut Reply)>>,
    posts: Mutex<u64>,
}

/// One at a time: who asks waits for the answer.
const WAITING_MAX: usize = 1;

/// A request for a file, the certificate that it comes with, and where the answer goes.
type Wish = (HttpRequest<'static>, Bytes, mpsc::SyncSender<Reply>);

/// A thread that has the files, since the library's router must stay on one; and the hash that
/// certifies them.
fn files() -> (mpsc::SyncSender<Wish>, [u8; 32]) {
    let (wishes, to_serve) = mpsc::sync_channel::<Wish>(WAITING_MAX);
    let (hash, to_certify) = mpsc::sync_channel(WAITING_MAX);
    std::thread::spawn(move || {
        let files = router();
        hash.send(files.root_hash()).expect("the test waits");
        for (request, certificate, answer) in to_serve {
            let response: HttpResponse<'_> =
                files.serve_asset(&certificate, &request).expect("there is a fallback");
            let mut reply = reply(response.status_code().as_u16(), response.body());
            reply.headers = response.headers().to_vec();
            answer.send(reply).expect("the canister waits");
        }
    });
    (wishes, to_certify.recv().expect("files"))
}

fn router() -> AssetRouter<'static> {
    let mut files = AssetRouter::default();
    let html = |path: &str, aliases: &[&str], fallback: Option<&str>| AssetConfig::File {
        path: path.into(),
        content_type: Some("text/html".into()),
        headers: vec![("x-certified".into(), "yes".into())],
        fallback_for: fallback
            .map(|scope| AssetFallbackConfig {
                scope: scope.into(),
                status_code: Some(StatusCode::NOT_FOUND),
            })
            .into_iter()
            .collect(),
        aliased_by: aliases.iter().map(|alias| (*alias).into()).collect(),
        encodings: vec![],
    };
    let assets = vec![
        Asset::new("index.html", b"<h1>the page</h1>".as_slice()),
        Asset::new("missing.html", b"<h1>nothing here</h1>".as_slice()),
        Asset::new("large", large()),
    ];
    let configs = vec![
        html("index.html", &["/"], None),
        html("missing.html", &[], Some("/")),
        html("large", &[], None),
    ];
    files.certify_assets(assets, configs).expect("files");
    files
}

impl Site {
    fn file(&self, request: HttpRequest<'static>, certificate: &Bytes) -> Reply {
        let (answer, answered) = mpsc::sync_channel(WAITING_MAX);
        let wish = (request, certificate.clone(), answer);
        self.files.lock().expect("no panic").send(wish).expect("the thread lives");
        let mut reply = answered.recv().expect("a file");
        if let Some(forgery) = *self.forgery.lock().expect("no panic") {
            forgery(&mut reply);
        }
        reply
    }

    fn http_request(&self, arg: &[u8], certificate: &Bytes) -> Result<Reply, UserError> {
        let request = Decode!(arg, HttpRequest<'static>).expect("the protocol's request");
        assert_eq!(request.certificate_version(), Some(2));
        if request.method() == Method::POST {
            return Ok(Reply { upgrade: Some(true), ..reply(200, b"") });
        }
        let of_own = |headers: &[(&str, &str)], status, body: &[u8]| {
            let mut reply = reply(status, body);
            let pair = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
            reply.headers = headers.iter().map(pair).collect();
            reply
        };
        Ok(match request.get_path().expect("a path").as_str() {
            "/stream" => {
                let callback = More::new(self.id.0, "more".into());
                let token = Token { part: 1u8.into() };
                let streaming_strategy = Some(Strategy::Callback { callback, token });
                Reply { streaming_strategy, ..reply(200, b"part 0\n") }
            }
            "/echo" => reply(200, &arg_headers(&request)),
            "/own-cors" => of_own(&[("access-control-allow-origin", "http://a.b")], 200, b""),
            "/odd-header" => of_own(&[("no name", "x")], 200, b""),
            "/odd-value" => of_own(&[("x", "a\r\nb: c")], 200, b""),
            "/lying-length" => of_own(&[("content-length", "999")], 200, b"short"),
            "/odd-status" => reply(99, b""),
            "/early-status" => reply(101, b""),
            "/empty" => reply(204, b""),
            "/trap" => {
                return Err(UserError::new(ErrorCode::CanisterCalledTrap, "<b>trapped</b>"));
            }
            _ => self.file(request, certificate),
        })
    }
}

fn arg_headers(request: &HttpRequest<'_>) -> Vec<u8> {
    let line = |(name, value): &(String, String)| format!("{name}: {value}\n");
    request.headers().iter().map(line).collect::<String>().into_bytes()
}

fn large() -> Vec<u8> {
    (0..LARGE_BYTES / 10).flat_map(|line| format!("{line:09}\n").into_bytes()).collect()
}

impl Played for Site {
    fn query(&self, method: &str, arg: &[u8], certificate: Bytes) -> Result<Bytes, UserError> {
        match method {
            "http_request" => {
                let reply = self.http_request(arg, &certificate)?;
                Ok(Encode!(&reply).expect("candid").into())
            }
            "more" => {
                let Token { part } = Decode!(arg, Token).expect("the token that was given");
                let body = ByteBuf::from(format!("part {part}\n").into_bytes());
                let token = (part < 3u8).then(|| Token { part: part + 1u8 });
                Ok(Encode!(&Some(Part { body, token })).expect("candid").into())
            }
            _ => panic!("{method}"),
        }
    }

    fn call(&self, method: &str, arg: &[u8]) -> Result<Bytes, UserError> {
        assert_eq!(method, "http_request_update");
        let request = Decode!(arg, HttpRequest<'static>).expect("the protocol's request");
        if request.get_path().expect("a path") == "/trap" {
            return Err(UserError::new(ErrorCode::CanisterCalledTrap, "trapped in the call"));
        }
        let mut posts = self.posts.lock().expect("no panic");
        *posts += 1;
        let mut reply = reply(201, request.body());
        reply.headers = vec![("x-posts".into(), posts.to_string())];
        Ok(Encode!(&reply).expect("candid").into())
    }
}

struct Browser {
    chain: Arc<TestChain>,
    site: Arc<Site>,
    router: Router,
}

impl Browser {
    fn new() -> Self {
        let chain = TestChain::new();
        *chain.instant.lock().expect("no panic") = true;
        let id = chain.add_canister(Principal::anonymous());
        let (files, hash) = files();
        let (files, forgery, posts) = (Mutex::new(files), Mutex::default(), Mutex::default());
        let site = Arc::new(Site { id, files, forgery, posts });
        *chain.played.lock().expect("no panic") = Some(Arc::clone(&site) as Arc<dyn Played>);
        chain.certify(id, &hash);
        let router = chain.router();
        Self { chain, site, router }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: head.status, headers: head.headers, body }
    }

    fn request(&self, domain: &str, path: &str) -> axum::http::request::Builder {
        let host = format!("{}.{domain}", self.site.id);
        Request::builder().uri(path).header(header::HOST, host)
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request("localhost:4943", path).body(Body::empty()).expect("one")).await
    }

    async fn get_raw(&self, path: &str) -> Answer {
        self.send(self.request("raw.localhost", path).body(Body::empty()).expect("one")).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = self.request("localhost", path).method(Method::POST);
        self.send(request.body(body.into()).expect("one")).await
    }
}

#[tokio::test]
async fn certified_files_are_shown_with_their_headers() {
    let browser = Browser::new();
    for (path, status, body) in [
        ("/", StatusCode::OK, "<h1>the page</h1>"),
        ("/index.html?x=y", StatusCode::OK, "<h1>the page</h1>"),
        ("/a/b", StatusCode::NOT_FOUND, "<h1>nothing here</h1>"),
    ] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.text()), (status, body), "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html");
        assert_eq!(answer.headers[header::CONTENT_LENGTH], body.len().to_string().as_str());
        assert_eq!(answer.headers["x-certified"], "yes");
        assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
    assert_eq!(browser.chain.submitted_count(), 0);
}

#[tokio::test]
async fn a_canister_is_named_by_a_parameter_or_by_the_page_that_asks() {
    let browser = Browser::new();
    let id = browser.site.id;
    let plain = |path: &str| Request::builder().uri(path).header(header::HOST, "127.0.0.1:4943");
    let by_parameter = plain(&format!("/?canisterId={id}")).body(Body::empty()).expect("one");
    assert_eq!(browser.send(by_parameter).await.text(), "<h1>the page</h1>");
    let referer = format!("http://127.0.0.1:4943/?canisterId={id}");
    let by_referer = plain("/index.html").header(header::REFERER, referer);
    let by_referer = by_referer.body(Body::empty()).expect("one");
    assert_eq!(browser.send(by_referer).await.text(), "<h1>the page</h1>");
    let nonsense = plain("/?canisterId=x").body(Body::empty()).expect("one");
    assert_eq!(browser.send(nonsense).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_not_certified_is_not_shown_but_under_raw() {
    let forgeries: [fn(&mut Reply); 7] = [
        |reply| reply.body[5] ^= 1,
        |reply| reply.status_code = 202,
        |reply| reply.headers.retain(|(name, _)| name != "x-certified"),
        |reply| reply.headers.push(("x-certified".into(), "no".into())),
        |reply| reply.headers.clear(),
        |reply| {
            for (name, value) in &mut reply.headers {
                if name.eq_ignore_ascii_case("ic-certificate") {
                    *value = value.replace("expr_path", "other");
                }
            }
        },
        |reply| {
            let none = "default_certification(ValidationArgs{no_certification:Empty{}})";
            for (name, value) in &mut reply.headers {
                if name.eq_ignore_ascii_case("ic-certificateexpression") {
                    *value = none.into();
                }
            }
        },
    ];
    let browser = Browser::new();
    for (number, forgery) in forgeries.into_iter().enumerate() {
        *browser.site.forgery.lock().expect("no panic") = Some(forgery);
        let answer = browser.get("/").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{number}: {}", answer.text());
        assert!(answer.text().contains("not certified"), "{number}: {}", answer.text());
        assert!(answer.text().contains(&format!("{}.raw.localhost", browser.site.id)));
        assert!(browser.get_raw("/").await.status.is_success(), "{number}");
    }
    let answer = browser.get("/stream").await;
    assert!(answer.text().contains("no header IC-Certificate"), "{}", answer.text());
}

#[tokio::test]
async fn an_old_certificate_shows_nothing() {
    let browser = Browser::new();
    let minutes = |count: u64| browser.chain.now().plus_ms(count * 60_000);
    browser.chain.set_now(minutes(4));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    browser.chain.set_now(minutes(2));
    assert_eq!(browser.get("/").await.status, StatusCode::BAD_GATEWAY);
    browser.chain.round(|_| Vec::new());
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_large_file_is_put_together_from_its_ranges() {
    let browser = Browser::new();
    let answer = browser.get("/large").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.body == large(), "{} bytes", answer.body.len());
    assert!(!answer.headers.contains_key(header::CONTENT_RANGE));
    let range = browser.request("localhost", "/large").header(header::RANGE, "bytes=2000000-");
    let answer = browser.send(range.body(Body::empty()).expect("one")).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{}", answer.headers.len());
    let range = answer.headers[header::CONTENT_RANGE].to_str().expect("ascii");
    assert_eq!(range, format!("bytes 2000000-3999999/{LARGE_BYTES}"));
    assert_eq!(answer.body, large()[2_000_000..4_000_000]);
}

#[tokio::test]
async fn a_stream_is_followed_to_its_end() {
    let answer = Browser::new().get_raw("/stream").await;
    assert_eq!(answer.text(), "part 0\npart 1\npart 2\npart 3\n");
}

#[tokio::test]
async fn a_canister_that_wants_a_call_is_called_once_for_each_request() {
    let browser = Browser::new();
    for count in ["1", "2"] {
        let answer = browser.post("/form", "name=value").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::CREATED, "name=value"));
        assert_eq!(answer.headers["x-posts"], count);
    }
    assert_eq!(browser.chain.submitted_count(), 2);
    let answer = browser.post("/trap", "").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.text().contains("trapped in the call"), "{}", answer.text());
    let answer = browser.post("/form", vec![0; 3 << 20]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "more than a call takes");
    assert_eq!(browser.chain.submitted_count(), 3);
    *browser.chain.instant.lock().expect("no panic") = false;
    assert_eq!(browser.post("/form", "x").await.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn the_first_version_certifies_bodies() {
    struct Old(Vec<u8>, &'static str, u16, HashTree);
    impl Played for Old {
        fn query(&self, _: &str, _: &[u8], certificate: Bytes) -> Result<Bytes, UserError> {
            use base64::Engine as _;
            let base64 = |bytes: &[u8]| base64::prelude::BASE64_STANDARD.encode(bytes);
            let (certificate, tree) = (base64(&certificate), base64(&self.3.to_cbor()));
            let mut reply = reply(self.2, &self.0);
            reply.headers = vec![
                ("IC-Certificate".into(), format!("certificate=:{certificate}:, tree=:{tree}:")),
                ("content-encoding".into(), self.1.into()),
                ("cache-control".into(), "max-age=1000".into()),
                ("x-other".into(), "kept".into()),
            ];
            Ok(Encode!(&reply).expect("candid").into())
        }

        fn call(&self, _: &str, _: &[u8]) -> Result<Bytes, UserError> {
            panic!("nothing is called");
        }
    }
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, b"plain").expect("a vector");
    let packed = &packer.finish().expect("a vector")[..];
    for (body, encoding, status, certified, shown) in [
        (&b"plain"[..], "identity", 200, &b"plain"[..], true),
        (packed, "gzip", 200, packed, true),
        (b"plain", "identity", 200, b"other", false),
        (packed, "gzip", 200, b"other", false),
        (b"plain", "identity", 302, b"plain", false),
        (b"not packed", "gzip", 200, b"plain", false),
    ] {
        let browser = Browser::new();
        let leaf = HashTree::leaf(Sha256::digest(certified).to_vec());
        let tree = HashTree::labeled(
            Bytes::from_static(b"http_assets"),
            HashTree::labeled(Bytes::from_static(b"/page"), leaf),
        );
        browser.chain.certify(browser.site.id, &tree.digest());
        let old = Arc::new(Old(body.to_vec(), encoding, status, tree));
        *browser.chain.played.lock().expect("no panic") = Some(old);
        let answer = browser.get("/page").await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status == StatusCode::OK, shown, "{text}");
        if shown {
            assert_eq!(answer.body, body);
            assert_eq!(answer.headers["x-other"], "kept");
            assert!(!answer.headers.contains_key(header::CACHE_CONTROL), "it is not certified");
        }
    }
}

#[tokio::test]
async fn answers_that_http_does_not_have_are_told_apart() {
    let browser = Browser::new();
    for (path, word) in [
        ("/odd-header", "no name"),
        ("/odd-value", "header"),
        ("/odd-status", "99"),
        ("/early-status", "101"),
        ("/trap", "<b>trapped</b>"),
    ] {
        let answer = browser.get_raw(path).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{path}");
        assert!(answer.text().contains(word), "{path}: {}", answer.text());
        assert!(answer.headers[header::CONTENT_TYPE].to_str().is_ok_and(|t| t.contains("plain")));
    }
    let answer = browser.get_raw("/lying-length").await;
    assert_eq!(
        (answer.text(), &answer.headers[header::CONTENT_LENGTH]),
        ("short", &"5".parse().expect("ascii"))
    );
    assert_eq!(browser.get_raw("/empty").await.status, StatusCode::NO_CONTENT);
    let html = browser.request("raw.localhost", "/trap").header(header::ACCEPT, "text/html,*/*");
    let answer = browser.send(html.body(Body::empty()).expect("one")).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(answer.text().contains("&lt;b&gt;trapped&lt;/b&gt;"), "{}", answer.text());
}

#[tokio::test]
async fn canisters_that_are_not_there_and_the_node_itself() {
    let browser = Browser::new();
    let missing = CanisterId::from_index(77);
    let outside = CanisterId::from_index(1 << 40);
    for (id, status) in [(missing, StatusCode::NOT_FOUND), (outside, StatusCode::BAD_REQUEST)] {
        let request = Request::builder().uri("/").header(header::HOST, format!("{id}.localhost"));
        let answer = browser.send(request.body(Body::empty()).expect("one")).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let status = browser.get("/api/v2/status").await;
    assert_eq!(status.cbor().get("replica_health_status").text(), "healthy");
    let request = Request::builder().uri("/").header(header::HOST, "localhost:4943");
    let answer = browser.send(request.body(Body::empty()).expect("one")).await;
    assert_eq!(answer.headers[header::LOCATION], "/_/");
}

#[tokio::test]
async fn requests_reach_the_canister_as_they_are() {
    let browser = Browser::new();
    let request = browser.request("raw.localhost", "/echo");
    let request = request.header(header::ACCEPT_ENCODING, "gzip").header("x-mine", "value");
    let answer = browser.send(request.body(Body::empty()).expect("one")).await;
    for line in ["accept-encoding: gzip, identity\n", "x-mine: value\n", "host: "] {
        assert!(answer.text().contains(line), "{}", answer.text());
    }
    let binary = browser.request("raw.localhost", "/echo").header("x", &b"\xff"[..]);
    let answer = browser.send(binary.body(Body::empty()).expect("one")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let own = browser.get_raw("/own-cors").await;
    assert_eq!(own.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://a.b");
    let preflight = browser.request("localhost", "/form").method(Method::OPTIONS);
    let answer = browser.send(preflight.body(Body::empty()).expect("one")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}
