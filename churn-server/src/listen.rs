//! Connections: taken in, kept within bounds, and brought to an end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

/// Connections at once; who comes later waits to be taken in.
const CONNECTIONS: usize = 10_000;

/// How long the head of a request may take to come, and a connection may be kept without one.
const HEAD: Duration = Duration::from_secs(75);

/// Serves connections until it is told to stop; then no new ones are taken, idle ones are closed, and running requests have
/// so much time to end.
pub async fn listen(listener: TcpListener, app: Router, stop: &CancellationToken, time_to_end: Duration) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let taken = async {
            // The semaphore is never closed.
            let room = Arc::clone(&room).acquire_owned().await.ok();
            listener.accept().await.map(|(stream, peer)| (stream, peer, room))
        };
        let (stream, peer, room) = tokio::select! {
            () = stop.cancelled() => break,
            taken = taken => match taken {
                Ok(taken) => taken,
                Err(error) => {
                    // Such as too many open files: others have to close some first.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers must not wait for more to come. A failure only makes them slower.
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(with_peer(app.clone(), peer)));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection broke");
            }
            drop(room);
        });
    }
    drop(listener);
    if tokio::time::timeout(time_to_end, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut");
    }
}

/// The routes for one connection, whose other end they can know.
fn with_peer(
    app: Router,
    peer: SocketAddr,
) -> impl tower::Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request)
    })
}
