//! One request of a browser, from the question to the canister to the whole answer.
//!
//! ```text
//!  http_request (query) -> upgrade?  yes: http_request_update (call), whose reply is certified
//!                       -> rest?     ask the streaming callback until there is none
//!                       -> verify    the whole body with its certificate
//!                       -> 206 that nobody asked for: ask for the ranges behind, each verified
//! ```
//!
//! All of it blocks a thread; only the call is waited for elsewhere, between [`Exchange::ask`] and
//! [`Exchange::finish`].

use bytes::Bytes;
use replica_ingress::envelope::Common;
use replica_ingress::{CallContent, Envelope, QueryContent};
use types::{CanisterId, Principal, Time, UserError};

use super::message::{Answered, Asked, MessageError, Part, Rest, token_to_candid};
use super::range::{ContentRange, RangeError};
use super::target::Target;
use super::verification::{Authority, Certified, VerificationError, verify};
use crate::body::Room;
use crate::effective::Effective;
use crate::shared::Shared;
use crate::{Refusal, requests};

/// Bytes of a body that is put together from parts. All of it is held until it is verified.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Parts of one body.
const PARTS_MAX: usize = 1_000;

/// How long a call of the gateway is valid: longer than anybody waits for it.
const CALL_VALID_MS: u64 = 60_000;

/// Headers that concern a connection, or that follow from the body.
const NOT_PASSED_ON: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that is on its way to its answer.
pub(crate) struct Exchange {
    pub(crate) shared: Shared,
    pub(crate) target: Target,
    pub(crate) asked: Asked,
}

/// How far a query got.
pub(crate) enum Step {
    /// All is there.
    Whole(Whole),
    /// The canister wants to be called.
    Upgrade,
}

/// An answer as it goes to the browser.
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// The part of the node's memory for bodies that it takes.
    pub(crate) room: Room,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Refusal(#[from] Refusal),
    #[error("{0}")]
    Rejected(UserError),
    #[error("the call is not over yet; its outcome will not be shown here")]
    Slow,
    #[error("it does not follow the HTTP gateway protocol: {0}")]
    Message(#[from] MessageError),
    #[error("{0}")]
    NotCertified(#[from] VerificationError),
    #[error("its parts do not fit together: {0}")]
    Range(#[from] RangeError),
    #[error("the header {0} of the request is not text")]
    RequestHeader(String),
    #[error("it has a header {0:?} that HTTP does not have")]
    Header(String),
    #[error("it has the status {0}, which is none of an answer")]
    Status(u16),
    #[error("it has more than {BODY_BYTES_MAX} bytes or {PARTS_MAX} parts")]
    TooLarge,
}

impl Exchange {
    /// Asks the canister by a query.
    pub(crate) fn ask(&self) -> Result<Step, Failure> {
        let first = self.http_request(&self.asked)?;
        if first.upgrade {
            return Ok(Step::Upgrade);
        }
        let mut room = self.shared.bodies.room();
        let whole = self.with_rest(first, &mut room)?;
        let (status, mut headers) = self.certified(&self.asked, &whole)?;
        if status != 206 || self.asked.header("range").is_some() {
            return Ok(Step::Whole(Whole { status, headers, body: whole.body.into(), room }));
        }
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-range"));
        let body = self.with_ranges(whole, &mut room)?.into();
        Ok(Step::Whole(Whole { status: 200, headers, body, room }))
    }

    /// The envelope of the call that the canister wants instead.
    pub(crate) fn call(&self, nonce: [u8; 32]) -> Result<Bytes, Failure> {
        let now = self.shared.api.clock.now();
        let content = CallContent {
            common: common(now.plus_ms(CALL_VALID_MS), Some(Bytes::copy_from_slice(&nonce))),
            canister_id: self.target.canister,
            method_name: "http_request_update".into(),
            arg: self.asked.to_candid()?.into(),
            sender_info: None,
        };
        Ok(Envelope::anonymous(content).to_cbor())
    }

    /// Makes the answer out of the reply to that call, which the subnet has certified.
    pub(crate) fn finish(&self, reply: &[u8]) -> Result<Whole, Failure> {
        let mut room = self.shared.bodies.room();
        let whole = self.with_rest(Answered::from_candid(reply)?, &mut room)?;
        let headers = passed_on(whole.headers);
        Ok(Whole { status: whole.status, headers, body: whole.body.into(), room })
    }

    fn http_request(&self, asked: &Asked) -> Result<Answered, Failure> {
        let reply = self.query(self.target.canister, "http_request", asked.to_candid()?)?;
        Ok(Answered::from_candid(&reply)?)
    }

    /// A query of the anonymous sender, admitted as one that came over the wire.
    fn query(&self, canister: CanisterId, method: &str, arg: Vec<u8>) -> Result<Bytes, Failure> {
        let api = &self.shared.api;
        let content = QueryContent {
            common: common(api.clock.now().plus_ms(CALL_VALID_MS), None),
            canister_id: canister,
            method_name: method.to_owned(),
            arg: arg.into(),
            sender_info: None,
        };
        let envelope = Envelope::anonymous(content).to_cbor();
        let query = requests::query(&self.shared, Effective::Canister(canister), &envelope)?;
        let snapshot = self.shared.ready()?.snapshot;
        let certificate = snapshot.data_certificate(&canister);
        api.execution.query(&snapshot.state, &query, certificate).map_err(Failure::Rejected)
    }

    /// Adds what the streaming callback gives.
    fn with_rest(&self, mut answer: Answered, room: &mut Room) -> Result<Answered, Failure> {
        room.hold(answer.body.len())?;
        let Some(Rest { canister, method, token }) = answer.rest.take() else { return Ok(answer) };
        let mut next = Some(token);
        for _ in 0..PARTS_MAX {
            let Some(token) = next else { return Ok(answer) };
            let reply = self.query(canister, &method, token_to_candid(&token)?)?;
            let part = Part::from_candid(&reply)?;
            extend(&mut answer.body, &part.body, room)?;
            next = part.token;
        }
        match next {
            None => Ok(answer),
            Some(_) => Err(Failure::TooLarge),
        }
    }

    /// Adds the ranges behind the first one: large assets are certified range by range.
    fn with_ranges(&self, first: Answered, room: &mut Room) -> Result<Vec<u8>, Failure> {
        let range = ContentRange::of(&first)?;
        if range.total > BODY_BYTES_MAX {
            return Err(Failure::TooLarge);
        }
        let mut body = range.fresh(&first.body, 0)?.to_vec();
        for _ in 0..PARTS_MAX {
            if body.len() >= range.total {
                return Ok(body);
            }
            let mut asked = self.asked.clone();
            asked.headers.push(("range".into(), format!("bytes={}-", body.len())));
            let answer = self.http_request(&asked)?;
            self.certified(&asked, &answer)?;
            let next = ContentRange::of(&answer)?.of_same(&range)?;
            let fresh = next.fresh(&answer.body, body.len())?;
            extend(&mut body, fresh, room)?;
        }
        Err(Failure::TooLarge)
    }

    /// Status and headers to pass on, once the answer is found certified if it must be.
    fn certified(
        &self,
        asked: &Asked,
        answered: &Answered,
    ) -> Result<(u16, Vec<(String, String)>), Failure> {
        let all = || passed_on(answered.headers.clone());
        if !self.target.certified {
            return Ok((answered.status, all()));
        }
        let chain = self.shared.ready()?.chain;
        let authority = Authority {
            canister: self.target.canister,
            root_key_der: &chain.root_key_der,
            now: self.shared.api.clock.now(),
            body_bytes_max: BODY_BYTES_MAX,
        };
        let headers = match verify(asked, answered, &authority)? {
            Certified::Exempt => all(),
            Certified::Headers(headers) => passed_on(headers),
            // How long others may keep it is not for an uncertified header to say.
            Certified::Body => {
                let mut headers = all();
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cache-control"));
                headers
            }
        };
        Ok((answered.status, headers))
    }
}

fn common(ingress_expiry: Time, nonce: Option<Bytes>) -> Common {
    Common { sender: Principal::anonymous(), ingress_expiry, nonce }
}

fn extend(body: &mut Vec<u8>, part: &[u8], room: &mut Room) -> Result<(), Failure> {
    if body.len() + part.len() > BODY_BYTES_MAX {
        return Err(Failure::TooLarge);
    }
    room.hold(body.len() + part.len())?;
    body.extend_from_slice(part);
    Ok(())
}

fn passed_on(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !NOT_PASSED_ON.iter().any(|not| name.eq_ignore_ascii_case(not)));
    headers
}
