//! What `run`, `dev` and the client commands share about tasks and plans.

pub(crate) mod allow;
pub(crate) mod follow;
pub(crate) mod identity;
pub(crate) mod plan_file;
pub(crate) mod progress;
pub(crate) mod stage;
pub(crate) mod summary;
pub(crate) mod workers;
