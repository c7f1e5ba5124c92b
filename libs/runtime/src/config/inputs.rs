//! What the layers are read from.

use std::path::PathBuf;

/// Which file to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FileChoice {
    /// No file.
    #[default]
    None,
    /// A file that was named (`--config`): that it is missing is an error.
    Named(PathBuf),
    /// The usual file (`holdfast.toml` in the working folder), where there is one.
    IfPresent(PathBuf),
}

/// A flag that stands for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag with its dashes, for messages: `--data-dir`.
    pub name: String,
    /// The key it stands for: `worker.slots`.
    pub key: String,
    /// The value as text.
    pub value: String,
}

/// Everything that configuration is read from, besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The file.
    pub file: FileChoice,
    /// The environment; variables without the prefix `HOLDFAST_` are ignored.
    pub env: Vec<(String, String)>,
    /// Variables with the prefix that somebody else reads (`HOLDFAST_CONFIG`): neither used nor warned about.
    pub own_variables: Vec<String>,
    /// The flags, later ones over earlier ones.
    pub flags: Vec<Flag>,
}

impl Inputs {
    /// Takes the process's environment; variables that are not UTF-8 are left out.
    #[must_use]
    pub fn from_process(file: FileChoice, flags: Vec<Flag>) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, env, own_variables: Vec::new(), flags }
    }
}
