//! The worker SDK: write a tool in Rust, and let a Holdfast worker host it.
//!
//! A tool has a manifest (what it takes, what a repeat of it does to the world, how it is undone) and a function.
//! For the common case [`FnTool`] wraps an async function; what needs a probe implements [`Tool`].
//!
//! A tool with side effects calls [`CallContext::before_effect`] right before its effect and says so with
//! [`EffectBegins::AtCheck`]: until then the worker can stop an attempt and *prove* that nothing happened, so that
//! it may be tried again. A tool that never calls it counts as having begun its effect as soon as it starts.
//!
//! ```
//! use holdfast_tool::{FnTool, manifest};
//! use holdfast_types::SideEffect;
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Greet {
//!     name: String,
//! }
//!
//! let manifest = manifest("greet").describe("Greets somebody.").class(SideEffect::ReadOnly).input::<Greet>();
//! let tool = FnTool::new(manifest.build()?, |_ctx, args: Greet| async move { Ok(format!("hello {}", args.name)) });
//! # Ok::<(), holdfast_tool::ManifestError>(())
//! ```

mod context;
mod failure;
mod function;
mod manifest;
mod tool;

pub use context::{CallContext, CallFacts, Host, Stopped};
pub use failure::ToolFailure;
pub use function::FnTool;
pub use holdfast_types as types;
pub use manifest::{ManifestBuilder, ManifestError, manifest};
pub use tool::{Answer, EffectBegins, Tool};
