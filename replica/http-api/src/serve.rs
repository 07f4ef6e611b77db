//! A router on a socket, with bounds on what a client may hold.
//!
//! A connection is *quiet* while no request of it is being answered: before its first request,
//! while the head of a request trickles in, between two requests, and while the client reads an
//! answer. One that is quiet for too long is closed. (The timer of the HTTP library is not used:
//! it runs neither before the first byte, nor for HTTP/2, nor while a client reads slowly.) How
//! long a request may be answered is not decided here: bodies and waiting calls have their own
//! timeouts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::serve::Listener;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tower::Service as _;

use crate::Limits;

/// Bytes that one HTTP/1 connection may buffer, and so the most that the head of a request has.
/// A head of the largest legitimate request is below 1 KiB.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Serves until the runtime that it was started on goes away. An error of one connection, such as
/// no free file descriptor, ends nothing: the listener waits and accepts again. While there are
/// [`Limits::connections_max`] connections, others wait in the queue of the kernel.
pub async fn serve(mut listener: TcpListener, router: Router, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, _) = Listener::accept(&mut listener).await;
        tokio::spawn(serve_one(stream, router.clone(), limits.clone(), place));
    }
}

async fn serve_one(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    _place: OwnedSemaphorePermit,
) {
    // Small answers leave at once instead of waiting for more to send.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!(error:% = error; "a connection keeps its delay");
    }
    let activity = Arc::new(Activity::begun());
    let counting = Arc::clone(&activity);
    let service = tower::service_fn(move |request: Request<_>| {
        let answering = Answering::begin(Arc::clone(&counting));
        let answer = router.clone().call(request.map(Body::new));
        async move {
            let answer = answer.await;
            drop(answering);
            answer
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder.http2().timer(TokioTimer::new());
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::select! {
        result = connection => if let Err(error) = result {
            log::debug!(error:% = error; "a connection ended in an error");
        },
        () = activity.too_quiet(&limits) => log::debug!("a quiet connection is closed"),
    }
}

/// What one connection is doing.
struct Activity(Mutex<Doing>);

#[derive(Clone, Copy)]
struct Doing {
    /// Requests that are being answered; several only in HTTP/2.
    answering: usize,
    /// Whether there was a request at all.
    has_asked: bool,
    /// When it was accepted, or the last answer was ready.
    quiet_since: Instant,
}

impl Activity {
    fn begun() -> Self {
        Self(Mutex::new(Doing { answering: 0, has_asked: false, quiet_since: Instant::now() }))
    }

    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves once the connection has been quiet for too long. Requests do not wake it: it looks
    /// when it could be time at the earliest.
    async fn too_quiet(&self, limits: &Limits) {
        loop {
            let (now, doing) = (Instant::now(), *self.doing());
            let end = match doing {
                Doing { answering: 1.., .. } => now + limits.idle_timeout,
                Doing { has_asked: true, quiet_since, .. } => quiet_since + limits.idle_timeout,
                Doing { quiet_since, .. } => quiet_since + limits.head_timeout,
            };
            if end <= now {
                return;
            }
            sleep_until(end.min(now + limits.idle_timeout)).await;
        }
    }
}

/// A request that is being answered; also one whose client goes away meanwhile.
struct Answering(Arc<Activity>);

impl Answering {
    fn begin(activity: Arc<Activity>) -> Self {
        let mut doing = activity.doing();
        doing.answering += 1;
        doing.has_asked = true;
        drop(doing);
        Self(activity)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut doing = self.0.doing();
        doing.answering -= 1;
        doing.quiet_since = Instant::now();
    }
}
