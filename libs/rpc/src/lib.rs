//! All gRPC plumbing, once: errors as statuses, the server's bootstrap, channels, and the gRPC clients of the ports.

pub mod client;
pub mod clients;
pub mod convert;
pub mod server;
pub mod status;
pub mod tls;

mod token;
mod trace;

pub use server::Server;
pub use token::{InvalidToken, Token};
