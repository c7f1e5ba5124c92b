//! What to do with a server that may lose more than it must.

use serde::{Deserialize, Serialize};

/// What becomes of a store whose server may lose what it has answered. One word for PostgreSQL and Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// It is not opened.
    #[default]
    Refuse,
    /// It is opened, with a warning for each setting.
    Warn,
}
