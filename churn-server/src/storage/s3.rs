//! S3, and what speaks like it (MinIO, Ceph, R2, Supabase under `/storage/v1/s3`), by the `object_store` crate, which signs,
//! retries and takes up broken downloads.
//!
//! A short object is sent in one request, a longer one in parts that become an object together. Unfinished parts of a killed
//! process are invisible; a lifecycle rule (`AbortIncompleteMultipartUpload`) of the bucket clears them away.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{
    Attribute, Attributes, BackoffConfig, GetOptions, GetRange, GetResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, RetryConfig, path::Path,
};

use super::{
    Backoff, Bucket, ByteStream, Content, ErrorKind, Head, Listed, Location, Result, Storage, StorageError, next_piece,
    not_found,
};

/// Bytes of a part; 10,000 of them are allowed.
const PART: usize = 8 << 20;

/// Parts under way at once.
const PARTS: usize = 2;

/// How S3 is reached.
#[derive(Clone)]
pub struct S3Config {
    /// The address of what is not Amazon's own, such as `https://<project>.supabase.co/storage/v1/s3`.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// The key's name.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// What the names of the buckets begin with: those of Amazon are shared by the whole world.
    pub bucket_prefix: String,
    /// Whether `http://` will do.
    pub allow_http: bool,
    /// Whether buckets may be readable by everybody.
    pub allow_public: bool,
    /// How failures that may pass are met.
    pub backoff: Backoff,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the keys.
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Storage in buckets of S3.
pub struct S3 {
    buckets: [(String, Arc<AmazonS3>); Bucket::ALL.len()],
    endpoint: Option<String>,
    /// Asks without a key.
    stranger: reqwest::Client,
    allow_public: bool,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3").field(&self.buckets.each_ref().map(|(name, _)| name)).finish()
    }
}

impl S3 {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// `storage_error` if a setting cannot be right.
    pub fn new(config: &S3Config) -> Result<Self> {
        let bucket = |bucket: Bucket| -> Result<(String, Arc<AmazonS3>)> {
            let name = format!("{}{bucket}", config.bucket_prefix);
            let Backoff { retries, first, longest } = config.backoff;
            let backoff = BackoffConfig { init_backoff: first, max_backoff: longest, base: 2.0 };
            let retry = RetryConfig { backoff, max_retries: retries as usize, ..RetryConfig::default() };
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(&name)
                .with_region(&config.region)
                .with_access_key_id(&config.access_key_id)
                .with_secret_access_key(&config.secret_access_key)
                .with_allow_http(config.allow_http)
                .with_virtual_hosted_style_request(config.endpoint.is_none())
                .with_retry(retry);
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
            }
            let store = builder.build().map_err(|error| failed("setting up S3", error))?;
            Ok((name, Arc::new(store)))
        };
        let stranger = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| StorageError::new(ErrorKind::Other, "no HTTP client can be made").caused_by(error))?;
        Ok(S3 {
            buckets: [bucket(Bucket::Datasets)?, bucket(Bucket::Utils)?, bucket(Bucket::Models)?],
            endpoint: config.endpoint.as_ref().map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            stranger,
            allow_public: config.allow_public,
        })
    }

    fn store(&self, bucket: Bucket) -> &Arc<AmazonS3> {
        &self.buckets[bucket as usize].1
    }

    async fn open(&self, at: &Location, range: Option<GetRange>) -> object_store::Result<GetResult> {
        let options = GetOptions { range, ..GetOptions::default() };
        self.store(at.bucket()).get_opts(&path(at), options).await
    }

    async fn meta(&self, at: &Location) -> Result<ObjectMeta> {
        self.store(at.bucket()).head(&path(at)).await.map_err(|error| failed_at("looking for", at, error))
    }
}

fn path(at: &Location) -> Path {
    Path::from(at.key())
}

fn content(result: GetResult) -> Content {
    let size = result.range.end - result.range.start;
    Content { size, stream: result.into_stream().map_err(std::io::Error::other).boxed() }
}

#[async_trait]
impl Storage for S3 {
    async fn prepare(&self) -> Result<()> {
        for (name, store) in &self.buckets {
            let found = store.list_with_delimiter(Some(&Path::from("no-such-folder"))).await;
            if let Err(error) = found {
                // A missing bucket is no kind of its own to the crate; the code is one of S3.
                if error.to_string().contains("NoSuchBucket") {
                    let message = format!("there is no bucket {name:?}: create it, private, and start again");
                    return Err(StorageError::new(ErrorKind::Denied, message).caused_by(error));
                }
                return Err(failed(format_args!("looking for the bucket {name}"), error));
            }
        }
        Ok(())
    }

    async fn put(&self, at: &Location, content_type: &str, mut body: ByteStream<'_>, max_bytes: u64) -> Result<u64> {
        let writing = |error| failed_at("writing", at, error);
        let (store, path) = (self.store(at.bucket()), path(at));
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type.to_owned())]);
        let (mut part, mut size) = (BytesMut::new(), 0);
        while part.len() < PART {
            match next_piece(&mut body, &mut size, max_bytes).await? {
                Some(piece) => part.extend_from_slice(&piece),
                None => {
                    let options = PutOptions { attributes, ..PutOptions::default() };
                    store.put_opts(&path, part.freeze().into(), options).await.map_err(writing)?;
                    return Ok(size);
                }
            }
        }
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let mut upload = Upload(Some(store.put_multipart_opts(&path, options).await.map_err(writing)?));
        let mut under_way = FuturesUnordered::new();
        loop {
            // All parts but the last have the same size: some servers insist on it.
            while part.len() >= PART {
                if under_way.len() == PARTS {
                    under_way.try_next().await.map_err(writing)?;
                }
                under_way.push(upload.get().put_part(part.split_to(PART).freeze().into()));
            }
            match next_piece(&mut body, &mut size, max_bytes).await? {
                Some(piece) => part.extend_from_slice(&piece),
                None => break,
            }
        }
        if !part.is_empty() {
            under_way.push(upload.get().put_part(part.freeze().into()));
        }
        while under_way.try_next().await.map_err(writing)?.is_some() {}
        upload.get().complete().await.map_err(writing)?;
        upload.0 = None;
        Ok(size)
    }

    async fn get(&self, at: &Location) -> Result<Content> {
        self.open(at, None).await.map(content).map_err(|error| failed_at("reading", at, error))
    }

    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content> {
        if range.start < range.end
            && let Ok(result) = self.open(at, Some(GetRange::Bounded(range.clone()))).await
        {
            return Ok(content(result));
        }
        // What is wrong with it is not told apart: the size does.
        let range = super::clip(at, range, self.meta(at).await?.size)?;
        let result = self.open(at, Some(GetRange::Bounded(range))).await;
        result.map(content).map_err(|error| failed_at("reading", at, error))
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        let meta = self.meta(at).await?;
        Ok(Head { size: meta.size, modified: meta.last_modified.into() })
    }

    async fn delete(&self, at: &Location) -> Result<bool> {
        // S3 does not say whether there was something to delete.
        match self.head(at).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            head => head?,
        };
        match self.store(at.bucket()).delete(&path(at)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed_at("deleting", at, error)),
        }
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>> {
        // Whole folders only are asked for: that is what a prefix means to the crate.
        let folders = prefix.rsplit_once('/').map(|(folders, _)| Path::from(folders));
        let metas = self.store(bucket).list(folders.as_ref()).try_collect::<Vec<_>>().await;
        let metas = metas.map_err(|error| failed(format_args!("listing {bucket}"), error))?;
        let within = metas.into_iter().filter(|meta| meta.location.as_ref().starts_with(prefix));
        let mut listed: Vec<Listed> = within
            .filter_map(|meta| {
                let location = Location::new(bucket, meta.location.as_ref()).ok()?;
                Some(Listed { location, size: meta.size, modified: meta.last_modified.into() })
            })
            .collect();
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(listed)
    }

    async fn check(&self, there: &[Location]) -> Result<()> {
        self.prepare().await?;
        if self.allow_public {
            return Ok(());
        }
        for at in there {
            let Some(endpoint) = &self.endpoint else { continue };
            let (name, _) = &self.buckets[at.bucket() as usize];
            // Without a signature: a bucket that answers this answers everybody. No answer says nothing about it.
            let url = format!("{endpoint}/{name}/{}", at.key());
            if self.stranger.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                let message = format!(
                    "the bucket {name:?} can be read by everybody who knows a file's name: make it private, or set \
                     ALLOW_PUBLIC_BUCKETS=true if that is meant"
                );
                return Err(StorageError::new(ErrorKind::Public, message));
            }
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        // Unfinished parts cannot be told from those of a writer at work: a lifecycle rule of the bucket removes them.
        Ok(0)
    }
}

/// Parts that are taken back when this is dropped before they became an object.
struct Upload(Option<Box<dyn MultipartUpload>>);

impl Upload {
    fn get(&mut self) -> &mut dyn MultipartUpload {
        self.0.as_mut().expect("an upload is there until it is complete").as_mut()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { upload.abort().await });
        }
    }
}

fn failed_at(what: &str, at: &Location, error: object_store::Error) -> StorageError {
    match error {
        object_store::Error::NotFound { .. } => not_found(at),
        error => failed(format_args!("{what} {at}"), error),
    }
}

fn failed(what: impl fmt::Display, error: object_store::Error) -> StorageError {
    use object_store::Error;
    let kind = match &error {
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorKind::Denied,
        Error::Generic { source, .. } => by_words(&source.to_string()),
        _ => ErrorKind::Other,
    };
    StorageError::new(kind, format!("{what}: {error}")).caused_by(error)
}

/// What the crate leaves in the words of an error.
fn by_words(words: &str) -> ErrorKind {
    let has = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    match () {
        () if has(&["status code: 401", "status code: 403"]) => ErrorKind::Denied,
        () if has(&["status code: 413", "EntityTooLarge"]) => ErrorKind::TooLarge,
        () if has(&["status code: 415", "InvalidMimeType"]) => ErrorKind::TypeRefused,
        // MinIO and Ceph have codes of their own for it.
        () if has(&["status code: 507", "StorageFull", "QuotaExceeded", "ENOSPC", "No space left"]) => ErrorKind::Full,
        // What is left after the retries: no answer, 429 or 5xx.
        () => ErrorKind::Unavailable,
    }
}
