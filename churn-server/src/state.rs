//! State shared by all handlers.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::bodies::Bodies;
use crate::config::Config;
use crate::cpu::Cpu;
use crate::error::ApiError;
use crate::files::Files;
use crate::serving::Cached;
use crate::shares::{LimitReached, Shares, SlotGuard};
use crate::storage::{Storage, StorageErrorKind};
use crate::store::Store;
use crate::waiting::WaitSlots;

/// Maximum simultaneous uploads: in total, and of one organization. Each occupies a thread that checks it.
const UPLOADS: (usize, usize) = (64, 16);

/// Maximum number of files unpacked at once, of those whose unpacking takes memory: a spreadsheet is held as a whole, and zstd
/// keeps a window of up to 8 MiB.
const UNPACKING: usize = 2;

/// The parts of a running server. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct AppState(Arc<StateParts>);

/// Content of [`AppState`].
#[derive(Debug)]
pub struct StateParts {
    /// The settings.
    pub config: Config,
    /// Database of the metadata.
    pub store: Store,
    /// Storage of the files; the same object as [`StateParts::files`].
    pub storage: Arc<dyn Storage>,
    /// Storage with its owner and its record of files.
    pub files: Arc<Files>,
    /// Authentication.
    pub auth: Auth,
    /// Threads for computations.
    pub cpu: Cpu,
    /// Memory budget of JSON bodies.
    pub bodies: Bodies,
    /// Slots for uploads.
    pub uploads: Shares,
    /// Slots for uploaded files whose unpacking takes memory.
    pub unpacking: Arc<Semaphore>,
    /// Cache of the models that answer requests.
    pub serving: Cached,
    /// Notified of every job accepted in this process, so that its worker looks at once.
    pub wake: Notify,
    /// Last result of `/readyz` (database and storage) with its time.
    pub ready: tokio::sync::Mutex<Option<(Instant, (String, String))>>,
    /// Requests that wait for jobs.
    pub waiting: WaitSlots,
    /// Cancelled when the server must stop.
    pub shutdown: CancellationToken,
}

impl Deref for AppState {
    type Target = StateParts;

    fn deref(&self) -> &StateParts {
        &self.0
    }
}

impl AppState {
    /// Connects to database and storage according to the settings.
    ///
    /// # Errors
    /// A sentence that says what could not be reached.
    pub async fn open(config: Config) -> Result<AppState, String> {
        let state = AppState::connect(config).await?;
        match state.storage.prepare().await {
            // Reading still works if there is no space to write.
            Err(error) if error.kind() == StorageErrorKind::Full => tracing::warn!(%error, "the storage is full"),
            prepared => prepared.map_err(|error| format!("the storage: {error}"))?,
        }
        state.files.claim().await.map_err(|error| format!("the storage: {error}"))?;
        tokio::spawn(state.store.clone().watch(state.shutdown.clone()));
        Ok(state)
    }

    /// Same, but sends nothing to the storage and does not check its owner.
    ///
    /// # Errors
    /// A sentence that says what could not be reached.
    pub async fn connect(config: Config) -> Result<AppState, String> {
        let storage = crate::storage::open(&config.storage).map_err(|error| format!("the storage: {error}"))?;
        let store = Store::open(&config.database_url, config.database_connections).await?;
        Ok(AppState::new(config, store, storage))
    }

    /// Takes an upload slot for an organization, which is freed when it is dropped.
    ///
    /// # Errors
    /// `unavailable` if too many uploads are in progress.
    pub fn acquire_upload_slot(&self, org_id: &str) -> crate::error::Result<SlotGuard> {
        self.uploads.take(org_id).map_err(|full| {
            ApiError::unavailable(match full {
                LimitReached::Own(most) => format!("{most} uploads of this organization are under way; come again"),
                LimitReached::All(most) => format!("{most} uploads are under way; come again"),
            })
        })
    }

    /// Checks that a log of this many rows may be held in memory.
    ///
    /// # Errors
    /// `too_many_rows`.
    pub fn check_rows(&self, rows: u64) -> crate::error::Result<()> {
        match self.config.max_log_rows {
            limit if rows > limit => Err(ApiError::too_many_rows(rows, limit)),
            _ => Ok(()),
        }
    }

    /// Builds the state from its parts.
    pub fn new(config: Config, store: Store, storage: Arc<dyn Storage>) -> AppState {
        let files = Arc::new(Files::new(&config, store.clone(), storage));
        let storage: Arc<dyn Storage> = files.clone();
        let (auth, cpu) = (Auth::new(&config), Cpu::new(config.cpu_slots));
        let (serving, wake) = (Cached::new(config.model_cache), Notify::new());
        let (shutdown, uploads) = (CancellationToken::new(), Shares::new(UPLOADS.0, UPLOADS.1));
        let bodies = Bodies::new(config.max_body_bytes);
        AppState(Arc::new(StateParts {
            auth,
            cpu,
            store,
            storage,
            files,
            serving,
            wake,
            waiting: WaitSlots::default(),
            config,
            ready: Default::default(),
            shutdown,
            bodies,
            uploads,
            unpacking: Arc::new(Semaphore::new(UNPACKING)),
        }))
    }
}
