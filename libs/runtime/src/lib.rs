//! Process concerns: the clock, randomness, ids, shutdown and configuration.
//!
//! Below this crate time and randomness are arguments; here they become real. Nothing is global: a
//! [`Clock`], an [`Entropy`], [`Ids`] and a [`Shutdown`] are made once by the composing crate and passed on.

pub mod clock;
pub mod config;
pub mod entropy;
pub mod ids;
pub mod shutdown;

pub use clock::{BootInstant, Clock, ManualClock, SystemClock};
pub use config::{Config, Secret};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use ids::Ids;
pub use shutdown::{Shutdown, Stage};
