//! The server's side: bootstrap, deadlines, reflection, health, and a graceful end.

mod body;
mod builder;
mod config;
mod connections;
mod deadline;
mod dispatch;
mod ending;
mod error;
mod forward;
mod gate;
mod lock;
mod readiness;
mod route;
mod standard;

pub use builder::{Server, bind};
pub use config::Config;
pub use ending::{ConnectionEnd, Ender};
pub use error::Error;
pub use forward::Forward;
pub use gate::Gate;
pub use lock::{Lock, Locks};
pub use readiness::Readiness;
pub use route::GrpcService;
