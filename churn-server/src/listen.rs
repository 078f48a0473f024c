//! Connections: accepting, limits and graceful shutdown.

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

/// Maximum number of open connections; further ones wait to be accepted.
const CONNECTIONS: usize = 10_000;

/// Maximum time until the head of a request has arrived. It also limits how long a connection may stay idle.
const HEAD: Duration = Duration::from_secs(75);

/// Serves connections until it is told to stop. Then it accepts no more, closes idle ones, and gives running requests
/// `time_to_end` to end.
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
                    // For example too many open files: other connections must be closed first.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small responses are sent without delay. If this fails, they are only slower.
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

/// Adds the address of the client to the requests of one connection.
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
