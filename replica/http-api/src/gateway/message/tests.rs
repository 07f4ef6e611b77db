use super::*;
use candid::{Principal, encode_one};
use serde_bytes::ByteBuf;

candid::define_function!(Callback: (Token) -> (StreamedPart) query);

#[derive(Clone, CandidType)]
struct Token {
    key: String,
    index: candid::Nat,
    sha256: Option<ByteBuf>,
}

#[derive(Clone, CandidType)]
struct StreamedPart {
    body: ByteBuf,
    token: Option<Token>,
}

#[derive(Clone, CandidType)]
enum Strategy {
    Callback { callback: Callback, token: Token },
}

#[derive(Clone, CandidType)]
struct Response {
    status_code: u16,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    upgrade: Option<bool>,
    streaming_strategy: Option<Strategy>,
}

fn response() -> Response {
    Response {
        status_code: 200,
        headers: vec![("Content-Type".into(), "text/html".into())],
        body: ByteBuf::from(b"page".to_vec()),
        upgrade: None,
        streaming_strategy: None,
    }
}

fn read(response: &impl CandidType) -> Result<Answered, MessageError> {
    Answered::from_candid(&encode_one(response).expect("candid"))
}

#[test]
fn an_answer_is_read() {
    let answer = read(&response()).expect("well formed");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"page"[..]));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert!(!answer.upgrade && answer.rest.is_none());
    let upgraded = Response { upgrade: Some(true), ..response() };
    assert!(read(&upgraded).expect("well formed").upgrade);
}

#[test]
fn optional_fields_may_be_left_away_and_others_added() {
    #[derive(CandidType)]
    struct Least {
        status_code: u16,
        headers: Vec<(String, String)>,
        body: ByteBuf,
        surprise: Vec<Option<u64>>,
    }
    let body = ByteBuf::from(vec![]);
    let least = Least { status_code: 204, headers: vec![], body, surprise: vec![None] };
    let answer = read(&least).expect("well formed");
    assert_eq!((answer.status, answer.headers.len(), answer.body.len()), (204, 0, 0));
}

#[test]
fn a_token_goes_back_as_it_came() {
    let token = Token { key: "/a".into(), index: 3u8.into(), sha256: None };
    let method = "more".to_owned();
    let callback = Callback::new(Principal::anonymous(), method);
    let strategy = Strategy::Callback { callback, token: token.clone() };
    let answer = read(&Response { streaming_strategy: Some(strategy), ..response() });
    let rest = answer.expect("well formed").rest.expect("a rest");
    assert_eq!((rest.canister.0, rest.method.as_str()), (Principal::anonymous(), "more"));
    #[derive(CandidType, candid::Deserialize, Debug, PartialEq)]
    struct Back {
        key: String,
        index: candid::Nat,
        sha256: Option<ByteBuf>,
    }
    let back: Back =
        candid::decode_one(&token_to_candid(&rest.token).expect("candid")).expect("it");
    assert_eq!(back, Back { key: "/a".into(), index: 3u8.into(), sha256: None });

    let part = |token| StreamedPart { body: ByteBuf::from(b"b".to_vec()), token };
    let last = encode_one(part(None)).expect("candid");
    assert_eq!(Part::from_candid(&last).expect("one"), Part { body: b"b".to_vec(), token: None });
    let more = encode_one(Some(part(Some(token)))).expect("candid");
    assert_eq!(Part::from_candid(&more).expect("one").token, Some(rest.token));
    let none = encode_one(None::<StreamedPart>).expect("candid");
    assert_eq!(Part::from_candid(&none).expect("one").body, b"");
}

#[test]
fn what_is_no_answer_is_refused_by_name() {
    let refused = |bytes: &[u8]| Answered::from_candid(bytes).expect_err("refused").to_string();
    assert!(refused(b"").contains("type"));
    assert!(refused(b"DIDL\0\0").contains("status_code"));
    assert!(refused(&encode_one("text").expect("candid")).contains("status_code"));
    #[derive(CandidType)]
    struct Wrong {
        status_code: u64,
        headers: Vec<(String, String)>,
        body: ByteBuf,
    }
    let wrong = Wrong { status_code: 200, headers: vec![], body: ByteBuf::new() };
    assert!(refused(&encode_one(wrong).expect("candid")).contains("status_code"));
    let many = vec![(String::new(), String::new()); HEADERS_MAX + 1];
    let many = encode_one(Response { headers: many, ..response() }).expect("candid");
    assert!(refused(&many).contains("headers"));
}

#[test]
fn every_truncation_and_many_changes_of_an_answer_are_read_or_refused() {
    let token = Token { key: "k".into(), index: 1u8.into(), sha256: Some(ByteBuf::from(vec![1])) };
    let callback = Callback::new(Principal::anonymous(), "more".into());
    let strategy = Some(Strategy::Callback { callback, token });
    let good = encode_one(Response { streaming_strategy: strategy, ..response() }).expect("candid");
    for length in 0..good.len() {
        assert!(Answered::from_candid(&good[..length]).is_err(), "{length}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            // Whatever comes out: no panic, and what was read can be sent back.
            if let Ok(Answered { rest: Some(rest), .. }) = Answered::from_candid(&bytes) {
                let _ = token_to_candid(&rest.token);
            }
        }
    }
}

#[test]
fn a_request_is_written() {
    #[derive(candid::Deserialize, CandidType, Debug, PartialEq)]
    struct Read {
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body: ByteBuf,
        certificate_version: Option<u16>,
    }
    let headers = vec![("a".to_owned(), "b".to_owned())];
    let asked = Asked {
        method: "PUT".into(),
        url: "/x?y".into(),
        headers: headers.clone(),
        body: b"z".to_vec(),
    };
    let read: Read = candid::decode_one(&asked.to_candid().expect("candid")).expect("a record");
    let body = ByteBuf::from(b"z".to_vec());
    let (method, url) = ("PUT".into(), "/x?y".into());
    assert_eq!(read, Read { method, url, headers, body, certificate_version: Some(2) });
    assert_eq!(asked.header("a"), Some("b"));
}

#[test]
fn large_bodies_are_read_and_lists_of_nothing_are_not() {
    let body = ByteBuf::from(vec![7; 3_000_000]);
    let answer = read(&Response { body, ..response() }).expect("well formed");
    assert_eq!(answer.body.len(), 3_000_000);
    // A list of a hundred million nulls, which take no bytes: `vec null` as the only type.
    let nothing = b"DIDL\x01\x6d\x7f\x01\x00\x80\xc2\xd7\x2f";
    let refused = Answered::from_candid(nothing).expect_err("refused").to_string();
    assert!(refused.contains("Candid"), "{refused}");
}
