//! How a driver ends.

/// Why a driver ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It gave the task back with its last append.
    GaveBack,
    /// Another driver has the task, or the session is over.
    Lost,
    /// The journal must be read again: the task is to be released and claimed anew.
    Reload,
    /// It can't go on; the task is to be released.
    Failed(Error),
}

/// Why a driver can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store refuses for good.
    #[error("appending failed")]
    Append(#[source] holdfast_ports::Error),
    /// The journal could not be read.
    #[error("loading failed")]
    Load(#[source] holdfast_ports::Error),
    /// The journal does not fold.
    #[error("folding the journal failed")]
    Fold(#[from] holdfast_engine::FoldError),
    /// An event does not write.
    #[error("writing an event failed")]
    Encode(#[from] holdfast_engine::CodecError),
    /// A blob that an event refers to is gone, and its content is not at hand.
    #[error("the blob {sha256} is missing")]
    BlobMissing {
        /// Which.
        sha256: String,
    },
}

impl Error {
    /// Says whether the store was only away for a while: no fault of the task.
    pub(crate) const fn is_transient(&self) -> bool {
        matches!(self, Self::Append(error) | Self::Load(error) if error.is_transient())
    }

    /// Says whether only a newer binary can read the task.
    pub(crate) const fn is_newer(&self) -> bool {
        matches!(
            self,
            Self::Fold(holdfast_engine::FoldError::Codec(holdfast_engine::CodecError::UnknownKind { .. }))
        )
    }
}
