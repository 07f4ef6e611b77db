//! Request bodies: read within a size, a time, and a budget of memory that all requests share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Limits, Refusal};

/// How much of a body that is too large is read and thrown away before it is refused, in
/// multiples of the limit: a client that is still writing reads no answer.
const DISCARD_FACTOR: usize = 4;

/// Reads bodies; holds the memory budget.
pub(crate) struct BodyReader {
    bytes_max: usize,
    time_max: Duration,
    budget_kib: Arc<Semaphore>,
}

/// A body in memory, with its part of the budget.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    _budget: Option<OwnedSemaphorePermit>,
}

impl ReadBody {
    /// One that this node made itself.
    pub(crate) fn own(bytes: Bytes) -> Self {
        Self { bytes, _budget: None }
    }
}

/// A part of the budget for an answer that is put together; grows with it.
pub(crate) struct Room {
    budget_kib: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Takes what is still missing for so many bytes in all.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = take(&self.budget_kib, bytes.div_ceil(1024).saturating_sub(held))?;
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

fn take(budget_kib: &Arc<Semaphore>, kib: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    let permit = Arc::clone(budget_kib).try_acquire_many_owned(kib);
    permit.map_err(|_| Refusal::Overloaded { kind: "body" })
}

impl BodyReader {
    pub(crate) fn new(bytes_max: usize, limits: &Limits) -> Self {
        let budget_kib = Arc::new(Semaphore::new(limits.body_bytes_in_flight_max / 1024));
        Self { bytes_max, time_max: limits.body_timeout, budget_kib }
    }

    /// Reads a body of CBOR.
    pub(crate) async fn read_cbor(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<ReadBody, Refusal> {
        match is_cbor(headers) {
            true => self.read(headers, body).await,
            false => Err(Refusal::MediaType),
        }
    }

    /// Reads a body. What its head announces is checked and takes no part of the budget: a client
    /// that announces much and sends nothing shuts out nobody.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<ReadBody, Refusal> {
        let read = tokio::time::timeout(self.time_max, self.collect(headers, body)).await;
        read.map_err(|_| Refusal::BodyTimeout { seconds: self.time_max.as_secs() })?
    }

    async fn collect(&self, headers: &HeaderMap, body: Body) -> Result<ReadBody, Refusal> {
        let announced = announced_bytes(headers).unwrap_or(0);
        let too_large = || Refusal::BodyTooLarge { bytes_max: self.bytes_max };
        if announced > self.bytes_max.saturating_mul(DISCARD_FACTOR) {
            return Err(too_large());
        }
        let mut budget = take(&self.budget_kib, 1)?;
        let mut frames = body.into_data_stream();
        let mut read = 0usize;
        let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|_| Refusal::BodyBroken)?;
            read = read.saturating_add(frame.len());
            if read > self.bytes_max.saturating_mul(DISCARD_FACTOR) {
                break;
            }
            if read > self.bytes_max {
                joined = BytesMut::new();
                continue;
            }
            let more = read.div_ceil(1024).saturating_sub(budget.num_permits());
            budget.merge(take(&self.budget_kib, more)?);
            // Most bodies come in one frame, which then needs no copy.
            match (first.is_empty(), joined.is_empty()) {
                (true, true) => first = frame,
                (_, true) => {
                    joined.extend_from_slice(&first);
                    joined.extend_from_slice(&frame);
                }
                (_, false) => joined.extend_from_slice(&frame),
            }
        }
        match (read > self.bytes_max, joined.is_empty()) {
            (true, _) => Err(too_large()),
            (false, true) => Ok(ReadBody { bytes: first, _budget: Some(budget) }),
            (false, false) => Ok(ReadBody { bytes: joined.freeze(), _budget: Some(budget) }),
        }
    }

    /// Room for an answer; none is taken yet.
    pub(crate) fn room(&self) -> Room {
        Room { budget_kib: Arc::clone(&self.budget_kib), held: None }
    }
}

fn is_cbor(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/cbor")
}

fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(frames: &[&'static [u8]], expected: Result<&[u8], usize>) {
        let frames: Vec<_> = frames.iter().map(|f| Ok::<_, std::io::Error>(*f)).collect();
        let body = Body::from_stream(futures::stream::iter(frames));
        let reader = BodyReader::new(4, &Limits::default());
        match (reader.read(&HeaderMap::new(), body).await, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read.bytes, expected),
            (Err(Refusal::BodyTooLarge { bytes_max }), Err(max)) => assert_eq!(bytes_max, max),
            (outcome, _) => panic!("{outcome:?}, expected {expected:?}"),
        }
    }

    #[tokio::test]
    async fn bodies_are_joined_and_bounded() {
        check(&[], Ok(b"")).await;
        check(&[b"abcd"], Ok(b"abcd")).await;
        check(&[b"a", b"", b"bc", b"d"], Ok(b"abcd")).await;
        check(&[b"", b"ab"], Ok(b"ab")).await;
        check(&[b"abcde"], Err(4)).await;
        check(&[b"abc", b"de", b"f"], Err(4)).await;
        check(&[b"abcdefghijkl", b"mnopqrstuvwxyz"], Err(4)).await;
    }

    #[tokio::test]
    async fn the_memory_budget_is_shared_and_given_back() {
        let limits = Limits { body_bytes_in_flight_max: 2048, ..Limits::default() };
        let reader = BodyReader::new(1024, &limits);
        let headers = HeaderMap::new();
        let read = || reader.read(&headers, Body::from("x"));
        let (one, two) = (read().await, read().await);
        assert!(one.is_ok() && two.is_ok());
        assert!(matches!(read().await, Err(Refusal::Overloaded { kind: "body" })));
        drop(one);
        assert!(read().await.is_ok());
    }

    /// Holding the budget by an announcement would be free for whoever makes it.
    #[tokio::test]
    async fn announced_bytes_take_no_budget_before_they_come() {
        let limits = Limits {
            body_bytes_in_flight_max: 3 * 1024,
            body_timeout: Duration::from_secs(600),
            ..Limits::default()
        };
        let reader = BodyReader::new(2048, &limits);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, axum::http::HeaderValue::from(2048));
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        let mut idle = std::pin::pin!(reader.read(&headers, Body::from_stream(never)));
        assert!(futures::poll!(idle.as_mut()).is_pending());
        let whole = reader.read(&headers, Body::from(vec![0; 2048])).await;
        assert_eq!(whole.expect("there is room for it").bytes.len(), 2048);
    }

    #[tokio::test]
    async fn a_body_that_comes_in_parts_pays_for_all_of_them() {
        let limits = Limits { body_bytes_in_flight_max: 2 * 1024, ..Limits::default() };
        let reader = BodyReader::new(10_000, &limits);
        let part = || Ok::<_, std::io::Error>(Bytes::from(vec![0; 1000]));
        let parts =
            |count| Body::from_stream(futures::stream::iter((0..count).map(move |_| part())));
        assert!(reader.read(&HeaderMap::new(), parts(2)).await.is_ok());
        let refused = reader.read(&HeaderMap::new(), parts(3)).await;
        assert!(matches!(refused, Err(Refusal::Overloaded { kind: "body" })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let limits = Limits { body_timeout: Duration::ZERO, ..Limits::default() };
        let reader = BodyReader::new(4, &limits);
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        let outcome = reader.read(&HeaderMap::new(), Body::from_stream(never)).await;
        assert!(matches!(outcome, Err(Refusal::BodyTimeout { .. })), "{outcome:?}");
    }
}
