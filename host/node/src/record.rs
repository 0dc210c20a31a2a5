//! The record of a run: one small JSON file, written when the run starts and when it has ended.

use crate::control;
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::Usage;
use mutual_protocol::spec::ProgramKind;
use mutual_protocol::{Cid, JobId};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the record's fields; additions keep it.
pub const SCHEMA: &str = "mc.v1/run-record";

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Its process was alive when the record was written.
    Running,
    /// Decided: there is a result certificate.
    Ended,
    /// Ended without a decision: its process vanished.
    Lost,
}

/// Why `mc run` failed after the decision: outputs did not get to their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unplaced {
    /// An error code of [`mutual_protocol::codes`].
    pub code: String,
    /// What exactly.
    pub detail: String,
    /// What to do, where it is not what the code says.
    pub next: Option<String>,
}

/// Where a run of a pool ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanOn {
    /// The host's whole id as text.
    pub id: String,
    /// What people call it, by its own word.
    pub name: Option<String>,
    /// Attempts before it that ended without a result.
    pub lost: Vec<Blamed>,
}

/// An attempt that ended without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blamed {
    /// Its host's whole id as text.
    pub id: String,
    /// What people call the host.
    pub name: Option<String>,
    /// Fencing epoch.
    pub epoch: u32,
    /// Whose doing it was, as far as anybody can tell.
    pub blame: Blame,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// How the deciding attempt ended.
    pub outcome: Outcome,
    /// Exit code of `mc run`.
    pub exit_code: u8,
    /// What it used.
    pub usage: Usage,
    /// Fencing epoch of the deciding attempt.
    pub epoch: u32,
    /// Output manifest, when there are outputs.
    #[serde(with = "cid_text::optional")]
    pub outputs: Option<Cid>,
    /// The log, when anything was printed.
    #[serde(with = "cid_text::optional")]
    pub log: Option<Cid>,
    /// Certificates in one block (see [`crate::proofs`]), when the run was decided.
    #[serde(with = "cid_text::optional")]
    pub proofs: Option<Cid>,
    /// Set after the decision, when outputs did not get to their places.
    #[serde(default)]
    pub unplaced: Option<Unplaced>,
}

/// One run of this account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA`].
    pub schema: String,
    /// The job's whole id as text.
    pub job: String,
    /// Name given by the person.
    pub name: Option<String>,
    /// State when the record was written.
    pub state: RunState,
    /// Process of an attached run.
    pub pid: u32,
    /// Milliseconds since 1970.
    pub started_at_ms: u64,
    /// Milliseconds since 1970 after which outputs and logs go.
    pub keep_until_ms: u64,
    /// The program's name and arguments, for people.
    pub command: Vec<String>,
    /// The program.
    #[serde(with = "cid_text")]
    pub program: Cid,
    /// Module or component.
    pub kind: ProgramKind,
    /// Input manifest.
    #[serde(with = "cid_text")]
    pub inputs: Cid,
    /// From the signed spec to the guest's first instruction, microseconds; none before it.
    #[serde(default)]
    pub start_us: Option<u64>,
    /// The other host that ran it; none before that, and for a run on this machine.
    #[serde(default)]
    pub host: Option<RanOn>,
    /// The end, once there is one.
    pub ending: Option<Ending>,
}

impl RunRecord {
    /// The job's id; `None` when the record was tampered with.
    pub fn job_id(&self) -> Option<JobId> {
        self.job.parse().ok()
    }

    /// The record as it is kept.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A record that says `running` is believed only while somebody answers on the run's socket in `runtime`.
    pub fn settle(&mut self, runtime: &Path) {
        let is_answered = |job| control::is_answered(&control::socket_path(runtime, &job));
        if self.state == RunState::Running && !self.job_id().is_some_and(is_answered) {
            self.state = RunState::Lost;
        }
    }

    /// Content that must stay while this record stays.
    pub fn roots(&self) -> Vec<Cid> {
        let ending = self.ending.as_ref();
        let mut roots = vec![self.program, self.inputs];
        roots.extend(ending.and_then(|ending| ending.outputs));
        roots.extend(ending.and_then(|ending| ending.log));
        roots.extend(ending.and_then(|ending| ending.proofs));
        roots
    }
}

/// CIDs as text, because JSON has no links.
mod cid_text {
    use mutual_protocol::Cid;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(cid: &Cid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(cid)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cid, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }

    pub(super) mod optional {
        use mutual_protocol::Cid;
        use serde::{Deserialize as _, Deserializer, Serializer};

        pub(in super::super) fn serialize<S: Serializer>(
            cid: &Option<Cid>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match cid {
                Some(cid) => serializer.collect_str(cid),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Cid>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| text.parse().map_err(serde::de::Error::custom))
                .transpose()
        }
    }
}
