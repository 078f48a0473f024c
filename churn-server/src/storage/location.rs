//! Location of an object: a bucket, and a key that is valid in every backend.

use std::fmt;
use std::str::FromStr;

use super::error::{Result, StorageError, StorageErrorKind};

/// The buckets of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    /// Uploaded files, unchanged.
    Datasets,
    /// Files made from them: features and predictions.
    Utils,
    /// Model documents, and results of backtests.
    Models,
}

impl Bucket {
    /// All buckets.
    pub const ALL: [Bucket; 3] = [Bucket::Datasets, Bucket::Utils, Bucket::Models];

    /// Content type of the files in this bucket. If the bucket has a list of allowed types, the list must contain it.
    pub fn content_type(self) -> &'static str {
        match self {
            Bucket::Datasets | Bucket::Utils => "text/csv",
            Bucket::Models => "application/json",
        }
    }

    /// Name in every backend.
    pub fn name(self) -> &'static str {
        match self {
            Bucket::Datasets => "datasets",
            Bucket::Utils => "utils",
            Bucket::Models => "models",
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Maximum bytes of a key: S3 and Supabase allow 1024, including the names of the buckets.
const MAX_KEY: usize = 900;

/// Maximum bytes of one segment of a key: a file system allows 255, with some reserve.
const MAX_SEGMENT: usize = 200;

/// A bucket and a key in it. The database stores the text form, `datasets/org_1/raw/2.csv`.
///
/// ```
/// use churn_server::storage::{Bucket, Location};
/// let location = Location::dataset("7", "42")?;
/// assert_eq!(location.to_string(), "datasets/org_7/raw/42.csv");
/// assert_eq!("datasets/org_7/raw/42.csv".parse::<Location>()?, location);
/// assert!(Location::new(Bucket::Models, "../datasets/x").is_err());
/// # Ok::<(), churn_server::storage::StorageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    bucket: Bucket,
    key: String,
}

impl Location {
    /// Creates a location. A key has segments of ASCII letters, digits, `_`, `-` and `.`, separated by `/`. No segment is empty
    /// or begins with a point. So a key is a path in every file system and needs no escaping in a URL.
    ///
    /// # Errors
    /// `invalid_key`.
    pub fn new(bucket: Bucket, key: impl Into<String>) -> Result<Location> {
        let key = key.into();
        if key.len() > MAX_KEY || !key.split('/').all(is_segment) {
            let shown: String = key.chars().take(60).collect();
            let message = format!(
                "{shown:?} is no key: expected letters, digits, '_', '-' and '.' in segments between '/', none empty, longer \
                 than {MAX_SEGMENT} or beginning with a point, {MAX_KEY} characters in all"
            );
            return Err(StorageError::new(StorageErrorKind::InvalidKey, message));
        }
        Ok(Location { bucket, key })
    }

    /// Location of the CSV file of a data set, as it was uploaded.
    ///
    /// # Errors
    /// `invalid_key` if an id is not a valid segment.
    pub fn dataset(org_id: &str, dataset_id: &str) -> Result<Location> {
        Location::new(Bucket::Datasets, format!("org_{}/raw/{}.csv", segment(org_id)?, segment(dataset_id)?))
    }

    /// Location of the features of a data set.
    ///
    /// # Errors
    /// `invalid_key` if an id is not a valid segment.
    pub fn features(org_id: &str, dataset_id: &str) -> Result<Location> {
        let (org_id, dataset_id) = (segment(org_id)?, segment(dataset_id)?);
        Location::new(Bucket::Utils, format!("org_{org_id}/features/features_{dataset_id}.csv"))
    }

    /// Location of the predictions of a batch.
    ///
    /// # Errors
    /// `invalid_key` if an id is not a valid segment.
    pub fn predictions(org_id: &str, batch_id: &str) -> Result<Location> {
        let (org_id, batch_id) = (segment(org_id)?, segment(batch_id)?);
        Location::new(Bucket::Utils, format!("org_{org_id}/predictions/predictions_{batch_id}.csv"))
    }

    /// Location of a model document.
    ///
    /// # Errors
    /// `invalid_key` if an id is not a valid segment.
    pub fn model(org_id: &str, model_id: &str) -> Result<Location> {
        Location::new(Bucket::Models, format!("{}/{}.json", segment(org_id)?, segment(model_id)?))
    }

    /// Location of the result of a backtest. It is in the bucket of the model documents, which takes JSON.
    ///
    /// # Errors
    /// `invalid_key` if an id is not a valid segment.
    pub fn backtest(org_id: &str, backtest_id: &str) -> Result<Location> {
        Location::new(Bucket::Models, format!("{}/backtests/{}.json", segment(org_id)?, segment(backtest_id)?))
    }

    /// Returns the location with a prefix before the key. The prefix is empty or ends with `/`.
    ///
    /// # Errors
    /// `invalid_key` if the result is not a valid key.
    pub fn with_prefix(&self, prefix: &str) -> Result<Location> {
        Location::new(self.bucket, format!("{prefix}{}", self.key))
    }

    /// The bucket.
    pub fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// The key within the bucket.
    pub fn key(&self) -> &str {
        &self.key
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_SEGMENT
        && !text.starts_with('.')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.'))
}

/// Checks that an id is a single segment, so that it cannot lead to the folder of another organization.
fn segment(id: &str) -> Result<&str> {
    if is_segment(id) {
        return Ok(id);
    }
    let shown: String = id.chars().take(60).collect();
    let message = format!("{shown:?} cannot stand in a key: expected letters, digits, '_', '-' and '.'");
    Err(StorageError::new(StorageErrorKind::InvalidKey, message))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

impl FromStr for Location {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Location> {
        let parts = text.split_once('/').and_then(|(name, key)| {
            Bucket::ALL.into_iter().find(|bucket| bucket.name() == name).map(|bucket| (bucket, key))
        });
        match parts {
            Some((bucket, key)) => Location::new(bucket, key),
            None => {
                let message = format!("{text:?} is no location: expected datasets/…, utils/… or models/…");
                Err(StorageError::new(StorageErrorKind::InvalidKey, message))
            }
        }
    }
}
