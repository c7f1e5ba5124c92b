//! What the store decides, without I/O: every backend reads rows, asks here, and writes what comes out.

pub(crate) mod append;
pub(crate) mod filter;
pub(crate) mod group;
pub(crate) mod keys;
pub(crate) mod life;
pub(crate) mod restore;
pub(crate) mod turns;
