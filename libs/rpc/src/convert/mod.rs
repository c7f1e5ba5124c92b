//! Conversions between the wire and the ports' own types; those of the domain's are in `holdfast-proto`.
//!
//! Services and clients use the same ones, so that what one writes the other reads. They are functions, because both
//! sides are foreign to this crate.

mod checkpoints;
mod keys;
mod leases;

pub use checkpoints::{
    checkpoint, name, pending_write, read_checkpoint, read_checkpoint_id, read_pending_write,
};
pub use keys::{
    begin, begin_answer, durability, key_answer, read_begin, read_begin_answer, read_durability,
    read_key_answer,
};
pub use leases::{read_renewed, read_session, renewed, session};
