//! Memory for request bodies that are read as a whole; all of them are JSON. The bytes of a body are limited per request, and
//! the memory of all bodies is limited per organization and in total.
//!
//! A body reserves memory in the share of its organization before its first byte is read, and in the total once it has arrived.
//! So a slow sender never keeps another organization waiting. Both reservations last until the request is answered, because the
//! parsed values live as long. Without free memory a body waits in order of arrival; `REQUEST_TIMEOUT_SECONDS` ends the wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::HttpBody;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{ApiError, Result};

/// Bytes of memory for the bodies of one organization at a time. It is more if one body of the maximum length needs more.
const EACH: usize = 10_000_000;

/// Bytes that memory is reserved for at first if the length of a body is not announced. Most bodies are shorter.
const SHORT: usize = 32_000;

/// Memory for the bodies of all organizations, as a multiple of the share of one.
const ALL: usize = 4;

/// Maximum length of one kind of body, and the memory that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// Maximum bytes of the body.
    pub bytes: usize,
    /// Maximum bytes of memory per byte of the body: as text, as a tree, and as values.
    pub factor: usize,
    /// Name of the variable that sets `bytes`, if there is one.
    pub setting: Option<&'static str>,
}

impl BodyLimit {
    /// Limit of settings: a few hundred bytes, or 13,000 with a thousand cutoffs. They are parsed into a tree, in which
    /// `{"":0},` takes 670 bytes (the node of a map), and copied once.
    pub const SETTINGS: BodyLimit = BodyLimit { bytes: 20_000, factor: 250, setting: None };

    /// Limit of the transactions of one customer: `{"event_date":"2025-01-01"},` becomes 72 bytes, up to twice that while the
    /// list grows.
    pub fn of_transactions(max_body_bytes: usize) -> BodyLimit {
        BodyLimit { bytes: max_body_bytes, factor: 8, setting: Some("MAX_BODY_BYTES") }
    }

    /// Returns the limit of the route of a request.
    pub(crate) fn of(request: &Request) -> BodyLimit {
        request.extensions().get().copied().unwrap_or(BodyLimit::SETTINGS)
    }

    fn exceeded(&self) -> ApiError {
        ApiError::too_large(self.bytes as u64, self.setting)
    }

    /// Returns the memory that a body of this length takes.
    pub(crate) fn memory(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.factor)
    }
}

/// The organization whose share a body is counted in: the one that the token gave access to.
#[derive(Clone, Debug)]
pub(crate) struct BodyOwner(pub(crate) String);

/// Holds the reservation of a request's body until the request is answered.
#[derive(Clone, Debug)]
struct BodyReservation {
    /// Length of the body, if the sender announced it.
    announced: Option<u64>,
    room: Arc<Mutex<Option<Room>>>,
}

/// Middleware that holds the reservation of a request's body until the request is answered.
pub(crate) async fn hold_reservation(mut request: Request, next: Next) -> Response {
    let reservation = BodyReservation { announced: request.body().size_hint().exact(), room: Arc::default() };
    request.extensions_mut().insert(reservation.clone());
    let response = next.run(request).await;
    drop(reservation);
    response
}

/// Memory budget of request bodies.
#[derive(Debug)]
pub struct Bodies {
    each: usize,
    all: Arc<Semaphore>,
    /// Semaphore of each organization that has a body; the others are removed.
    own: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Reserved memory, of the organization and of the total. It is freed on drop.
#[derive(Debug)]
struct Room {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Bodies {
    /// Creates a budget for bodies of at most `max_body_bytes`.
    pub fn new(max_body_bytes: usize) -> Bodies {
        let limit = BodyLimit::of_transactions(max_body_bytes);
        Bodies::of(EACH.max(limit.memory(limit.bytes)))
    }

    fn of(each: usize) -> Bodies {
        // One permit is one byte. The number of permits in a request is a 32-bit number.
        let each = each.min(u32::MAX as usize);
        Bodies { each, all: Arc::new(Semaphore::new(ALL * each)), own: Mutex::default() }
    }

    /// Waits for `bytes` of an organization's share, or for the whole share if that is less.
    async fn share(&self, org_id: &str, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let bytes = bytes.min(self.each) as u32;
        let own = {
            let mut all = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get(org_id).and_then(Weak::upgrade) {
                Some(own) => own,
                None => {
                    all.retain(|_, own| own.strong_count() > 0);
                    let own = Arc::new(Semaphore::new(self.each));
                    all.insert(org_id.to_owned(), Arc::downgrade(&own));
                    own
                }
            }
        };
        own.acquire_many_owned(bytes).await.map_err(closed)
    }

    /// Reduces the reservation of the organization to `bytes`, and waits for as many bytes of the total.
    async fn room(&self, mut own: OwnedSemaphorePermit, bytes: usize) -> Result<Room> {
        let bytes = bytes.min(self.each);
        drop(own.split(own.num_permits().saturating_sub(bytes)));
        let all = Arc::clone(&self.all).acquire_many_owned(bytes as u32).await.map_err(closed)?;
        Ok(Room { _own: own, _all: all })
    }

    /// Reads the whole body of a request. A body whose announced length exceeds the limit is refused before it is read. A body
    /// without an announced length is read up to the limit. It reserves memory for a short body first, and for the maximum if it
    /// turns out to be longer.
    ///
    /// # Errors
    /// `payload_too_large`; `upload_broken` if it ends early.
    pub(crate) async fn read(&self, request: Request, limit: BodyLimit) -> Result<Bytes> {
        let (parts, body) = request.into_parts();
        let reservation = parts.extensions.get::<BodyReservation>();
        let announced = reservation.and_then(|reservation| reservation.announced);
        let most = match announced {
            Some(length) if length > limit.bytes as u64 => return Err(limit.exceeded()),
            Some(length) => length as usize,
            None => limit.bytes,
        };
        let owner = parts.extensions.get::<BodyOwner>().map_or("", |BodyOwner(org_id)| org_id);
        let mut reserved = if announced.is_some() { most } else { SHORT.min(most) };
        let mut share = self.share(owner, limit.memory(reserved)).await?;
        let (mut bytes, mut stream) = (BytesMut::with_capacity(announced.map_or(0, |_| most)), body.into_data_stream());
        while let Some(piece) = stream.next().await {
            let piece = piece
                .map_err(|error| ApiError::bad_request("upload_broken", format!("the body broke off: {error}")))?;
            if piece.len() > most - bytes.len() {
                return Err(limit.exceeded());
            }
            if piece.len() > reserved - bytes.len() {
                // The first reservation is given back before the second is made: bodies that keep one while they wait for
                // another could wait for each other forever.
                drop(share);
                reserved = most;
                share = self.share(owner, limit.memory(reserved)).await?;
            }
            bytes.extend_from_slice(&piece);
        }
        let room = self.room(share, limit.memory(bytes.len())).await?;
        if let Some(reservation) = reservation {
            *reservation.room.lock().unwrap_or_else(PoisonError::into_inner) = Some(room);
        }
        Ok(bytes.freeze())
    }
}

fn closed(_: tokio::sync::AcquireError) -> ApiError {
    ApiError::unavailable("the server is being shut down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_organization_waits_for_its_own_share_alone() {
        let bodies = Arc::new(Bodies::of(100));
        let first = bodies.share("a", 80).await.expect("is free");
        let own = Arc::clone(&bodies);
        let mut second = tokio::spawn(async move { own.share("a", 30).await });
        tokio::select! {
            _ = &mut second => panic!("110 bytes of 100 were given"),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => (),
        }
        // Another organization has its own share.
        let other = bodies.share("b", 100).await.expect("is free");
        drop(first);
        let second = second.await.expect("ends").expect("is given");
        // A body that is still arriving takes nothing of the total. Of 4 × 100 bytes, the arrived ones take 10 and 100.
        assert_eq!(bodies.all.available_permits(), 400);
        let second = bodies.room(second, 10).await.expect("is free");
        let other = bodies.room(other, 100).await.expect("is free");
        assert_eq!(bodies.all.available_permits(), 290);
        // The share has 90 bytes again.
        drop(bodies.share("a", 90).await.expect("is free"));
        drop((second, other));
        assert_eq!(bodies.all.available_permits(), 400);
        // An organization without a body is removed.
        drop(bodies.share("c", 1).await.expect("is free"));
        assert_eq!(bodies.own.lock().expect("is free").keys().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn the_longest_body_has_room() {
        // 3 MB × 8 are more than the 10 MB of a share.
        assert_eq!(Bodies::new(3_000_000).each, 24_000_000);
        assert_eq!(Bodies::new(1000).each, 10_000_000);
    }
}
