//! The folders of this account, opened: store, run records, staging.

use crate::explain;
use crate::failure::Failure;
use mutual_node::attached::GUEST_FOLDERS;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::home::{Home, HomeEnv};
use mutual_node::record::RunRecord;
use mutual_node::upkeep::{SWEEP_FILES_MAX, Upkeep};
use mutual_protocol::{JobId, codes};
use mutual_store::{BlockStore, FindRunError, Run, RunStore, StagingArea};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

/// What most commands work on.
#[derive(Debug)]
pub struct Account {
    /// Where they are.
    pub home: Home,
    /// Content.
    pub blocks: BlockStore,
    /// Records of runs.
    pub runs: RunStore,
    /// Roots of guests.
    pub staging: StagingArea,
}

impl Account {
    /// Opens the folders that the environment names, and makes them at first use.
    ///
    /// # Errors
    /// When one cannot be made or is not ours.
    pub fn open() -> Result<Self, Failure> {
        Self::open_at(locate()?)
    }

    /// Opens the folders if they have ever been used.
    pub fn open_existing() -> Result<Option<Self>, Failure> {
        let home = locate()?;
        if !home.store().exists() {
            return Ok(None);
        }
        Self::open_at(home).map(Some)
    }

    fn open_at(home: Home) -> Result<Self, Failure> {
        let store = home.store();
        let blocks = BlockStore::open(&store).map_err(|e| explain::open_store(&e))?;
        let runs = RunStore::open(&store.join("runs")).map_err(|e| explain::file(&e))?;
        let staging = StagingArea::open(&store.join("staging"), &GUEST_FOLDERS)
            .map_err(|e| explain::file(&e))?;
        Ok(Self {
            home,
            blocks,
            runs,
            staging,
        })
    }

    /// All records, newest first. Damaged ones are told on stderr and hide no other.
    pub fn records(&self) -> Result<Vec<(Run, RunRecord)>, Failure> {
        let found = self
            .runs
            .records(|bytes| serde_json::from_slice::<RunRecord>(bytes))
            .map_err(|e| explain::file(&e))?;
        for damaged in &found.damaged {
            crate::output::say(&format!(
                "warning: {} is damaged and was left out\n",
                damaged.path.display()
            ));
        }
        Ok(found
            .runs
            .into_iter()
            .map(|(run, mut record)| {
                record.settle(self.home.runtime());
                (run, record)
            })
            .collect())
    }

    /// The one run that `selector` means: the beginning of an id, `last`, or `@name` (the newest of that name).
    pub fn find(&self, selector: &str) -> Result<(Run, RunRecord), Failure> {
        let unknown = || Failure::new(codes::JOB_NOT_FOUND).because(format!("`{selector}`"));
        if selector == "last" {
            return self.records()?.into_iter().next().ok_or_else(unknown);
        }
        if let Some(name) = selector.strip_prefix('@') {
            let named = |(_, record): &(Run, RunRecord)| record.name.as_deref() == Some(name);
            return self.records()?.into_iter().find(named).ok_or_else(unknown);
        }
        let run = self.runs.find(selector).map_err(|e| match e {
            FindRunError::Ambiguous { .. } => {
                Failure::new(codes::JOB_AMBIGUOUS).because(e.to_string())
            }
            FindRunError::File(e) => explain::file(&e),
            _ => unknown(),
        })?;
        let bytes = self.runs.read(run.job).map_err(|e| explain::store(&e))?;
        let mut record: RunRecord = serde_json::from_slice(&bytes).map_err(|e| {
            Failure::new(codes::STORE_DAMAGED).because(format!("record of {selector}: {e}"))
        })?;
        record.settle(self.home.runtime());
        Ok((run, record))
    }

    /// What killed processes left goes, and once a day what is past its time. Nobody waits for it, so nobody hears of
    /// what it cannot do.
    pub fn upkeep(&self) {
        let now_ms = SystemClock.wall_ms();
        let now = UNIX_EPOCH + Duration::from_millis(now_ms);
        if let Err(e) = self.folders().sweep(now, SWEEP_FILES_MAX) {
            tracing::debug!("sweep: {e}: {}", e.source);
        }
        let marker = self.home.collected_marker();
        match self.folders().collect_daily(&marker, now_ms) {
            Ok(Some(done)) => tracing::debug!("collected: {done:?}"),
            Ok(None) => {}
            Err(e) => tracing::debug!("collection: {e}"),
        }
    }

    /// For upkeep.
    pub fn folders(&self) -> Upkeep<'_> {
        Upkeep {
            blocks: &self.blocks,
            runs: &self.runs,
            staging: &self.staging,
            runtime: self.home.runtime(),
        }
    }

    /// The control socket of a run.
    pub fn socket(&self, job: &JobId) -> PathBuf {
        mutual_node::control::socket_path(self.home.runtime(), job)
    }
}

/// Reads the environment: the one place of this binary that does.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary's edge: folders come from the environment"
)]
pub fn locate() -> Result<Home, Failure> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let env = HomeEnv {
        mc_home: variable("MC_HOME"),
        home: variable("HOME"),
        xdg_data: variable("XDG_DATA_HOME"),
        xdg_cache: variable("XDG_CACHE_HOME"),
        xdg_runtime: variable("XDG_RUNTIME_DIR"),
    };
    Home::locate(&env).map_err(|e| {
        Failure::new(codes::STORE_IO)
            .because(e.to_string())
            .next("set MC_HOME to an absolute path")
    })
}
