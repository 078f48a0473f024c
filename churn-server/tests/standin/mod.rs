//! A stand-in for Supabase Storage, for tests: what the real server was seen to do, in memory. The status of an error is
//! 400, with the true one in the body; tokens go in `Authorization`, keys of the new kind in `apikey` alone; lists show one
//! level of a folder; a resumable upload becomes an object with its last byte. Faults can be ordered. One file, and long: it is
//! held against notes of the real server answer by answer.

#![allow(dead_code, reason = "the program and the tests use parts of it each")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::{StreamExt, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

/// A token of the service role and one of nobody in particular; only their equality is looked at.
pub(crate) const SERVICE_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2VydmljZQ";
pub(crate) const ANON_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.YW5vbg";
/// Keys of the new kind.
pub(crate) const SECRET_KEY: &str = "sb_secret_0123456789abcdef";
pub(crate) const PUBLISHABLE_KEY: &str = "sb_publishable_0123456789abcdef";

/// Fault of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// This HTTP status, with a wait in seconds.
    Status(u16, Option<u64>),
    /// HTTP 400 with this status in the body.
    InBody(u16),
    /// The connection is closed before the request is looked at.
    Ignored,
    /// The request is done, and the connection closed without an answer.
    Unanswered,
    /// Number of bytes of the body that are taken before the connection is closed.
    Takes(usize),
    /// The connection breaks after so many bytes of the answer.
    Gives(usize),
}

struct Object {
    bytes: Bytes,
    content_type: String,
    modified: SystemTime,
    version: u64,
}

struct Bucket {
    public: bool,
    size_limit: Option<u64>,
    mime_types: Option<Vec<String>>,
}

struct Upload {
    bucket: String,
    key: String,
    content_type: String,
    length: u64,
    bytes: Vec<u8>,
    upsert: bool,
}

#[derive(Default)]
struct World {
    buckets: BTreeMap<String, Bucket>,
    objects: BTreeMap<(String, String), Object>,
    uploads: HashMap<String, Upload>,
    /// Complete uploads and their lengths: they can still be asked about.
    complete: HashMap<String, u64>,
    links: HashMap<String, (String, SystemTime)>,
    faults: VecDeque<(String, Fault)>,
    requests: Vec<String>,
    versions: u64,
}

/// The server; it ends with this.
pub(crate) struct Standin {
    /// Value for `SUPABASE_URL`.
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Standin {
    /// Listens on a port of this machine, any for 0.
    pub(crate) async fn start(port: u16) -> std::io::Result<Standin> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let world = Arc::new(Mutex::new(World::default()));
        let shared = world.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let world = shared.clone();
                let service = hyper_util::service::TowerToHyperService::new(tower::service_fn(
                    move |request: Request<hyper::body::Incoming>| {
                        let world = world.clone();
                        async move { serve(&world, request.map(Body::new)).await }
                    },
                ));
                tokio::spawn(async move {
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A connection that ends in an error is what some tests order.
                    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Ok(Standin { url, world, task })
    }

    /// Orders a fault for the next request of which `METHOD path` begins so. Faults of one kind come one after the other.
    pub(crate) fn fault(&self, request: &str, fault: Fault) {
        lock(&self.world).faults.push_back((request.to_owned(), fault));
    }

    /// Faults that have not come to pass.
    pub(crate) fn faults_left(&self) -> usize {
        lock(&self.world).faults.len()
    }

    /// The requests so far that begin so, and forgets them all.
    pub(crate) fn requests(&self, beginning: &str) -> usize {
        let requests = std::mem::take(&mut lock(&self.world).requests);
        requests.iter().filter(|request| request.starts_with(beginning)).count()
    }

    /// Uploads that were announced and are neither complete nor taken back.
    pub(crate) fn unfinished(&self) -> usize {
        lock(&self.world).uploads.len()
    }

    /// Forgets the unfinished uploads, as the real one does after a day.
    pub(crate) fn forget_uploads(&self) {
        let mut world = lock(&self.world);
        world.uploads.clear();
        world.complete.clear();
    }

    /// Sets limits of a bucket.
    pub(crate) fn limit(&self, bucket: &str, size_limit: Option<u64>, mime_types: Option<Vec<String>>) {
        if let Some(bucket) = lock(&self.world).buckets.get_mut(bucket) {
            (bucket.size_limit, bucket.mime_types) = (size_limit, mime_types);
        }
    }

    /// Removes a bucket with all that is in it; whether it was there.
    pub(crate) fn remove_bucket(&self, bucket: &str) -> bool {
        let mut world = lock(&self.world);
        world.objects.retain(|(name, _), _| name != bucket);
        world.buckets.remove(bucket).is_some()
    }

    /// Lets everybody read a bucket, or nobody.
    pub(crate) fn publish(&self, bucket: &str, public: bool) {
        if let Some(bucket) = lock(&self.world).buckets.get_mut(bucket) {
            bucket.public = public;
        }
    }

    /// The objects as `bucket/key`, with their content types.
    pub(crate) fn objects(&self) -> Vec<(String, String)> {
        let world = lock(&self.world);
        world
            .objects
            .iter()
            .map(|((bucket, key), object)| (format!("{bucket}/{key}"), object.content_type.clone()))
            .collect()
    }
}

/// An error as the real server words it.
struct Refusal {
    status: u16,
    error: &'static str,
    message: String,
    code: &'static str,
}

fn refuse<T>(status: u16, error: &'static str, code: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { status, error, code, message: message.into() })
}

type Answer = Result<Response<Body>, Refusal>;

impl Refusal {
    /// Errors of resumable uploads are plain text with the true status.
    fn render(self, resumable: bool) -> Response<Body> {
        let Refusal { status, error, message, code } = self;
        if resumable {
            return plain(status, message);
        }
        let body = json!({"statusCode": status.to_string(), "error": error, "message": message, "code": code});
        let status = if status == 500 { 500 } else { 400 };
        json_answer(status, &body)
    }
}

fn plain(status: u16, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn json_answer(status: u16, body: &Value) -> Response<Body> {
    let mut response = plain(status, body.to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed, as ordered")
    }
}

impl std::error::Error for Closed {}

impl From<Infallible> for Closed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Answers one request, with the fault that is ordered for it.
async fn serve(world: &Mutex<World>, request: Request<Body>) -> Result<Response<Body>, Closed> {
    let path = request.uri().path().trim_start_matches("/storage/v1").to_owned();
    let name = format!("{} {path}", request.method());
    let fault = {
        let mut world = lock(world);
        world.requests.push(name.clone());
        let at = world.faults.iter().position(|(request, _)| name.starts_with(request.as_str()));
        at.and_then(|at| world.faults.remove(at)).map(|(_, fault)| fault)
    };
    let (parts, body) = request.into_parts();
    match fault {
        Some(Fault::Ignored) => return Err(Closed),
        Some(Fault::Status(status, wait)) => {
            let mut response = plain(status, "as ordered");
            if let Some(wait) = wait {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
            }
            return Ok(response);
        }
        Some(Fault::InBody(status)) => {
            let refusal = Refusal { status, error: "ordered", message: "as ordered".to_owned(), code: "Ordered" };
            let mut response = refusal.render(false);
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
        Some(Fault::Takes(count)) => {
            let mut taken = Vec::new();
            let mut stream = body.into_data_stream();
            while taken.len() < count
                && let Some(Ok(piece)) = stream.next().await
            {
                taken.extend_from_slice(&piece);
            }
            taken.truncate(count);
            let _ = answer(world, &parts.method, &path, &parts.headers, parts.uri.query(), taken.into());
            return Err(Closed);
        }
        Some(Fault::Unanswered | Fault::Gives(_)) | None => (),
    }
    let resumable = path.starts_with("/upload/resumable");
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Closed)?;
    let answered = answer(world, &parts.method, &path, &parts.headers, parts.uri.query(), bytes);
    let mut response = answered.unwrap_or_else(|refusal| refusal.render(resumable));
    match fault {
        Some(Fault::Unanswered) => Err(Closed),
        Some(Fault::Gives(count)) => {
            let (mut head, body) = response.into_parts();
            let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Closed)?;
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            let pieces = [Ok(bytes.slice(..count.min(bytes.len()))), Err(Closed)];
            // The break comes a moment later, or the piece would go down with it.
            let stream = stream::iter(pieces).then(|piece| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                piece
            });
            Ok(Response::from_parts(head, Body::from_stream(stream)))
        }
        _ => {
            if parts.method == Method::HEAD {
                *response.body_mut() = Body::empty();
            }
            Ok(response)
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Service,
    Anon,
}

fn role(headers: &HeaderMap) -> Result<Role, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let by_key = |key: &str| match key {
        SERVICE_TOKEN | SECRET_KEY => Some(Role::Service),
        ANON_TOKEN | PUBLISHABLE_KEY => Some(Role::Anon),
        _ => None,
    };
    match (text("authorization"), text("apikey")) {
        (Some(authorization), _) => {
            let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
            // A key of the new kind is no token.
            match by_key(token).filter(|_| !token.starts_with("sb_")) {
                Some(role) => Ok(role),
                None => refuse(403, "Unauthorized", "AccessDenied", "Invalid Compact JWS"),
            }
        }
        (None, Some(key)) if key.starts_with("sb_") => match by_key(key) {
            Some(role) => Ok(role),
            None => refuse(401, "Unauthorized", "AccessDenied", "Invalid API key"),
        },
        _ => refuse(400, "Error", "InvalidRequest", "headers must have required property 'authorization'"),
    }
}

fn may_write(role: Role) -> Result<(), Refusal> {
    match role {
        Role::Service => Ok(()),
        Role::Anon => refuse(403, "Unauthorized", "AccessDenied", "new row violates row-level security policy"),
    }
}

fn answer(
    world: &Mutex<World>,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    query: Option<&str>,
    body: Bytes,
) -> Answer {
    let mut world = lock(world);
    let world = &mut *world;
    let (what, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let below = |beginning: &str| rest.strip_prefix(beginning).and_then(|rest| rest.split_once('/'));
    if what == "object" && *method == Method::GET {
        if let Some((bucket, key)) = below("public/") {
            return match world.buckets.get(bucket) {
                Some(found) if found.public => world.give(bucket, key, headers),
                _ => refuse(404, "Bucket not found", "NoSuchBucket", "Bucket not found"),
            };
        }
        if let Some((bucket, key)) = below("sign/") {
            let token = query.and_then(|query| query.strip_prefix("token=")).unwrap_or_default();
            return match world.links.get(token) {
                Some((at, until)) if *at == format!("{bucket}/{key}") && *until > SystemTime::now() => {
                    world.give(bucket, key, headers)
                }
                _ => refuse(400, "InvalidJWT", "InvalidJWT", "signature verification failed"),
            };
        }
    }
    // A HEAD of a resumable upload need not be authorized.
    if what == "upload" && *method == Method::HEAD {
        return world.resumable(method, rest, headers, body);
    }
    let role = role(headers)?;
    match (what, method) {
        ("bucket", &Method::GET) => {
            let listed = world.buckets.iter().filter(|_| role == Role::Service);
            Ok(json_answer(
                200,
                &listed.map(|(id, found)| json!({"id": id, "name": id, "public": found.public})).collect(),
            ))
        }
        ("bucket", &Method::POST) => {
            may_write(role)?;
            world.create_bucket(&parse(&body)?)
        }
        ("upload", _) => {
            may_write(role)?;
            world.resumable(method, rest, headers, body)
        }
        ("object", _) => world.object(method, rest, role, headers, body),
        _ => refuse(404, "Not Found", "NotFound", "Route not found"),
    }
}

fn parse(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).or_else(|_| refuse(400, "Error", "InvalidRequest", "body must be JSON"))
}

fn key_is_sound(key: &str) -> bool {
    const SPECIAL: &str = "_/!.*'() &$=@;:+,?-";
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || SPECIAL.contains(c))
}

impl World {
    fn create_bucket(&mut self, body: &Value) -> Answer {
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        if self.buckets.contains_key(&name) {
            return refuse(409, "Duplicate", "BucketAlreadyExists", "The resource already exists");
        }
        let bucket = Bucket {
            public: body["public"].as_bool().unwrap_or(false),
            size_limit: body["file_size_limit"].as_u64(),
            mime_types: None,
        };
        self.buckets.insert(name.clone(), bucket);
        Ok(json_answer(200, &json!({"name": name})))
    }

    fn object(&mut self, method: &Method, rest: &str, role: Role, headers: &HeaderMap, body: Bytes) -> Answer {
        let below = |beginning: &str| rest.strip_prefix(beginning).and_then(|rest| rest.split_once('/'));
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match *method {
            Method::GET | Method::HEAD => {
                let (bucket, key, info) = match (below("authenticated/"), below("info/")) {
                    (Some((bucket, key)), _) => (bucket, key, false),
                    (None, Some((bucket, key))) => (bucket, key, true),
                    (None, None) => return refuse(404, "Not Found", "NotFound", "Route not found"),
                };
                // Who may not see it is told that it is not there.
                let there = self.objects.get(&(bucket.to_owned(), key.to_owned())).filter(|_| role == Role::Service);
                match there {
                    None => refuse(404, "not_found", "NoSuchKey", "Object not found"),
                    Some(object) if info => Ok(json_answer(
                        200,
                        &json!({"id": object.version.to_string(), "name": key, "bucket_id": bucket,
                            "size": object.bytes.len(), "content_type": object.content_type,
                            "last_modified": jiff::Timestamp::try_from(object.modified).unwrap_or_default().to_string()}),
                    )),
                    Some(_) => self.give(bucket, key, headers),
                }
            }
            Method::POST if rest.starts_with("list/") => self.list(&rest["list/".len()..], role, &parse(&body)?),
            Method::POST if rest.starts_with("sign/") => {
                let at = &rest["sign/".len()..];
                let (bucket, key) = at.split_once('/').unwrap_or((at, ""));
                if role == Role::Anon || !self.objects.contains_key(&(bucket.to_owned(), key.to_owned())) {
                    return refuse(404, "not_found", "NoSuchKey", "Object not found");
                }
                let seconds = parse(&body)?["expiresIn"].as_u64().unwrap_or(0);
                let token = format!("{:032x}", fastrand::u128(..));
                self.links.insert(token.clone(), (at.to_owned(), SystemTime::now() + Duration::from_secs(seconds)));
                Ok(json_answer(200, &json!({"signedURL": format!("/object/sign/{at}?token={token}")})))
            }
            Method::POST | Method::PUT => {
                let Some((bucket, key)) = rest.split_once('/') else {
                    return refuse(404, "Not Found", "NotFound", "Route not found");
                };
                may_write(role)?;
                let upsert = text("x-upsert") == "true" || *method == Method::PUT;
                // Only what says its length is measured against the limit.
                let measured = headers.contains_key(header::CONTENT_LENGTH);
                self.check(bucket, key, text("content-type"), measured.then_some(body.len() as u64), upsert)?;
                self.write(bucket, key, text("content-type"), body);
                Ok(json_answer(200, &json!({"Key": format!("{bucket}/{key}"), "Id": self.versions.to_string()})))
            }
            Method::DELETE => {
                may_write(role)?;
                let Some((bucket, key)) = rest.split_once('/') else {
                    let prefixes = parse(&body)?["prefixes"].as_array().cloned().unwrap_or_default();
                    let mut gone = Vec::new();
                    for key in prefixes.iter().filter_map(Value::as_str) {
                        if self.objects.remove(&(rest.to_owned(), key.to_owned())).is_some() {
                            gone.push(json!({"name": key, "bucket_id": rest}));
                        }
                    }
                    return Ok(json_answer(200, &Value::Array(gone)));
                };
                match self.objects.remove(&(bucket.to_owned(), key.to_owned())) {
                    Some(_) => Ok(json_answer(200, &json!({"message": "Successfully deleted"}))),
                    None => refuse(404, "not_found", "NoSuchKey", "Object not found"),
                }
            }
            _ => refuse(404, "Not Found", "NotFound", "Route not found"),
        }
    }

    /// Checks that are made before an object is accepted.
    fn check(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        length: Option<u64>,
        upsert: bool,
    ) -> Result<(), Refusal> {
        let Some(found) = self.buckets.get(bucket) else {
            return refuse(404, "Bucket not found", "NoSuchBucket", "Bucket not found");
        };
        if !key_is_sound(key) {
            return refuse(400, "InvalidKey", "InvalidKey", format!("Invalid key: {key}"));
        }
        if found.mime_types.as_ref().is_some_and(|types| !types.iter().any(|mime| mime == content_type)) {
            let message = format!("mime type {content_type} is not supported");
            return refuse(415, "invalid_mime_type", "InvalidMimeType", message);
        }
        if found.size_limit.zip(length).is_some_and(|(limit, length)| length > limit) {
            let message = "The object exceeded the maximum allowed size";
            return refuse(413, "Payload too large", "EntityTooLarge", message);
        }
        if !upsert && self.objects.contains_key(&(bucket.to_owned(), key.to_owned())) {
            return refuse(409, "Duplicate", "KeyAlreadyExists", "The resource already exists");
        }
        Ok(())
    }

    fn write(&mut self, bucket: &str, key: &str, content_type: &str, bytes: Bytes) {
        self.versions += 1;
        let object = Object {
            bytes,
            content_type: content_type.to_owned(),
            modified: SystemTime::now(),
            version: self.versions,
        };
        self.objects.insert((bucket.to_owned(), key.to_owned()), object);
    }

    fn give(&self, bucket: &str, key: &str, headers: &HeaderMap) -> Answer {
        let Some(object) = self.objects.get(&(bucket.to_owned(), key.to_owned())) else {
            return refuse(404, "not_found", "NoSuchKey", "Object not found");
        };
        let size = object.bytes.len();
        let range = headers.get(header::RANGE).and_then(|range| {
            let (start, end) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
            Some((start.parse::<usize>().ok()?, end.parse::<usize>().ok()?))
        });
        let mut response = match range {
            Some((start, end)) if start < size && start <= end => {
                let end = (end + 1).min(size);
                let mut response = plain(206, object.bytes.slice(start..end));
                let shown = format!("bytes {start}-{}/{size}", end - 1);
                response.headers_mut().insert(header::CONTENT_RANGE, value(&shown)?);
                response
            }
            Some(_) => return refuse(416, "InvalidRange", "InvalidRange", "The requested range is not satisfiable"),
            None => plain(200, object.bytes.clone()),
        };
        let modified = jiff::Timestamp::try_from(object.modified).unwrap_or_default();
        let modified = modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let length = match range {
            Some((start, end)) => (end + 1).min(size) - start,
            None => size,
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::LAST_MODIFIED, value(&modified)?);
        headers.insert(header::ETAG, value(&format!("\"{}\"", object.version))?);
        headers.insert(header::CONTENT_TYPE, value(&object.content_type)?);
        Ok(response)
    }

    /// One level of a folder.
    fn list(&self, bucket: &str, role: Role, body: &Value) -> Answer {
        let prefix = body["prefix"].as_str().unwrap_or_default();
        let folder = if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") };
        let mut entries: BTreeMap<String, Value> = BTreeMap::new();
        for ((in_bucket, key), object) in self.objects.iter().filter(|_| role == Role::Service) {
            let Some(name) = key.strip_prefix(&folder).filter(|_| in_bucket == bucket) else { continue };
            match name.split_once('/') {
                Some((folder, _)) => {
                    entries.insert(folder.to_owned(), json!({"name": folder, "id": null, "metadata": null}));
                }
                None => {
                    let time = jiff::Timestamp::try_from(object.modified).unwrap_or_default().to_string();
                    let metadata = json!({"size": object.bytes.len(), "mimetype": object.content_type});
                    let entry = json!({"name": name, "id": object.version.to_string(), "updated_at": time,
                        "created_at": time, "last_accessed_at": time, "metadata": metadata});
                    entries.insert(name.to_owned(), entry);
                }
            }
        }
        let number = |name: &str, default| body[name].as_u64().unwrap_or(default) as usize;
        let page = entries.into_values().skip(number("offset", 0)).take(number("limit", 100));
        Ok(json_answer(200, &page.collect()))
    }

    fn resumable(&mut self, method: &Method, rest: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let number = |name: &str| text(name).parse::<u64>().ok();
        let id = rest.trim_start_matches("resumable").trim_start_matches('/').to_owned();
        if text("tus-resumable") != "1.0.0" {
            return refuse(412, "", "", "Tus-Resumable Required\n");
        }
        if *method == Method::POST {
            let mut metadata = HashMap::new();
            for pair in text("upload-metadata").split(',') {
                let (name, value) = pair.trim().split_once(' ').unwrap_or((pair, ""));
                let value = STANDARD.decode(value).ok().and_then(|value| String::from_utf8(value).ok());
                metadata.insert(name.to_owned(), value.unwrap_or_default());
            }
            let get = |name: &str| metadata.get(name).cloned().unwrap_or_default();
            let Some(length) = number("upload-length") else {
                return refuse(400, "", "", "Upload-Length or Upload-Defer-Length header required\n");
            };
            let (bucket, key, upsert) = (get("bucketName"), get("objectName"), text("x-upsert") == "true");
            if let Err(refusal) = self.check(&bucket, &key, &get("contentType"), Some(length), upsert) {
                let message =
                    if refusal.status == 413 { "Maximum size exceeded\n".to_owned() } else { refusal.message };
                return refuse(refusal.status, "", "", message);
            }
            let id = URL_SAFE_NO_PAD.encode(format!("{bucket}/{key}/{:016x}", fastrand::u64(..)));
            let (content_type, bytes) = (get("contentType"), Vec::new());
            self.uploads.insert(id.clone(), Upload { bucket, key, content_type, length, bytes, upsert });
            let mut response = plain(201, "");
            // Behind a proxy the scheme and the host are not those of the request.
            let location = format!("https://storage.internal/storage/v1/upload/resumable/{id}");
            response.headers_mut().insert(header::LOCATION, value(&location)?);
            return Ok(response);
        }
        if let (Some(length), &Method::HEAD) = (self.complete.get(&id), method) {
            let mut response = plain(200, "");
            response.headers_mut().insert("upload-offset", HeaderValue::from(*length));
            response.headers_mut().insert("upload-length", HeaderValue::from(*length));
            return Ok(response);
        }
        let Some(upload) = self.uploads.get_mut(&id) else {
            return refuse(404, "", "", "The file for this url was not found\n");
        };
        match *method {
            Method::HEAD => {
                let mut response = plain(200, "");
                response.headers_mut().insert("upload-offset", HeaderValue::from(upload.bytes.len()));
                response.headers_mut().insert("upload-length", HeaderValue::from(upload.length));
                Ok(response)
            }
            Method::PATCH => {
                if text("content-type") != "application/offset+octet-stream" {
                    return refuse(415, "", "", "Content-Type is invalid\n");
                }
                if number("upload-offset") != Some(upload.bytes.len() as u64) {
                    return refuse(409, "", "", "Upload-Offset conflict\n");
                }
                if (upload.bytes.len() + body.len()) as u64 > upload.length {
                    return refuse(413, "", "", "Exceeded maximum size\n");
                }
                upload.bytes.extend_from_slice(&body);
                let reached = upload.bytes.len();
                if reached as u64 == upload.length
                    && let Some(Upload { bucket, key, content_type, bytes, upsert, .. }) = self.uploads.remove(&id)
                {
                    self.check(&bucket, &key, &content_type, None, upsert)?;
                    self.complete.insert(id, bytes.len() as u64);
                    self.write(&bucket, &key, &content_type, bytes.into());
                }
                let mut response = plain(204, "");
                response.headers_mut().insert("upload-offset", HeaderValue::from(reached));
                Ok(response)
            }
            Method::DELETE => {
                self.uploads.remove(&id);
                Ok(plain(204, ""))
            }
            _ => refuse(404, "", "", "Not found\n"),
        }
    }
}

fn value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).or_else(|_| refuse(500, "Internal", "InternalError", "a header cannot hold this"))
}
