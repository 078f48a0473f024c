//! Supabase Storage through its REST API, `<SUPABASE_URL>/storage/v1`.
//!
//! The HTTP status of an error is nearly always 400; the real status is in the body. Up to [`RESUMABLE_FROM`] bytes are sent in
//! one request. A longer file is first written to an unnamed temporary file, because a resumable upload must announce its
//! length, and then sent in chunks. Requests are retried after 429, 5xx and broken connections; every request may be repeated.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, LAST_MODIFIED, RANGE, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::retry::Backoff;
use super::{
    Bucket, ByteStream, Content, Head, Listed, Location, Result, Storage, StorageError, StorageErrorKind, next_piece,
    tus,
};

/// Uploads with more bytes than this are resumable. It is also the size of their chunks, the only size that Supabase accepts.
pub(super) const RESUMABLE_FROM: usize = 6 << 20;

/// Maximum bytes of an error body that are read.
const MAX_ERROR: usize = 64 << 10;

/// Objects per page of a list.
const PAGE: usize = 1000;

/// Connection settings of Supabase.
#[derive(Clone)]
pub struct SupabaseConfig {
    /// `SUPABASE_URL`: `https://<project>.supabase.co`.
    pub url: String,
    /// The anonymous or service key: a JWT (`eyJ…`) or a key of the new kind (`sb_secret_…`, `sb_publishable_…`).
    pub key: String,
    /// Allows public buckets.
    pub allow_public: bool,
    /// Folder for long uploads until they are sent.
    pub spool: PathBuf,
    /// Retries after transient failures.
    pub backoff: Backoff,
}

impl SupabaseConfig {
    /// Creates settings without public buckets, with the system's folder for temporary files and the default retries.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        let (url, key) = (url.into(), key.into());
        SupabaseConfig { url, key, allow_public: false, spool: std::env::temp_dir(), backoff: Backoff::default() }
    }
}

impl fmt::Debug for SupabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is not printed.
        f.debug_struct("SupabaseConfig").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Supabase Storage.
#[derive(Clone)]
pub struct Supabase {
    http: Client,
    base: Arc<str>,
    config: Arc<SupabaseConfig>,
}

impl fmt::Debug for Supabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supabase").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A failed request.
pub(super) struct RequestFailure {
    /// The real status; None if there was no response.
    pub(super) status: Option<u16>,
    pub(super) error: StorageError,
}

impl RequestFailure {
    /// Returns true if the failure may be transient.
    pub(super) fn may_pass(&self) -> bool {
        self.error.kind() == StorageErrorKind::Unavailable
    }
}

impl From<RequestFailure> for StorageError {
    fn from(failure: RequestFailure) -> Self {
        failure.error
    }
}

/// Body of an error response.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SupabaseErrorBody {
    #[serde(rename = "statusCode")]
    status: serde_json::Value,
    error: String,
    message: String,
    code: String,
}

impl Supabase {
    /// Creates a client; nothing is sent yet.
    ///
    /// # Errors
    /// `storage_error` if the address or the key is invalid.
    pub fn new(config: &SupabaseConfig) -> Result<Self> {
        let wrong = |message: String| StorageError::new(StorageErrorKind::Other, message);
        let url = reqwest::Url::parse(&config.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| wrong(format!("SUPABASE_URL {:?} is not an address such as https://…", config.url)))?;
        if config.key.is_empty() || !config.key.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(wrong("the key of Supabase is empty or holds characters that no key has".to_owned()));
        }
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong("no HTTP client can be made".to_owned()).with_source(error))?;
        let base = format!("{}/storage/v1", url.as_str().trim_end_matches('/')).into();
        Ok(Supabase { http, base, config: Arc::new(config.clone()) })
    }

    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Creates a request with the key. A JWT goes into both headers, a key of the new kind into one, because it is not a JWT.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.address(path)).header("apikey", &self.config.key);
        if self.config.key.starts_with("sb_") { request } else { request.bearer_auth(&self.config.key) }
    }

    /// Sends a request once.
    pub(super) async fn send_once(
        &self,
        what: &str,
        request: RequestBuilder,
    ) -> std::result::Result<Response, RequestFailure> {
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(failure(what, response).await),
            Err(error) => {
                let kind = if error.is_builder() { StorageErrorKind::Other } else { StorageErrorKind::Unavailable };
                let message = format!("{what}: Supabase Storage cannot be reached: {}", root_of(&error));
                Err(RequestFailure { status: None, error: StorageError::new(kind, message).with_source(error) })
            }
        }
    }

    /// Sends a request, and retries it while its failure may be transient.
    async fn send(
        &self,
        what: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> std::result::Result<Response, RequestFailure> {
        let mut failed = 0;
        loop {
            let failure = match self.send_once(what, request()).await {
                Err(failure) if failure.may_pass() => failure,
                done => return done,
            };
            failed += 1;
            self.pause(failed, failure).await?;
        }
    }

    /// Waits before the next attempt, or returns the failure if no attempt is left.
    pub(super) async fn pause(&self, failed: u32, failure: RequestFailure) -> std::result::Result<(), RequestFailure> {
        let Some(wait) = self.config.backoff.wait(failed, failure.error.retry_after()) else {
            return Err(failure);
        };
        tracing::warn!(failed, wait_ms = wait.as_millis() as u64, error = %failure.error, "storage is tried again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn open(&self, at: &Location, range: Option<Range<u64>>) -> std::result::Result<Response, RequestFailure> {
        let request = || {
            let request = self.request(Method::GET, &format!("/object/authenticated/{at}"));
            match &range {
                Some(range) => request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1)),
                None => request,
            }
        };
        let response = self.send(&format!("reading {at}"), request).await?;
        if range.is_some() && response.status() != StatusCode::PARTIAL_CONTENT {
            let message = format!("reading {at}: a range was asked for and the whole came");
            return Err(RequestFailure { status: None, error: StorageError::new(StorageErrorKind::Other, message) });
        }
        Ok(response)
    }

    /// Returns the content of a response that begins at `start`. A broken connection is resumed where it broke.
    fn content(&self, at: &Location, start: u64, response: Response) -> Result<Content> {
        let Some(size) = number(response.headers(), CONTENT_LENGTH) else {
            return Err(StorageError::new(
                StorageErrorKind::Other,
                format!("reading {at}: an answer without a length"),
            ));
        };
        let etag = response.headers().get(ETAG).cloned();
        let reading = Reading {
            storage: self.clone(),
            at: at.clone(),
            next: start,
            end: start + size,
            etag,
            response: Some(response),
            failed: 0,
        };
        let stream = stream::try_unfold(reading, |mut reading| async move {
            let piece = reading.next().await.map_err(std::io::Error::other)?;
            Ok(piece.map(|piece| (piece, reading)))
        });
        Ok(Content { size, stream: stream.boxed() })
    }

    async fn buckets(&self) -> Result<Vec<BucketEntry>> {
        let what = "looking for the buckets";
        parse(what, self.send(what, || self.request(Method::GET, "/bucket")).await?).await
    }

    async fn put_at_once(&self, at: &Location, content_type: &str, body: Bytes) -> Result<()> {
        let request = || {
            self.request(Method::POST, &format!("/object/{at}"))
                .header("x-upsert", "true")
                .header(CONTENT_TYPE, content_type)
                .header(CONTENT_LENGTH, body.len())
                .body(body.clone())
        };
        self.send(&format!("writing {at}"), request).await?;
        Ok(())
    }

    /// Lists one level of a folder: the names in it and, for objects, size and age.
    async fn list_folder(&self, bucket: Bucket, folder: &str) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let body = json!({
                "prefix": folder, "limit": PAGE, "offset": entries.len(), "sortBy": {"column": "name", "order": "asc"},
            });
            let what = format!("listing {bucket}/{folder}");
            let request = || self.request(Method::POST, &format!("/object/list/{bucket}")).json(&body);
            let page: Vec<Entry> = parse(&what, self.send(&what, request).await?).await?;
            let count = page.len();
            entries.extend(page);
            if count < PAGE {
                return Ok(entries);
            }
        }
    }
}

/// A download in progress.
struct Reading {
    storage: Supabase,
    at: Location,
    next: u64,
    end: u64,
    etag: Option<reqwest::header::HeaderValue>,
    response: Option<Response>,
    failed: u32,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.next < self.end {
            let broken = match &mut self.response {
                Some(response) => match response.chunk().await {
                    Ok(Some(piece)) => {
                        self.next += piece.len() as u64;
                        self.failed = 0;
                        return Ok(Some(piece));
                    }
                    Ok(None) => "the answer ended early".to_owned(),
                    Err(error) => root_of(&error),
                },
                None => String::new(),
            };
            if self.response.take().is_some() {
                self.failed += 1;
                let message = format!("reading {} broke off at byte {}: {broken}", self.at, self.next);
                let error = StorageError::new(StorageErrorKind::Unavailable, message);
                self.storage.pause(self.failed, RequestFailure { status: None, error }).await?;
            }
            let response = self.storage.open(&self.at, Some(self.next..self.end)).await?;
            if response.headers().get(ETAG) != self.etag.as_ref() {
                let message = format!("{} was replaced while it was read", self.at);
                return Err(StorageError::new(StorageErrorKind::Unavailable, message));
            }
            self.response = Some(response);
        }
        Ok(None)
    }
}

/// An entry of a folder.
#[derive(Deserialize)]
struct Entry {
    name: String,
    /// None for a folder.
    id: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    size: u64,
}

#[derive(Deserialize)]
struct Info {
    size: u64,
    last_modified: Option<String>,
}

/// Parses a time such as `2026-11-24T16:09:37.123Z`.
fn timestamp(text: Option<String>) -> SystemTime {
    let time = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    time.map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
}

#[derive(Deserialize)]
struct BucketEntry {
    id: String,
    #[serde(default)]
    public: bool,
}

#[async_trait]
impl Storage for Supabase {
    async fn prepare(&self) -> Result<()> {
        let there = self.buckets().await?;
        for bucket in Bucket::ALL {
            let name = bucket.name();
            if there.iter().any(|bucket| bucket.id == name) {
                continue;
            }
            let body = json!({"id": name, "name": name, "public": false});
            let request = || self.request(Method::POST, "/bucket").json(&body);
            match self.send(&format!("creating the bucket {name}"), request).await {
                // Another server has created the bucket.
                Ok(_) | Err(RequestFailure { status: Some(409), .. }) => (),
                Err(failure) if failure.error.kind() == StorageErrorKind::Denied => {
                    let message = format!(
                        "the bucket {name:?} cannot be seen with this key of Supabase, nor created ({}): set a service key, \
                         or create the private buckets datasets, utils and models under Storage and allow this key to read \
                         them, and to read and write their objects",
                        failure.error
                    );
                    return Err(StorageError::new(StorageErrorKind::Denied, message));
                }
                Err(failure) => return Err(failure.error),
            }
        }
        Ok(())
    }

    async fn put(&self, at: &Location, content_type: &str, mut body: ByteStream<'_>, max_bytes: u64) -> Result<u64> {
        let (mut head, mut size) = (BytesMut::new(), 0);
        while head.len() <= RESUMABLE_FROM {
            match next_piece(&mut body, &mut size, max_bytes).await? {
                Some(piece) => head.extend_from_slice(&piece),
                None => {
                    self.put_at_once(at, content_type, head.freeze()).await?;
                    return Ok(size);
                }
            }
        }
        let failed = |error| StorageError::io(format_args!("keeping {at} until it is sent"), error);
        let spool = self.config.spool.clone();
        let file = tokio::task::spawn_blocking(move || {
            crate::private::create_folder(&spool)?;
            tempfile::tempfile_in(spool)
        });
        let file = file.await.map_err(std::io::Error::other).and_then(|file| file).map_err(failed)?;
        let mut file = tokio::fs::File::from_std(file);
        loop {
            if head.len() >= 256 << 10 {
                file.write_all(&head).await.map_err(failed)?;
                // The buffer has grown to megabytes, so it is replaced.
                head = BytesMut::new();
            }
            match next_piece(&mut body, &mut size, max_bytes).await? {
                Some(piece) => head.extend_from_slice(&piece),
                None => break,
            }
        }
        file.write_all(&head).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        tus::upload(self, at, content_type, &mut file, size).await?;
        Ok(size)
    }

    async fn get(&self, at: &Location) -> Result<Content> {
        let response = self.open(at, None).await?;
        self.content(at, 0, response)
    }

    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content> {
        if range.start >= range.end {
            return super::clip(at, range, 0).map(|_| Content::of(Bytes::new()));
        }
        let start = range.start;
        let response = self.open(at, Some(range)).await?;
        self.content(at, start, response)
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        let what = format!("looking for {at}");
        let request = || self.request(Method::HEAD, &format!("/object/authenticated/{at}"));
        let response = match self.send(&what, request).await {
            Ok(response) => response,
            // A HEAD response has no body with the reason. This request has one, and its answer is also sufficient if there is
            // no error.
            Err(RequestFailure { status: Some(400..500), .. }) => {
                let request = || self.request(Method::GET, &format!("/object/info/{at}"));
                let info: Info = parse(&what, self.send(&what, request).await?).await?;
                return Ok(Head { size: info.size, modified: timestamp(info.last_modified) });
            }
            Err(failure) => return Err(failure.error),
        };
        let headers = response.headers();
        let size = number(headers, CONTENT_LENGTH);
        let modified = headers.get(LAST_MODIFIED).and_then(|text| http_date(text.to_str().ok()?));
        match (size, modified) {
            (Some(size), Some(modified)) => Ok(Head { size, modified }),
            _ => {
                let message = format!("{what}: an answer without Content-Length or Last-Modified");
                Err(StorageError::new(StorageErrorKind::Other, message))
            }
        }
    }

    async fn delete(&self, at: &Location) -> Result<bool> {
        let request = || self.request(Method::DELETE, &format!("/object/{at}"));
        match self.send(&format!("deleting {at}"), request).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.error.kind() == StorageErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure.error),
        }
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>> {
        // Only a folder can be requested; the rest of the prefix is a filter.
        let folder = prefix.rsplit_once('/').map_or(String::new(), |(folders, _)| format!("{folders}/"));
        let mut folders = vec![folder];
        let mut listed = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in self.list_folder(bucket, folder.trim_end_matches('/')).await? {
                let key = format!("{folder}{}", entry.name);
                if entry.id.is_none() {
                    let below = format!("{key}/");
                    if below.starts_with(prefix) || prefix.starts_with(&below) {
                        folders.push(below);
                    }
                } else if let (true, Ok(location)) = (key.starts_with(prefix), Location::new(bucket, key)) {
                    let size = entry.metadata.map_or(0, |metadata| metadata.size);
                    let modified = timestamp(entry.updated_at);
                    listed.push(Listed { location, size, modified });
                }
            }
        }
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(listed)
    }

    async fn check(&self, _: &[Location]) -> Result<()> {
        let buckets = self.buckets().await?;
        for bucket in Bucket::ALL {
            let name = bucket.name();
            match buckets.iter().find(|found| found.id == name) {
                None => {
                    let message =
                        format!("there is no bucket {name:?}, or it cannot be seen with this key of Supabase");
                    return Err(StorageError::new(StorageErrorKind::Denied, message));
                }
                Some(found) if found.public && !self.config.allow_public => {
                    let message = format!(
                        "the bucket {name:?} is public: everybody who knows a file's name can read it. Make it private (Storage, \
                         Edit bucket), or set ALLOW_PUBLIC_BUCKETS=true if that is meant"
                    );
                    return Err(StorageError::new(StorageErrorKind::Public, message));
                }
                Some(_) => (),
            }
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        // Unnamed files end with the process, and Supabase drops unfinished uploads after a day.
        Ok(0)
    }
}

/// Converts an error response.
async fn failure(what: &str, mut response: Response) -> RequestFailure {
    let http_status = response.status().as_u16();
    let retry_after = number(response.headers(), RETRY_AFTER).map(Duration::from_secs);
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ERROR {
            break;
        }
    }
    let refusal = serde_json::from_slice::<SupabaseErrorBody>(&body).unwrap_or_else(|_| SupabaseErrorBody {
        message: String::from_utf8_lossy(&body).chars().take(200).collect(),
        ..SupabaseErrorBody::default()
    });
    let in_body = match &refusal.status {
        serde_json::Value::String(text) => text.parse().ok(),
        serde_json::Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        _ => None,
    };
    let status = in_body.filter(|status| (400..600).contains(status)).unwrap_or(http_status);
    let kind = match status {
        404 => StorageErrorKind::NotFound,
        413 => StorageErrorKind::TooLarge,
        415 => StorageErrorKind::TypeRefused,
        507 => StorageErrorKind::Full,
        // The server passes on the error message of its disk.
        500.. if refusal.message.contains("ENOSPC") || refusal.message.contains("no space left") => {
            StorageErrorKind::Full
        }
        416 => StorageErrorKind::InvalidRange,
        401 | 403 => StorageErrorKind::Denied,
        400 if matches!(&*refusal.code, "InvalidJWT" | "InvalidSignature" | "ExpiredToken") => StorageErrorKind::Denied,
        429 | 500.. => StorageErrorKind::Unavailable,
        _ if refusal.code == "InvalidKey" => StorageErrorKind::InvalidKey,
        _ if refusal.code == "InvalidRange" => StorageErrorKind::InvalidRange,
        _ => StorageErrorKind::Other,
    };
    let said = [&refusal.code, &refusal.error, &refusal.message].map(|text| text.trim());
    let said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
    let hint = if kind == StorageErrorKind::Denied {
        "; set a service key, or allow this key to read and write the objects of datasets, utils and models"
    } else {
        ""
    };
    let message = format!("{what}: Supabase Storage answers {status} ({}){hint}", said.join(", "));
    RequestFailure { status: Some(status), error: StorageError::new(kind, message).after(retry_after) }
}

async fn parse<T: serde::de::DeserializeOwned>(what: &str, response: Response) -> Result<T> {
    response.json().await.map_err(|error| {
        StorageError::new(StorageErrorKind::Other, format!("{what}: an answer that makes no sense")).with_source(error)
    })
}

pub(super) fn number(headers: &HeaderMap, name: impl reqwest::header::AsHeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Parses a time such as `Tue, 24 Nov 2026 16:09:37 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    Some(jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?.into())
}

/// Returns the innermost cause, because the outer ones only say that a request failed.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
