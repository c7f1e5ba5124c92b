//! Why a command could not do its work, in words for whoever typed it.

use std::path::PathBuf;

use holdfast_plan::Findings;

use crate::exit::Exit;

/// The result of a command.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The plan is wrong.
    #[error("{0}")]
    Plan(Findings),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] holdfast_runtime::config::Error),
    /// A file can't be read or written.
    #[error("can't {what} {}", path.display())]
    File {
        /// What was tried.
        what: FileAct,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No server answers.
    #[error("can't reach {server}: {message}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        message: String,
    },
    /// The server refused.
    #[error("{message}")]
    Refused {
        /// The server's words.
        message: String,
        /// How the process ends.
        exit: Exit,
    },
    /// A part of the platform can't start or go on.
    #[error("{what}")]
    Platform {
        /// Which part, and what of it.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A local worker does not come up.
    #[error("{0}")]
    LocalWorker(String),
}

/// What a command tried with a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileAct {
    Read,
    Write,
    Make,
    Open,
    Lock,
}

impl std::fmt::Display for FileAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Make => "make",
            Self::Open => "open",
            Self::Lock => "lock",
        })
    }
}

impl Error {
    /// Makes the error of a part of the platform.
    pub(crate) fn platform(
        what: impl Into<String>,
    ) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        let what = what.into();
        move |source| Self::Platform { what, source }
    }

    /// Says how the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Plan(_) | Self::Config(_) | Self::File { what: FileAct::Read, .. } => {
                Exit::Usage
            }
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused { exit, .. } => *exit,
            Self::File { .. } | Self::Platform { .. } | Self::LocalWorker(_) => Exit::Failed,
        }
    }

    /// Writes the error with all that caused it, in one line where each says one.
    pub(crate) fn told(&self) -> String {
        told(self)
    }
}

/// Writes any error with all that caused it, in one line where each says one.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.ends_with(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        cause = error.source();
    }
    told
}
