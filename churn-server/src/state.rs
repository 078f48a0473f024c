//! What every handler can reach.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::bodies::Bodies;
use crate::config::Config;
use crate::cpu::Cpu;
use crate::error::ApiError;
use crate::files::Files;
use crate::serving::Cached;
use crate::shares::{Full, Place, Shares};
use crate::storage::{ErrorKind as StorageErrorKind, Storage};
use crate::store::Store;
use crate::waiting::Waiting;

/// Uploads at once, in all and of one organization: each takes a thread that checks it.
const UPLOADS: (usize, usize) = (64, 16);

/// The parts of a running server; cloning is cheap.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Parts>);

/// What [`AppState`] holds.
#[derive(Debug)]
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// Metadata.
    pub store: Store,
    /// Files; those of [`Parts::files`].
    pub storage: Arc<dyn Storage>,
    /// Whose they are, and which of them are on record.
    pub files: Arc<Files>,
    /// Tokens.
    pub auth: Auth,
    /// Threads that compute.
    pub cpu: Cpu,
    /// Room for bodies of JSON.
    pub bodies: Bodies,
    /// Room for uploads.
    pub uploads: Shares,
    /// Models that answer requests.
    pub serving: Cached,
    /// Told of every job that is accepted here, so that a worker of this process looks at once.
    pub wake: Notify,
    /// What `/readyz` found last, and when: the database and the storage.
    pub ready: tokio::sync::Mutex<Option<(Instant, (String, String))>>,
    /// Requests that wait for jobs.
    pub waiting: Waiting,
    /// Cancelled when the server is to stop.
    pub shutdown: CancellationToken,
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl AppState {
    /// Connects everything as the settings say.
    ///
    /// # Errors
    /// A sentence that says what could not be reached.
    pub async fn open(config: Config) -> Result<AppState, String> {
        let state = AppState::connect(config).await?;
        match state.storage.prepare().await {
            // Reading goes on where there is no room to write.
            Err(error) if error.kind() == StorageErrorKind::Full => tracing::warn!(%error, "the storage is full"),
            prepared => prepared.map_err(|error| format!("the storage: {error}"))?,
        }
        state.files.claim().await.map_err(|error| format!("the storage: {error}"))?;
        tokio::spawn(state.store.clone().watch(state.shutdown.clone()));
        Ok(state)
    }

    /// The same without a word to the storage, whoever it belongs to.
    ///
    /// # Errors
    /// A sentence that says what could not be reached.
    pub async fn connect(config: Config) -> Result<AppState, String> {
        let storage = crate::storage::open(&config.storage).map_err(|error| format!("the storage: {error}"))?;
        let store = Store::open(&config.database_url, config.database_connections).await?;
        Ok(AppState::new(config, store, storage))
    }

    /// Room for an upload of an organization, until it is dropped.
    ///
    /// # Errors
    /// `unavailable` if too many are under way.
    pub fn room_for_upload(&self, org_id: &str) -> crate::error::Result<Place> {
        self.uploads.take(org_id).map_err(|full| {
            ApiError::unavailable(match full {
                Full::Own(most) => format!("{most} uploads of this organization are under way; come again"),
                Full::All(most) => format!("{most} uploads are under way; come again"),
            })
        })
    }

    /// Whether a log of so many rows may be held in memory.
    ///
    /// # Errors
    /// `too_many_rows`.
    pub fn check_rows(&self, rows: u64) -> crate::error::Result<()> {
        match self.config.max_log_rows {
            limit if rows > limit => Err(ApiError::too_many_rows(rows, limit)),
            _ => Ok(()),
        }
    }

    /// From its parts.
    pub fn new(config: Config, store: Store, storage: Arc<dyn Storage>) -> AppState {
        let files = Arc::new(Files::new(&config, store.clone(), storage));
        let storage: Arc<dyn Storage> = files.clone();
        let (auth, cpu) = (Auth::new(&config), Cpu::new(config.cpu_slots));
        let (serving, wake) = (Cached::new(config.model_cache), Notify::new());
        let (shutdown, uploads) = (CancellationToken::new(), Shares::new(UPLOADS.0, UPLOADS.1));
        let bodies = Bodies::new(config.max_body_bytes);
        AppState(Arc::new(Parts {
            auth,
            cpu,
            store,
            storage,
            files,
            serving,
            wake,
            waiting: Waiting::default(),
            config,
            ready: Default::default(),
            shutdown,
            bodies,
            uploads,
        }))
    }
}
