//! Since when a tool is there, or not.

use holdfast_types::{Timestamp, ToolManifest};

/// Since when a tool is there, or not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolStanding {
    manifest: ToolManifest,
    presence: Presence,
    since: Timestamp,
    /// The version of the view with which it came or went.
    version: u64,
}

/// Whether somebody hosts a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// A living worker does.
    Hosted,
    /// Only workers that do not answer now.
    Lost,
    /// Nobody is registered that does.
    Gone,
}

impl ToolStanding {
    pub(crate) fn new(manifest: ToolManifest, version: u64, now: Timestamp) -> Self {
        Self { manifest, presence: Presence::Hosted, since: now, version }
    }

    /// Notes where it is; the time stays where nothing changed for who wants to use it.
    pub(crate) fn note(&mut self, presence: Presence, version: u64, now: Timestamp) {
        let usable = |presence| presence == Presence::Hosted;
        if usable(self.presence) != usable(presence) {
            self.since = now;
        }
        if self.presence != presence {
            self.presence = presence;
            self.version = version;
        }
    }

    /// What it was when it was last hosted.
    pub(crate) const fn manifest(&self) -> &ToolManifest {
        &self.manifest
    }

    pub(crate) const fn presence(&self) -> Presence {
        self.presence
    }

    pub(crate) const fn since(&self) -> Timestamp {
        self.since
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }
}
