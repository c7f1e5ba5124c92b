//! The verbs, one file a group.

pub(crate) mod blobs;
pub(crate) mod checkpoints;
pub(crate) mod claims;
pub(crate) mod follow;
pub(crate) mod fork;
pub(crate) mod inbox;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod presence;
pub(crate) mod prune;
pub(crate) mod restores;
pub(crate) mod session;
pub(crate) mod tasks;
