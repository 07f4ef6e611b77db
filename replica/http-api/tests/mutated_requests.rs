//! Requests of the anonymous sender, who signs nothing, changed: so the changes get past the
//! signature, to the paths of `read_state` and the routing of calls. Every answer is one of the
//! specified ones, and never an error of the server.

mod fixture;
#[path = "../../../fuzz/mutations.rs"]
mod mutations;

use fixture::client::{Key, message, read_state};
use fixture::{START, TestChain, post};
use mutations::for_each_mutant;
use types::{CanisterId, MANAGEMENT_CANISTER, Principal, Time};

const MUTANTS: u64 = 12_000;

const SOON: Time = Time(START.0 + 60_000_000_000);

fn envelopes(canister: CanisterId, subnet: &[u8]) -> Vec<Vec<u8>> {
    let sender = Principal::anonymous();
    let id = canister.as_slice();
    let paths: [Vec<&[u8]>; 10] = [
        vec![b"time"],
        vec![b"subnet"],
        vec![b"subnet", subnet, b"metrics"],
        vec![b"subnet", subnet, b"node", b"x", b"public_key"],
        vec![b"canister_ranges", subnet],
        vec![b"request_status", &[1; 32], b"status"],
        vec![b"canister", id, b"controllers"],
        vec![b"canister", id, b"metadata", b"open"],
        vec![b"canister", id, b"metadata", b"closed"],
        vec![b"api_boundary_nodes", id, b"domain"],
    ];
    let singles = paths.iter().map(|path| vec![path.clone()]);
    let reads = singles.map(|paths| Key::Anonymous.envelope(&read_state(&sender, &paths, SOON)));
    let argument = [b"DIDL\x01\x6c\x01\xb3\xc4\xb1\xf2\x04\x68\x01\x00\x01\x0a", id].concat();
    let messages = ["call", "query"].into_iter().flat_map(|kind| {
        let echo = message(kind, &sender, &canister, "echo", b"argument", SOON);
        let status =
            message(kind, &sender, &MANAGEMENT_CANISTER, "canister_status", &argument, SOON);
        [echo, status].map(|content| Key::Anonymous.envelope(&content))
    });
    reads.chain(messages).collect()
}

#[test]
fn changed_requests_get_a_specified_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let chain = TestChain::new();
    let canister = chain.add_canister(Principal::self_authenticating([1]));
    let subnet = chain.chain.subnet_id;
    let router = chain.router();
    let url = |version: u8, of: &str, kind: &str| format!("/api/v{version}/{of}/{kind}");
    let (of_canister, of_subnet) = (format!("canister/{canister}"), format!("subnet/{subnet}"));
    let reads = [&of_canister, &of_subnet]
        .iter()
        .flat_map(|of| [2, 3].map(|version| url(version, of, "read_state")))
        .collect::<Vec<_>>();
    let calls =
        [url(2, &of_canister, "call"), url(4, &of_canister, "call"), url(4, &of_subnet, "call")];
    let queries = [2, 3].map(|version| url(version, &of_canister, "query"));
    let samples = envelopes(canister, subnet.as_slice());
    let (mut turn, mut served) = (0, 0);
    for_each_mutant(&samples, MUTANTS, |bytes| {
        turn += 1;
        let has = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        let urls = match (has(b"read_state"), has(b"query")) {
            (true, _) => &reads[..],
            (false, true) => &queries,
            (false, false) => &calls,
        };
        let url = &urls[turn % urls.len()];
        let answer = runtime.block_on(post(&router, url, bytes.to_vec()));
        let status = answer.status;
        let is_specified = status.is_success() || status.is_client_error();
        assert!(is_specified, "{url}: {status} {}", String::from_utf8_lossy(&answer.body));
        served += u64::from(status.is_success());
    });
    assert!(served > MUTANTS / 50, "only {served} of the changed requests are served");
}
