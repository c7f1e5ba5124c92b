//! The gRPC clients of the ports.

mod execution;
mod tools;
mod unary;

pub use tools::RemoteTools;
