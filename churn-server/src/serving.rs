//! The models that answer requests, held in memory.
//!
//! The models of an organization are loaded with the first request and kept, together with the share of the challenger and the
//! thresholds. Every change of these increments the organization's `serving_generation` in the database. One of the arriving
//! requests checks it, at most twice a second. So a change made on another server is seen here within a second, and all other
//! requests need neither disk nor database. If the database does not answer, predictions continue with the loaded models for
//! `OFFLINE_SECONDS`.
//!
//! Memory is limited: models count with the size of their documents, and the least recently used ones are removed first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use churn::{ExplainConfig, Explainer, LabelKind, Model, ModelKind, Segment, Thresholds};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::error::{ApiError, Result};
use crate::state::AppState;
use crate::storage::Location;
use crate::store::{DataKind, ModelRow};

/// Time after which the generation of an organization is checked again.
const FRESH: Duration = Duration::from_millis(500);

/// Maximum size in bytes of a model document.
const MAX_DOCUMENT: u64 = 256 << 20;

/// Maximum total bytes of the documents of cached models.
const MAX_KEPT: u64 = 256 << 20;

/// Maximum total bytes of cached explainers. An explainer for a model of trees takes up to 64 MB.
const MAX_EXPLAINERS: u64 = 256 << 20;

/// A model in memory.
#[derive(Clone, Debug)]
pub struct Hot(Arc<HotParts>);

#[derive(Debug)]
struct HotParts {
    id: String,
    version: i64,
    bytes: u64,
    model: Model,
}

impl Hot {
    /// Reads a model of an organization from storage.
    ///
    /// # Errors
    /// `model_not_found`; `model_not_ready`; `internal` for a document that is damaged; those of the storage.
    pub async fn load(state: &AppState, org_id: &str, id: &str) -> Result<Hot> {
        let row = state.store.model(org_id, id).await?;
        Hot::of(state, &row).await
    }

    async fn of(state: &AppState, row: &ModelRow) -> Result<Hot> {
        let Some(key) = &row.document_key else {
            let message = format!("the model {} is {}, not completed", row.id, row.status);
            return Err(ApiError::conflict("model_not_ready", message));
        };
        if let Some(hot) = state.serving.models.get(&row.id) {
            return Ok(hot);
        }
        let at: Location = key.parse()?;
        let document = state.storage.get(&at).await?.bytes(MAX_DOCUMENT).await?;
        let bytes = document.len() as u64;
        let model = state
            .cpu
            .run(move || {
                let text = std::str::from_utf8(&document).map_err(ApiError::internal)?;
                Model::from_json(text).map_err(|error| ApiError::internal(format!("{}: {error}", error.code())))
            })
            .await??;
        let hot = Hot(Arc::new(HotParts { id: row.id.clone(), version: row.version, bytes, model }));
        state.serving.models.insert(row.id.clone(), hot.clone());
        Ok(hot)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.0.model
    }

    /// Version of the model.
    pub fn version(&self) -> i64 {
        self.0.version
    }

    /// Id of the model.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// True if both models score the same customers from the same data: of the same kind, and of subscriptions with usage events or
    /// not, and before renewals or not. Another challenger scores nobody.
    pub fn scores_as(&self, other: &Hot) -> bool {
        let before_renewal = |hot: &Hot| hot.model().labels().before_renewal_days;
        self.kind() == other.kind()
            && self.model().needs_usage() == other.model().needs_usage()
            && before_renewal(self) == before_renewal(other)
    }

    /// Kind of the data that the model predicts.
    pub fn kind(&self) -> DataKind {
        match self.model().labels().labels {
            LabelKind::SubscriptionEnd => DataKind::Subscriptions,
            _ => DataKind::Events,
        }
    }
}

/// Models and settings that the predictions of an organization use.
#[derive(Debug)]
pub struct Serving {
    generation: i64,
    /// Time of the last check of the generation, in milliseconds of [`clock`].
    looked: AtomicU64,
    /// Time at which the database last confirmed the generation.
    confirmed: AtomicU64,
    active: Hot,
    /// The challenger, with its share of the customers.
    challenger: Option<(Hot, f64)>,
    thresholds: Thresholds,
}

impl Serving {
    /// Returns the model that scores a customer. It stays the same until the challenger or its share changes. A challenger that takes
    /// other data scores nobody.
    pub fn model_for(&self, customer_id: &str) -> &Hot {
        match &self.challenger {
            Some((challenger, share))
                if challenger.scores_as(&self.active)
                    && is_challenger_customer(challenger.id(), customer_id, *share) =>
            {
                challenger
            }
            _ => &self.active,
        }
    }

    /// Returns the segment of a probability, by the thresholds of the organization.
    ///
    /// # Errors
    /// None if `probability` is a probability.
    pub fn segment(&self, probability: f64) -> Result<Segment> {
        Ok(self.thresholds.segment(probability)?)
    }
}

/// Returns true if the challenger scores this customer. A hash of the challenger and the customer id gives a number from 0 to
/// 1, which is compared with the share.
pub fn is_challenger_customer(challenger_id: &str, customer_id: &str, share: f64) -> bool {
    let digest = Sha256::new().chain_update(challenger_id).chain_update([0]).chain_update(customer_id).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    // 53 bits, as many as a double holds exactly, so the number is below 1.
    let drawn = (u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64;
    drawn < share
}

/// Returns the milliseconds since the first call in this process.
pub(crate) fn clock() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// A transaction in progress; see [`Cached::begin_change`].
#[derive(Debug)]
pub struct Changing<'a> {
    cached: &'a Cached,
    org_id: &'a str,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.cached.forget(self.org_id);
        self.cached.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Cache of models and explainers.
pub struct Cached {
    organizations: Cache<String, Arc<Serving>>,
    models: Cache<String, Hot>,
    /// Explainers, each with its weight in bytes.
    explainers: Cache<String, (u32, Arc<Explainer>)>,
    /// Incremented with every change made in this process, so that values read before a change are not kept after it.
    changes: AtomicU64,
    /// Number of transactions in progress that may change what predictions use.
    under_way: AtomicU64,
    /// Locks for loading, so that simultaneous requests of one organization load only once.
    loading: [tokio::sync::Mutex<()>; 16],
}

impl std::fmt::Debug for Cached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cached").field("organizations", &self.organizations.entry_count()).finish_non_exhaustive()
    }
}

impl Cached {
    /// Creates an empty cache for at most this many models.
    pub fn new(models: u64) -> Self {
        // Each model counts with at least its equal share, so that the limits of count and of size both hold.
        let least = MAX_KEPT / models.max(1);
        let weigh = move |bytes: u64| u32::try_from(bytes.max(least)).unwrap_or(u32::MAX);
        let of_serving = move |_: &String, serving: &Arc<Serving>| {
            let challenger = serving.challenger.as_ref().map_or(0, |(hot, _)| hot.0.bytes);
            weigh(serving.active.0.bytes + challenger)
        };
        let of_explainer = |_: &String, explainer: &(u32, Arc<Explainer>)| explainer.0;
        Cached {
            organizations: Cache::builder().max_capacity(MAX_KEPT).weigher(of_serving).build(),
            models: Cache::builder()
                .max_capacity(MAX_KEPT)
                .weigher(move |_: &String, hot: &Hot| weigh(hot.0.bytes))
                .build(),
            explainers: Cache::builder().max_capacity(MAX_EXPLAINERS).weigher(of_explainer).build(),
            changes: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            loading: Default::default(),
        }
    }

    /// Returns the models and settings that the predictions of an organization use now.
    ///
    /// # Errors
    /// `organization_not_found`, `no_model`, and those of loading.
    pub async fn of(&self, state: &AppState, org_id: &str) -> Result<Arc<Serving>> {
        let Some(serving) = self.organizations.get(org_id) else { return self.load(state, org_id).await };
        let (now, looked) = (clock(), serving.looked.load(Ordering::Relaxed));
        let confirmed = serving.confirmed.load(Ordering::Relaxed);
        let is_overdue = now.saturating_sub(confirmed) > (state.config.offline + FRESH).as_millis() as u64;
        // If the entry is old, one request checks it. The others use it meanwhile, unless it is too old for that.
        let is_fresh = now.saturating_sub(looked) < FRESH.as_millis() as u64
            || serving.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_err();
        if !is_overdue && is_fresh && self.under_way.load(Ordering::SeqCst) == 0 {
            return Ok(serving);
        }
        match state.store.serving_generation(org_id).await {
            Ok(generation) if generation == serving.generation => {
                serving.confirmed.store(now, Ordering::Relaxed);
                Ok(serving)
            }
            Ok(_) => {
                self.organizations.invalidate(org_id);
                self.load(state, org_id).await
            }
            Err(error) if error.status().is_server_error() && !is_overdue => {
                tracing::warn!(%error, "predictions go on with the models that are loaded");
                metrics::counter!("churn_offline_looks_total").increment(1);
                Ok(serving)
            }
            Err(error) if error.status().is_server_error() => Err(error),
            Err(error) => {
                self.organizations.invalidate(org_id);
                Err(error)
            }
        }
    }

    /// Removes an organization from the cache, so that the next request sees a change made here.
    pub fn forget(&self, org_id: &str) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.organizations.invalidate(org_id);
    }

    /// Begins a transaction that may change what the predictions of an organization use. Until the result is dropped, every
    /// request checks the database, so that none uses the old state once the new one is visible.
    pub fn begin_change<'a>(&'a self, org_id: &'a str) -> Changing<'a> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        Changing { cached: self, org_id }
    }

    async fn load(&self, state: &AppState, org_id: &str) -> Result<Arc<Serving>> {
        let place = org_id.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let _turn = self.loading[place % self.loading.len()].lock().await;
        if let Some(serving) = self.organizations.get(org_id) {
            return Ok(serving);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        // The generation is read first. If anything changes during the other reads, the generation is outdated, and the change
        // is seen half a second later.
        let now = clock();
        let organization = state.store.organization(org_id).await?;
        let in_use = state.store.models_in_use(org_id).await?;
        let active = Hot::of(state, &in_use.active).await?;
        let challenger = match &in_use.challenger {
            Some(row) if organization.traffic_share > 0.0 => {
                Some((Hot::of(state, row).await?, organization.traffic_share))
            }
            _ => None,
        };
        let serving = Arc::new(Serving {
            generation: organization.serving_generation,
            looked: AtomicU64::new(now),
            confirmed: AtomicU64::new(now),
            active,
            challenger,
            thresholds: organization.settings.0.thresholds,
        });
        self.organizations.insert(org_id.to_owned(), serving.clone());
        if self.changes.load(Ordering::SeqCst) != changes {
            // Something changed during the reads, so the next request loads again.
            self.organizations.invalidate(org_id);
        }
        Ok(serving)
    }

    /// Returns the explainer of a model. Creating it takes a while for large models of trees, so it must not run on a thread
    /// that answers requests.
    ///
    /// # Errors
    /// `internal`.
    pub fn explainer(&self, hot: &Hot) -> Result<Arc<Explainer>> {
        if let Some((_, explainer)) = self.explainers.get(hot.id()) {
            return Ok(explainer);
        }
        let explainer = hot.model().explainer(&ExplainConfig::default()).map_err(ApiError::internal)?;
        let weight = match hot.model().kind() {
            ModelKind::LogisticRegression => 1 << 20,
            _ => 64 << 20,
        };
        let explainer = Arc::new(explainer);
        self.explainers.insert(hot.id().to_owned(), (weight, explainer.clone()));
        Ok(explainer)
    }
}
