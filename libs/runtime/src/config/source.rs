//! Where a value comes from.

use std::fmt;
use std::path::PathBuf;

/// The layer, and the place in it, that gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything else.
    Default,
    /// A line of the configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env {
        /// Its name.
        name: String,
    },
    /// A file named by an environment variable that ends with `_FILE`.
    EnvFile {
        /// The variable's name.
        name: String,
        /// The file that holds the value.
        path: PathBuf,
    },
    /// A flag of the command line.
    Flag {
        /// The flag with its dashes.
        name: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env { name } => f.write_str(name),
            Self::EnvFile { name, path } => write!(f, "{name} ({})", path.display()),
            Self::Flag { name } => f.write_str(name),
        }
    }
}
