//! What a program writes, up to a limit.

use tokio::io::{AsyncRead, AsyncReadExt};

/// A piece of output.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Its beginning, up to the limit.
    pub(super) kept: Vec<u8>,
    /// How long it really was.
    pub(super) length: u64,
}

impl Output {
    /// Reads to the end, and keeps the first `limit` bytes: a program must not block on a full pipe.
    pub(super) async fn read(mut from: impl AsyncRead + Unpin, limit: usize) -> std::io::Result<Self> {
        let mut output = Self::default();
        let mut piece = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut piece).await?;
            if read == 0 {
                return Ok(output);
            }
            let room = limit.saturating_sub(output.kept.len()).min(read);
            output.kept.extend(piece.iter().take(room));
            output.length = output.length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
    }

    /// Says whether something is missing.
    pub(super) fn is_cut(&self) -> bool {
        u64::try_from(self.kept.len()).is_ok_and(|kept| kept < self.length)
    }

    /// Says whether what is kept is UTF-8 text (a character that the limit cut is let pass).
    pub(super) fn is_text(&self) -> bool {
        std::str::from_utf8(&self.kept)
            .map_or_else(|error| self.is_cut() && error.error_len().is_none(), |_| true)
    }

    /// Returns what is kept as text; what is not UTF-8 is replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}
