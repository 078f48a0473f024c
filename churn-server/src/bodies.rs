//! Room for bodies that are read whole, JSON all of them: their number of bytes is bounded for each request, and what they take
//! in memory for each organization and in all.
//!
//! A body takes its room in the share of its organization before a byte of it is read, and in that of all once it has arrived,
//! so that nobody who sends slowly keeps another organization waiting. It keeps both until the request is answered, because
//! what was parsed lives as long. Without room it waits, first come, first served; `REQUEST_TIMEOUT_SECONDS` ends the wait.

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

/// Bytes of memory for the bodies of one organization at a time; more where one body of the longest kind needs more.
const EACH: usize = 16_000_000;

/// The share of all organizations together, in shares of one.
const ALL: usize = 4;

/// The longest body of one kind, and the memory that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// Bytes of the body.
    pub bytes: usize,
    /// Bytes of memory that a byte of the body takes at most: as text, as a tree, and as values.
    pub factor: usize,
    /// The variable that sets `bytes`, if one does.
    pub setting: Option<&'static str>,
}

impl BodyLimit {
    /// Settings: a few hundred bytes, or 13,000 with a thousand cutoffs. They are parsed into a tree, in which `{"":0},` takes 670
    /// bytes, the node of a map, and copied once.
    pub const SETTINGS: BodyLimit = BodyLimit { bytes: 20_000, factor: 250, setting: None };

    /// The transactions of one customer: `{"event_date":"2025-01-01"},` becomes 72 bytes, up to twice that while the list grows.
    pub fn of_transactions(max_body_bytes: usize) -> BodyLimit {
        BodyLimit { bytes: max_body_bytes, factor: 8, setting: Some("MAX_BODY_BYTES") }
    }

    fn exceeded(&self) -> ApiError {
        ApiError::too_large(self.bytes as u64, self.setting)
    }

    fn memory(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.factor)
    }
}

/// The organization that a body is counted for: the one that a token has opened.
#[derive(Clone, Debug)]
pub(crate) struct Payer(pub(crate) String);

/// Keeps the room of a request's body until the request is answered.
#[derive(Clone, Debug)]
struct Kept {
    /// The length of the body, if its sender has announced it.
    announced: Option<u64>,
    room: Arc<Mutex<Option<Room>>>,
}

/// Lets a request keep the room of its body until it is answered.
pub(crate) async fn keep(mut request: Request, next: Next) -> Response {
    let kept = Kept { announced: request.body().size_hint().exact(), room: Arc::default() };
    request.extensions_mut().insert(kept.clone());
    let response = next.run(request).await;
    drop(kept);
    response
}

/// The memory that bodies may take.
#[derive(Debug)]
pub struct Bodies {
    each: usize,
    all: Arc<Semaphore>,
    /// By organization; those without a body are gone.
    own: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Memory that is taken, of the organization and of all; it is free again when this is dropped.
#[derive(Debug)]
struct Room {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Bodies {
    /// Room for bodies of which the longest is `max_body_bytes` long.
    pub fn new(max_body_bytes: usize) -> Bodies {
        let limit = BodyLimit::of_transactions(max_body_bytes);
        Bodies::of(EACH.max(limit.memory(limit.bytes)))
    }

    fn of(each: usize) -> Bodies {
        // A permit is a byte; requests for permits are 32-bit numbers.
        let each = each.min(u32::MAX as usize);
        Bodies { each, all: Arc::new(Semaphore::new(ALL * each)), own: Mutex::default() }
    }

    /// Waits for so many bytes of an organization's memory; for as many as it may have, if that is less.
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

    /// Keeps so many bytes of what an organization has taken, and waits for as many of what all may have.
    async fn room(&self, mut own: OwnedSemaphorePermit, bytes: usize) -> Result<Room> {
        let bytes = bytes.min(self.each);
        drop(own.split(own.num_permits().saturating_sub(bytes)));
        let all = Arc::clone(&self.all).acquire_many_owned(bytes as u32).await.map_err(closed)?;
        Ok(Room { _own: own, _all: all })
    }

    /// The body of a request, read whole. One whose announced length is beyond the limit is refused before it is read; one that
    /// announces none takes the room of the longest, and is read no further than the limit.
    ///
    /// # Errors
    /// `payload_too_large`; `upload_broken` if it ends early.
    pub(crate) async fn read(&self, request: Request, limit: BodyLimit) -> Result<Bytes> {
        let (parts, body) = request.into_parts();
        let kept = parts.extensions.get::<Kept>();
        let announced = kept.and_then(|kept| kept.announced);
        let most = match announced {
            Some(length) if length > limit.bytes as u64 => return Err(limit.exceeded()),
            Some(length) => length as usize,
            None => limit.bytes,
        };
        let payer = parts.extensions.get::<Payer>().map_or("", |Payer(org_id)| org_id);
        let share = self.share(payer, limit.memory(most)).await?;
        let (mut bytes, mut stream) = (BytesMut::with_capacity(announced.map_or(0, |_| most)), body.into_data_stream());
        while let Some(piece) = stream.next().await {
            let piece = piece
                .map_err(|error| ApiError::bad_request("upload_broken", format!("the body broke off: {error}")))?;
            if piece.len() > most - bytes.len() {
                return Err(limit.exceeded());
            }
            bytes.extend_from_slice(&piece);
        }
        let room = self.room(share, limit.memory(bytes.len())).await?;
        if let Some(kept) = kept {
            *kept.room.lock().unwrap_or_else(PoisonError::into_inner) = Some(room);
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
        // Another one has its own share.
        let other = bodies.share("b", 100).await.expect("is free");
        drop(first);
        let second = second.await.expect("ends").expect("is given");
        // What is on its way takes nothing of all; of 4 × 100 bytes, 10 and 100 are taken by what has arrived.
        assert_eq!(bodies.all.available_permits(), 400);
        let second = bodies.room(second, 10).await.expect("is free");
        let other = bodies.room(other, 100).await.expect("is free");
        assert_eq!(bodies.all.available_permits(), 290);
        // The share has 90 bytes again.
        drop(bodies.share("a", 90).await.expect("is free"));
        drop((second, other));
        assert_eq!(bodies.all.available_permits(), 400);
        // Nobody is remembered who has nothing.
        drop(bodies.share("c", 1).await.expect("is free"));
        assert_eq!(bodies.own.lock().expect("is free").keys().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn the_longest_body_has_room() {
        // 3 MB × 8 are more than the 16 MB of a share.
        assert_eq!(Bodies::new(3_000_000).each, 24_000_000);
        assert_eq!(Bodies::new(1000).each, 16_000_000);
    }
}
