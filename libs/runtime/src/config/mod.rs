//! Configuration in layers: defaults, then the file, then the environment, then flags; each value knows its source.
//!
//! The composing crate gives one serde struct. Every container in it says
//! `#[serde(default, deny_unknown_fields)]` and its `Default` is the default layer. What a key may be called is
//! read from that default: an unknown key in a file or a flag is an error, an unknown `HOLDFAST_*` variable a
//! warning. `HOLDFAST_A__B` is `[a] b`; `HOLDFAST_A__B_FILE` names a file whose content is the value.

mod env;
mod error;
mod file;
mod inputs;
mod key;
mod load;
mod schema;
mod secret;
mod settings;
mod source;

pub use holdfast_types::human_duration;

pub use error::{Error, Problem};
pub use inputs::{FileChoice, Flag, Inputs};
pub use load::{Config, Warning};
pub use secret::Secret;
pub use settings::Setting;
pub use source::Source;
