//! `GET /api/v2/status`: what an agent asks first.

use axum::extract::State;
use axum::response::Response;
use minicbor::Encoder;
use replica_crypto::cbor;

use crate::answer::cbor_answer;
use crate::shared::Shared;

/// The version of the interface specification that this implements.
const IC_API_VERSION: &str = "0.66.0";

/// Answers with the status map. `root_key` and `impl_hash` are left out until they are known.
pub(crate) async fn status(State(shared): State<Shared>) -> Response {
    cbor_answer(encode(&shared))
}

fn encode(shared: &Shared) -> Vec<u8> {
    let api = &shared.api;
    let chain = api.node.chain();
    let program_hash = api.program_hash.get();
    let height = api.certified.latest().map_or(0, |snapshot| snapshot.height.0);
    let mut map = Encoder::new(Vec::with_capacity(512));
    cbor::put_self_describing_tag(&mut map);
    cbor::put_map(&mut map, 4 + u64::from(chain.is_some()) + u64::from(program_hash.is_some()));
    cbor::put_text(&mut map, "ic_api_version");
    cbor::put_text(&mut map, IC_API_VERSION);
    cbor::put_text(&mut map, "impl_version");
    cbor::put_text(&mut map, &api.version.0);
    if let Some(hash) = program_hash {
        cbor::put_text(&mut map, "impl_hash");
        cbor::put_text(&mut map, hash);
    }
    if let Some(chain) = chain {
        cbor::put_text(&mut map, "root_key");
        cbor::put_bytes(&mut map, &chain.root_key_der);
    }
    cbor::put_text(&mut map, "replica_health_status");
    cbor::put_text(&mut map, shared.health().as_str());
    cbor::put_text(&mut map, "certified_height");
    cbor::put_u64(&mut map, height);
    map.into_writer()
}
