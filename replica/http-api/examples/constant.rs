//! The limit that queries are measured against: the same HTTP server on the same sockets, which
//! answers every POST with one constant of the size of a small query's answer.
//!
//! `cargo run --release -p replica-http-api --example constant -- 127.0.0.1:9000`

use std::error::Error;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::routing::post;
use bytes::Bytes;
use replica_http_api::Limits;
use tokio::net::TcpListener;

/// Bytes of the answer to a query with a reply of some 30 bytes: the reply, a signature of 64
/// bytes, a node id of 29, and the names of the fields.
const ANSWER_BYTES: usize = 220;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: constant ADDRESS:PORT")?;
    let listener = TcpListener::bind(&address).await?;
    println!("{}", listener.local_addr()?);
    replica_http_api::serve(listener, router(), Limits::default()).await;
    Ok(())
}

/// The body is read, as every server must, and not looked at.
fn router() -> Router {
    let cbor = HeaderValue::from_static("application/cbor");
    let answer = Bytes::from_static(&[0x20; ANSWER_BYTES]);
    let handler = move |_body: Bytes| async move { ([(header::CONTENT_TYPE, cbor)], answer) };
    Router::new().fallback_service(post(handler))
}
