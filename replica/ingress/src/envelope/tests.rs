//! Tests of the reading of envelopes.

use super::*;
use minicbor::Encoder;
use minicbor::data::Tag;
use proptest::prelude::*;

/// CBOR as it may come from anywhere.
#[derive(Clone, Debug)]
enum Item {
    Nat(u64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(&'static str),
    Null,
    Array(Vec<Item>),
    Map(Vec<(&'static str, Item)>),
    /// Lengths at the end instead of up front.
    OpenArray(Vec<Item>),
    OpenMap(Vec<(&'static str, Item)>),
    Tagged(u64, Box<Item>),
}
use Item::*;

impl Item {
    fn put(&self, to: &mut Encoder<Vec<u8>>) {
        match self {
            Nat(number) => drop(to.u64(*number).unwrap()),
            Float(number) => drop(to.f64(*number).unwrap()),
            Bytes(bytes) => drop(to.bytes(bytes).unwrap()),
            Text(text) => drop(to.str(text).unwrap()),
            Null => drop(to.null().unwrap()),
            Array(items) => {
                to.array(items.len() as u64).unwrap();
                items.iter().for_each(|item| item.put(to));
            }
            OpenArray(items) => {
                to.begin_array().unwrap();
                items.iter().for_each(|item| item.put(to));
                to.end().unwrap();
            }
            Map(entries) => {
                to.map(entries.len() as u64).unwrap();
                put_entries(entries, to);
            }
            OpenMap(entries) => {
                to.begin_map().unwrap();
                put_entries(entries, to);
                to.end().unwrap();
            }
            Tagged(tag, item) => {
                to.tag(Tag::new(*tag)).unwrap();
                item.put(to);
            }
        }
    }

    fn to_bytes(&self) -> bytes::Bytes {
        let mut to = Encoder::new(Vec::new());
        self.put(&mut to);
        to.into_writer().into()
    }

    /// This map with one value replaced or added.
    fn with(&self, key: &'static str, value: Item) -> Item {
        let Map(entries) = self.without(key) else { unreachable!() };
        Map([entries, vec![(key, value)]].concat())
    }

    fn without(&self, key: &'static str) -> Item {
        let Map(entries) = self else { unreachable!() };
        Map(entries.iter().filter(|(name, _)| *name != key).cloned().collect())
    }
}

fn put_entries(entries: &[(&'static str, Item)], to: &mut Encoder<Vec<u8>>) {
    for (key, value) in entries {
        to.str(key).unwrap();
        value.put(to);
    }
}

fn call_item() -> Item {
    Map(vec![
        ("request_type", Text("call")),
        ("canister_id", Bytes(vec![0, 0, 0, 0, 0, 0, 4, 0xd2])),
        ("method_name", Text("hello")),
        ("arg", Bytes(b"DIDL\x00\xfd*".to_vec())),
        ("sender", Bytes(vec![4])),
        ("ingress_expiry", Nat(1_685_570_400_000_000_000)),
    ])
}

fn envelope(content: Item) -> Item {
    Map(vec![("content", content)])
}

fn read(item: &Item) -> Result<Envelope<CallContent>, DecodeError> {
    Envelope::from_cbor(&item.to_bytes())
}

fn check_refused(item: Item, expected: &str) {
    let text = format!("{:?}", read(&item).unwrap_err());
    assert!(text.contains(expected), "{text} for {item:?}");
}

/// The request and the request id of the specification's example.
#[test]
fn a_call_is_read_and_has_its_id() {
    let read = read(&envelope(call_item())).unwrap();
    assert_eq!(read.content.method_name, "hello");
    assert_eq!(read.content.common.sender, Principal::anonymous());
    let expected = "1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101";
    assert_eq!(read.content.message_id().to_string(), expected);
    let included = decode_included(&envelope(call_item()).to_bytes()).unwrap();
    assert_eq!((included.id.to_string(), included.content), (expected.to_owned(), read.content));
}

#[test]
fn forms_that_agents_use_are_read() {
    let plain = read(&envelope(call_item())).unwrap();
    let check = |item: Item| assert_eq!(read(&item).unwrap(), plain, "{item:?}");
    check(Tagged(55799, Box::new(envelope(call_item()))));
    let Map(entries) = call_item() else { unreachable!() };
    check(OpenMap(vec![("content", OpenMap(entries.clone()))]));
    check(envelope(Map(entries.into_iter().rev().collect())));
    let nulls = envelope(call_item().with("nonce", Null).with("sender_info", Null));
    check(
        nulls.with("sender_pubkey", Null).with("sender_sig", Null).with("sender_delegation", Null),
    );
}

#[test]
fn all_fields_are_read() {
    let delegation = Map(vec![
        ("pubkey", Bytes(vec![1])),
        ("expiration", Nat(7)),
        ("targets", OpenArray(vec![Bytes(vec![2]), Bytes(vec![])])),
        ("permissions", Text("queries")),
    ]);
    let info =
        Map(vec![("info", Bytes(vec![3])), ("signer", Bytes(vec![4])), ("sig", Bytes(vec![5]))]);
    let content = call_item().with("nonce", Bytes(vec![9; 32])).with("sender_info", info);
    let link = Map(vec![("delegation", delegation), ("signature", Bytes(vec![6]))]);
    let item = envelope(content)
        .with("sender_pubkey", Bytes(vec![10]))
        .with("sender_delegation", Array(vec![link]))
        .with("sender_sig", Bytes(vec![11]));
    let read = read(&item).unwrap();
    let canister = |bytes: &[u8]| CanisterId(Principal::from_slice(bytes));
    assert_eq!(read.content.common.nonce, Some(vec![9; 32].into()));
    assert_eq!(
        read.content.sender_info,
        Some(SenderInfo { info: vec![3].into(), signer: canister(&[4]), sig: vec![5].into() })
    );
    assert_eq!(read.sender_pubkey, Some(vec![10].into()));
    assert_eq!(read.sender_sig, Some(vec![11].into()));
    let delegation = Delegation {
        pubkey: vec![1].into(),
        expiration: Time(7),
        targets: Some(vec![canister(&[2]), canister(&[])]),
        permissions: Some("queries".to_owned()),
    };
    let signature = vec![6].into();
    assert_eq!(read.sender_delegation, Some(vec![SignedDelegation { delegation, signature }]));
    assert_eq!(Envelope::from_cbor(&read.to_cbor()).unwrap(), read);
}

#[test]
fn fields_share_the_memory_of_the_envelope() {
    let raw = envelope(call_item()).to_bytes();
    let read = Envelope::<CallContent>::from_cbor(&raw).unwrap();
    assert!(raw.as_ptr_range().contains(&read.content.arg.as_ptr()));
}

#[test]
fn queries_and_reads_are_read() {
    let query = envelope(call_item().with("request_type", Text("query"))).to_bytes();
    assert!(Envelope::<QueryContent>::from_cbor(&query).is_ok());
    let reading = envelope(Map(vec![
        ("request_type", Text("read_state")),
        ("sender", Bytes(vec![4])),
        ("ingress_expiry", Nat(1)),
        ("paths", Array(vec![Array(vec![Bytes(b"time".to_vec())]), Array(vec![])])),
    ]))
    .to_bytes();
    let read = Envelope::<ReadStateContent>::from_cbor(&reading).unwrap();
    assert_eq!(read.content.paths, [vec![bytes::Bytes::from_static(b"time")], vec![]]);
    assert_eq!(Envelope::from_cbor(&read.to_cbor()).unwrap(), read);
    let wrong = Envelope::<QueryContent>::from_cbor(&reading).unwrap_err();
    assert!(matches!(wrong, DecodeError::RequestType { expected: "query", .. }), "{wrong:?}");
}

#[test]
fn what_is_missing_double_or_unknown_is_refused() {
    for key in ["request_type", "sender", "ingress_expiry", "canister_id", "method_name", "arg"] {
        check_refused(envelope(call_item().without(key)), "MissingKey");
    }
    check_refused(Map(vec![]), "MissingKey(\"content\")");
    for entry in [("arg", Bytes(vec![])), ("sender", Bytes(vec![4])), ("nonce", Null)] {
        let Map(entries) = call_item().with("nonce", Null) else { unreachable!() };
        check_refused(envelope(Map([entries, vec![entry]].concat())), "DuplicateKey");
    }
    let twice = Map(vec![("content", call_item()), ("content", call_item())]);
    check_refused(twice, "DuplicateKey(\"content\")");
    check_refused(envelope(call_item().with("extra", Nat(1))), "UnknownKey(\"extra\")");
    check_refused(envelope(call_item()).with("extra", Nat(1)), "UnknownKey(\"extra\")");
    check_refused(envelope(call_item().with("paths", Array(vec![]))), "FieldOfOtherType");
    check_refused(envelope(call_item().with("request_type", Text("query"))), "RequestType");
    check_refused(envelope(call_item().with("request_type", Text(""))), "RequestType");
}

#[test]
fn fields_of_calls_do_not_belong_to_reads() {
    let reading = Map(vec![
        ("request_type", Text("read_state")),
        ("sender", Bytes(vec![4])),
        ("ingress_expiry", Nat(1)),
        ("paths", Array(vec![])),
    ]);
    for (key, value) in
        [("canister_id", Bytes(vec![])), ("method_name", Text("m")), ("arg", Bytes(vec![]))]
    {
        let raw = envelope(reading.with(key, value)).to_bytes();
        let error = Envelope::<ReadStateContent>::from_cbor(&raw).unwrap_err();
        assert!(matches!(error, DecodeError::FieldOfOtherType { field, .. } if field == key));
    }
    let raw = envelope(reading.without("paths")).to_bytes();
    assert!(Envelope::<ReadStateContent>::from_cbor(&raw).is_err());
}

#[test]
fn values_of_another_type_are_refused() {
    for (key, value) in [
        ("ingress_expiry", Float(1.0)),
        ("ingress_expiry", Bytes(vec![1])),
        ("ingress_expiry", Tagged(2, Box::new(Bytes(vec![1; 9])))),
        ("sender", Text("2vxsx-fae")),
        ("sender", Null),
        ("sender", Bytes(vec![1; 30])),
        ("canister_id", Bytes(vec![1; 30])),
        ("method_name", Bytes(b"hello".to_vec())),
        ("arg", Array(vec![Nat(1)])),
        ("request_type", Bytes(b"call".to_vec())),
        ("nonce", Nat(1)),
    ] {
        let text = format!("{:?}", read(&envelope(call_item().with(key, value))).unwrap_err());
        assert!(text.contains("Unexpected") || text.contains("Principal"), "{text}");
    }
    check_refused(Array(vec![]), "Unexpected");
    check_refused(Tagged(55798, Box::new(envelope(call_item()))), "Tag(55798)");
    let twice_tagged = Tagged(55799, Box::new(Tagged(55799, Box::new(envelope(call_item())))));
    check_refused(twice_tagged, "Unexpected");
}

#[test]
fn bytes_behind_the_envelope_and_missing_bytes_are_refused() {
    let whole = envelope(call_item()).to_bytes();
    for end in 0..whole.len() {
        assert!(Envelope::<CallContent>::from_cbor(&whole.slice(..end)).is_err(), "{end}");
    }
    let longer = bytes::Bytes::from([&whole[..], &[0]].concat());
    let error = Envelope::<CallContent>::from_cbor(&longer).unwrap_err();
    assert!(format!("{error:?}").contains("TrailingBytes(1)"));
}

#[test]
fn lists_are_bounded() {
    let too_many = "TooMany";
    check_refused(envelope(call_item().with("nonce", Bytes(vec![0; 33]))), too_many);
    let link = |targets: usize| {
        let delegation = Map(vec![
            ("pubkey", Bytes(vec![])),
            ("expiration", Nat(0)),
            ("targets", Array(vec![Bytes(vec![1]); targets])),
        ]);
        Map(vec![("delegation", delegation), ("signature", Bytes(vec![]))])
    };
    let chain = |length: usize, targets: usize| {
        envelope(call_item()).with("sender_delegation", Array(vec![link(targets); length]))
    };
    assert!(read(&chain(20, 1)).is_ok());
    check_refused(chain(21, 1), too_many);
    assert!(read(&chain(1, 1000)).is_ok());
    check_refused(chain(1, 1001), too_many);
    let reading = |paths: usize, labels: usize| {
        let content = Map(vec![
            ("request_type", Text("read_state")),
            ("sender", Bytes(vec![4])),
            ("ingress_expiry", Nat(1)),
            ("paths", Array(vec![Array(vec![Bytes(vec![]); labels]); paths])),
        ]);
        Envelope::<ReadStateContent>::from_cbor(&envelope(content).to_bytes())
    };
    assert!(reading(1000, 1).is_ok() && reading(1, 127).is_ok());
    assert!(matches!(reading(1001, 1), Err(DecodeError::TooMany { max: 1000, .. })));
    assert!(matches!(reading(1, 128), Err(DecodeError::TooMany { max: 127, .. })));
}

/// A length that is announced but not there must not be believed.
#[test]
fn a_huge_length_costs_nothing() {
    let head = b"\xa1\x67content\xa1\x65paths\x9b\xff\xff\xff\xff\xff\xff\xff\xff";
    let raw = bytes::Bytes::from_static(head);
    assert!(Envelope::<ReadStateContent>::from_cbor(&raw).is_err());
    let raw = bytes::Bytes::from_static(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff");
    assert!(Envelope::<ReadStateContent>::from_cbor(&raw).is_err());
    let raw = bytes::Bytes::from_static(
        b"\xa1\x67content\xa1\x63arg\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    );
    assert!(Envelope::<CallContent>::from_cbor(&raw).is_err());
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(bytes: Vec<u8>, at in any::<prop::sample::Index>(), to: u8) {
        let raw = bytes::Bytes::from(bytes);
        let _ = Envelope::<CallContent>::from_cbor(&raw);
        let _ = Envelope::<ReadStateContent>::from_cbor(&raw);
        let mut changed = envelope(call_item()).to_bytes().to_vec();
        let at = at.index(changed.len());
        changed[at] = to;
        if let Ok(read) = Envelope::<CallContent>::from_cbor(&changed.into()) {
            prop_assert_eq!(Envelope::from_cbor(&read.to_cbor()).unwrap(), read);
        }
    }

    #[test]
    fn what_is_written_is_read(
        sender in prop::collection::vec(any::<u8>(), 0..=29),
        expiry: u64,
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 0..=32)),
        method_name: String,
        arg: Vec<u8>,
    ) {
        let common = Common {
            sender: Principal::from_slice(&sender),
            ingress_expiry: Time(expiry),
            nonce: nonce.map(Into::into),
        };
        let canister_id = CanisterId::from_index(3);
        let arg = arg.into();
        let content = CallContent { common, canister_id, method_name, arg, sender_info: None };
        let envelope = Envelope::anonymous(content);
        prop_assert_eq!(Envelope::from_cbor(&envelope.to_cbor()).unwrap(), envelope);
    }
}
