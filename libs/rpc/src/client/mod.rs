//! The client's side: one HTTP/2 connection to an address, and what goes over the wire with each call.

mod body;
mod channel;
mod config;
mod dial;
mod error;
mod health;

pub use body::Answer;
pub use channel::Channel;
pub use config::Config;
pub use error::{Error, SharedError};
pub use health::{Health, health};
