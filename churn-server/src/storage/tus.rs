//! Resumable uploads to Supabase (the TUS protocol, version 1.0.0). An upload is announced with its length and sent in chunks.
//! After a broken connection it continues at the byte that the server has reached. The object appears with the last byte.

use std::io::SeekFrom;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::supabase::{RESUMABLE_FROM, RequestFailure, Supabase, number};
use super::{Location, Result, Storage, StorageError, StorageErrorKind};

/// Maximum number of restarts of an upload that the server has forgotten.
const RESTARTS: u32 = 3;

/// Uploads a file.
pub(super) async fn upload(
    storage: &Supabase,
    at: &Location,
    content_type: &str,
    file: &mut tokio::fs::File,
    size: u64,
) -> Result<()> {
    // If the last response is lost, a new object shows that the upload is complete.
    let was_there = match storage.head(at).await {
        Ok(_) => true,
        Err(error) if error.kind() == StorageErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    for _ in 0..=RESTARTS {
        let mut upload = TusUpload { storage, at, id: create(storage, at, content_type, size).await?, complete: false };
        match upload.send(file, size).await? {
            SendResult::Acknowledged => {
                upload.complete = true;
                return Ok(());
            }
            // All bytes have arrived, but the server has not confirmed the object.
            SendResult::Arrived if !was_there => match storage.head(at).await {
                Ok(head) if head.size == size => {
                    upload.complete = true;
                    return Ok(());
                }
                _ => (),
            },
            SendResult::Arrived | SendResult::Forgotten => (),
        }
        tracing::warn!(%at, "a resumable upload is begun anew");
    }
    Err(StorageError::new(StorageErrorKind::Unavailable, format!("writing {at}: the upload was lost {RESTARTS} times")))
}

/// Announces an upload; returns its id on the server.
async fn create(storage: &Supabase, at: &Location, content_type: &str, size: u64) -> Result<String> {
    let metadata = [
        ("bucketName", at.bucket().name()),
        ("objectName", at.key()),
        ("contentType", content_type),
        ("cacheControl", "no-cache"),
    ];
    let metadata = metadata.map(|(name, value)| format!("{name} {}", BASE64.encode(value))).join(",");
    let mut failed = 0;
    let response = loop {
        let request = tus(storage, Method::POST, "/upload/resumable")
            .header("upload-length", size)
            .header("upload-metadata", &metadata)
            .header(CONTENT_LENGTH, 0);
        match storage.send_once(&format!("writing {at}"), request).await {
            Ok(response) => break response,
            Err(failure) if failure.may_pass() => {
                failed += 1;
                storage.pause(failed, failure).await?;
            }
            Err(failure) => return Err(failure.error),
        }
    };
    // Behind a proxy the address may have another scheme, host or prefix, so only the id is used.
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let id = location.and_then(|location| location.split_once("/upload/resumable/")).map(|(_, id)| id.to_owned());
    let sound = |id: &String| id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'=' | b'.'));
    id.filter(sound).ok_or_else(|| {
        let message = format!("writing {at}: the address of the upload makes no sense ({location:?})");
        StorageError::new(StorageErrorKind::Other, message)
    })
}

fn tus(storage: &Supabase, method: Method, path: &str) -> RequestBuilder {
    storage.request(method, path).header("tus-resumable", "1.0.0").header("x-upsert", "true")
}

/// Result of sending the bytes.
enum SendResult {
    /// The server has confirmed all bytes.
    Acknowledged,
    /// The server has all bytes, but its response to the last chunk was lost.
    Arrived,
    /// The server does not know the upload any more.
    Forgotten,
}

/// An upload in progress. It is cancelled if it is dropped before its end.
struct TusUpload<'a> {
    storage: &'a Supabase,
    at: &'a Location,
    id: String,
    complete: bool,
}

impl TusUpload<'_> {
    fn request(&self, method: Method) -> RequestBuilder {
        tus(self.storage, method, &format!("/upload/resumable/{}", self.id))
    }

    async fn send(&self, file: &mut tokio::fs::File, size: u64) -> Result<SendResult> {
        let (mut offset, mut failed) = (0, 0);
        while offset < size {
            let chunk = read_chunk(file, offset, size)
                .await
                .map_err(|error| StorageError::io(format_args!("reading what is to be sent as {}", self.at), error))?;
            let end = offset + chunk.len() as u64;
            let request = self
                .request(Method::PATCH)
                .header("upload-offset", offset)
                .header(CONTENT_TYPE, "application/offset+octet-stream")
                .header(CONTENT_LENGTH, chunk.len())
                .body(chunk);
            let what = &format!("writing {} from byte {offset}", self.at);
            match self.storage.send_once(what, request).await {
                Ok(response) => {
                    let reached = number(response.headers(), "upload-offset").unwrap_or(end);
                    if !(offset + 1..=end).contains(&reached) {
                        let message = format!("writing {}: {reached} of {end} bytes arrived", self.at);
                        return Err(StorageError::new(StorageErrorKind::Other, message));
                    }
                    (offset, failed) = (reached, 0);
                }
                Err(RequestFailure { status: Some(404 | 410), .. }) => return Ok(SendResult::Forgotten),
                // 409: the server has another offset than we expect; 423: it is still processing the previous bytes.
                Err(failure) if failure.may_pass() || matches!(failure.status, Some(409 | 423)) => {
                    failed += 1;
                    self.storage.pause(failed, failure).await?;
                    match self.reached(&mut failed).await? {
                        Some(reached) if reached < size => offset = reached,
                        Some(_) => return Ok(SendResult::Arrived),
                        None => return Ok(SendResult::Forgotten),
                    }
                }
                Err(failure) => return Err(failure.error),
            }
        }
        Ok(SendResult::Acknowledged)
    }

    /// Asks how many bytes the server has. None if it does not know the upload.
    async fn reached(&self, failed: &mut u32) -> Result<Option<u64>> {
        loop {
            let what = &format!("asking how much of {} has arrived", self.at);
            match self.storage.send_once(what, self.request(Method::HEAD)).await {
                Ok(response) => {
                    return number(response.headers(), "upload-offset").map(Some).ok_or_else(|| {
                        StorageError::new(StorageErrorKind::Other, format!("{what}: an answer without Upload-Offset"))
                    });
                }
                // A HEAD response has no body with the real status, so any error may mean that the upload is gone.
                Err(RequestFailure { status: Some(400..=423), .. }) => return Ok(None),
                Err(failure) if failure.may_pass() => {
                    *failed += 1;
                    self.storage.pause(*failed, failure).await?;
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }
}

impl Drop for TusUpload<'_> {
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.complete, tokio::runtime::Handle::try_current()) {
            // If this fails, the server drops the upload after a day.
            let request = self.request(Method::DELETE);
            runtime.spawn(async move { request.send().await.map(drop) });
        }
    }
}

async fn read_chunk(file: &mut tokio::fs::File, offset: u64, size: u64) -> std::io::Result<Bytes> {
    let length = (size - offset).min(RESUMABLE_FROM as u64) as usize;
    file.seek(SeekFrom::Start(offset)).await?;
    let mut chunk = BytesMut::zeroed(length);
    file.read_exact(&mut chunk).await?;
    Ok(chunk.freeze())
}
