//! S3 and compatible services (MinIO, Ceph, R2, Supabase under `/storage/v1/s3`). The `object_store` crate signs requests,
//! retries them and resumes interrupted downloads.
//!
//! A short object is sent in one request, a longer one as a multipart upload. Unfinished parts of a killed process are
//! invisible; a lifecycle rule of the bucket (`AbortIncompleteMultipartUpload`) removes them.

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
    Backoff, Bucket, ByteStream, Content, Head, Listed, Location, Result, Storage, StorageError, StorageErrorKind,
    next_piece, not_found,
};

/// Bytes of a part; an upload may have 10,000 parts.
const PART: usize = 8 << 20;

/// Number of parts that are uploaded at once.
const PARTS: usize = 2;

/// Connection settings of S3.
#[derive(Clone)]
pub struct S3Config {
    /// Address of a service other than Amazon's own, such as `https://<project>.supabase.co/storage/v1/s3`.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// Id of the access key.
    pub access_key_id: String,
    /// Secret of the access key.
    pub secret_access_key: String,
    /// Prefix of the bucket names, because bucket names at Amazon are unique worldwide.
    pub bucket_prefix: String,
    /// Allows `http://` addresses.
    pub allow_http: bool,
    /// Allows public buckets.
    pub allow_public: bool,
    /// Retries after transient failures.
    pub backoff: Backoff,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys are not printed.
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
    /// Client that sends requests without a key.
    stranger: reqwest::Client,
    allow_public: bool,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3").field(&self.buckets.each_ref().map(|(name, _)| name)).finish()
    }
}

impl S3 {
    /// Creates a client; nothing is sent yet.
    ///
    /// # Errors
    /// `storage_error` if a setting is invalid.
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
            .map_err(|error| {
                StorageError::new(StorageErrorKind::Other, "no HTTP client can be made").with_source(error)
            })?;
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
                // The crate has no error kind for a missing bucket, so the error code of S3 is used.
                if error.to_string().contains("NoSuchBucket") {
                    let message = format!("there is no bucket {name:?}: create it, private, and start again");
                    return Err(StorageError::new(StorageErrorKind::Denied, message).with_source(error));
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
        let mut upload = S3Upload(Some(store.put_multipart_opts(&path, options).await.map_err(writing)?));
        let mut under_way = FuturesUnordered::new();
        loop {
            // All parts but the last have the same size, because some servers require it.
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
        // The error does not say what is wrong with the range, but the size of the object does.
        let range = super::clip(at, range, self.meta(at).await?.size)?;
        let result = self.open(at, Some(GetRange::Bounded(range))).await;
        result.map(content).map_err(|error| failed_at("reading", at, error))
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        let meta = self.meta(at).await?;
        Ok(Head { size: meta.size, modified: meta.last_modified.into() })
    }

    async fn delete(&self, at: &Location) -> Result<bool> {
        // S3 does not report whether there was an object to delete.
        match self.head(at).await {
            Err(error) if error.kind() == StorageErrorKind::NotFound => return Ok(false),
            head => head?,
        };
        match self.store(at.bucket()).delete(&path(at)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed_at("deleting", at, error)),
        }
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>> {
        // For the crate a prefix is a whole folder, so only folders are requested.
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
            // The request is not signed: a bucket that answers it is public. A failed request proves nothing.
            let url = format!("{endpoint}/{name}/{}", at.key());
            if self.stranger.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                let message = format!(
                    "the bucket {name:?} can be read by everybody who knows a file's name: make it private, or set \
                     ALLOW_PUBLIC_BUCKETS=true if that is meant"
                );
                return Err(StorageError::new(StorageErrorKind::Public, message));
            }
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        // Unfinished parts look the same as those of an active writer. A lifecycle rule of the bucket removes them.
        Ok(0)
    }
}

/// A multipart upload that is aborted if it is dropped before it is complete.
struct S3Upload(Option<Box<dyn MultipartUpload>>);

impl S3Upload {
    fn get(&mut self) -> &mut dyn MultipartUpload {
        self.0.as_mut().expect("an upload is there until it is complete").as_mut()
    }
}

impl Drop for S3Upload {
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
        Error::NotFound { .. } => StorageErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => StorageErrorKind::Denied,
        Error::Generic { source, .. } => by_words(&source.to_string()),
        _ => StorageErrorKind::Other,
    };
    StorageError::new(kind, format!("{what}: {error}")).with_source(error)
}

/// Derives the error kind from the error message, because the crate gives no more.
fn by_words(words: &str) -> StorageErrorKind {
    let has = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    match () {
        () if has(&["status code: 401", "status code: 403"]) => StorageErrorKind::Denied,
        () if has(&["status code: 413", "EntityTooLarge"]) => StorageErrorKind::TooLarge,
        () if has(&["status code: 415", "InvalidMimeType"]) => StorageErrorKind::TypeRefused,
        // MinIO and Ceph have their own codes for a full storage.
        () if has(&["status code: 507", "StorageFull", "QuotaExceeded", "ENOSPC", "No space left"]) => {
            StorageErrorKind::Full
        }
        // Everything else, after the retries: no response, 429 or 5xx.
        () => StorageErrorKind::Unavailable,
    }
}
