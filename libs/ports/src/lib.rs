//! The traits through which services meet: storage, the directory of workers and its breakers, and the tools they host.
//!
//! `holdfast-store` implements the storage ports locally, `holdfast-rpc` remotely; one suite runs on both.
//! Every future here is cancel-safe in this sense: dropping it never leaves half a write, but whether the write
//! happened is then unknown, so a caller that needs to know asks again with the same id.

mod blobs;
mod breaker_share;
mod breakers;
mod checkpoints;
mod directory;
mod error;
mod inbox;
mod journal;
mod keys;
mod leases;
mod tools;

pub use blobs::Blobs;
pub use breaker_share::{BreakerShare, ShareAnswer, ShareRole, ShareWord, Vacancy};
pub use breakers::{
    BreakerBoard, BreakerReport, Breakers, CallKind, CallReport, CallVerdict, Owner, ToldBreaker, TrialPermit,
};
pub use checkpoints::{Checkpoint, CheckpointId, Checkpoints, PendingWrite};
pub use directory::{Directory, DirectoryView, LiveWorker, Standing};
pub use error::{Error, Result};
pub use inbox::Inbox;
pub use journal::{Journal, Page, TaskPage, Tasks};
pub use keys::{Begin, BeginAnswer, Durability, KeyAnswer, Keys, Repeat, Resolve};
pub use leases::{Leases, Renewal, Renewed, Session};
pub use tools::{ExecuteStream, Tools, no_own_trial};
