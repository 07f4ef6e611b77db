//! A router on a socket.

use axum::Router;
use tokio::net::TcpListener;

/// Serves until the runtime that it was started on goes away. An error of one connection, such as
/// no free file descriptor, ends nothing: the listener waits and accepts again.
pub async fn serve(listener: TcpListener, router: Router) {
    // Small answers leave at once instead of waiting for more to send.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!(error:% = error; "a connection keeps its delay");
        }
    });
    if let Err(error) = axum::serve(listener, router).await {
        log::error!(error:% = error; "the HTTP server has ended");
    }
}
