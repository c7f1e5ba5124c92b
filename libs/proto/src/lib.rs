//! The gRPC API: generated code (package `holdfast.v1`), and the conversions between wire and domain.
//!
//! The only crate that knows both. `cargo xtask proto` writes `src/gen/` from `proto/`; nothing else does.

pub mod convert;

pub use convert::Invalid;

/// The generated messages, servers and clients of `holdfast.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(rustdoc::all)]
pub mod v1 {
    include!("gen/holdfast.v1.rs");
}

/// The encoded file descriptor set of `holdfast.v1` and what it imports, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/holdfast.v1.bin");
