//! The key table on Redis: alone, or as the fast front of the table in the journal's store.
//!
//! **Alone** ([`RedisKeys`]) Redis is the table, and what it loses is lost; every answer says so.
//!
//! **In front** ([`FrontedKeys`]) the index decides and Redis hints (PROTOCOL 3, 4). These are the rules:
//!
//! 1. *Redis never permits.* `Acquired`, and every other word about a key that is not settled, comes from the index.
//!    Every write goes to the index first; Redis is told afterwards.
//! 2. *Redis answers alone only for what this port alone can change:* the result or failure of a key that a foreign
//!    client holds. An append of a task moves only its own call's rows (it undoes them, raises their generation), and it
//!    does not pass here: so rows that a task's call holds are never put into Redis, and no undo can leave an "already
//!    done" behind. The one thing an append may do to a settled row of a foreign client is to begin its next generation
//!    (a `repeat`); the row of the generation before stays true, and is asked for again after `fresh`.
//! 3. *What Redis answers was true when it was written, and is forgotten with the row.* A row comes with its retention.
//!    `Forget` closes the key in Redis before it touches the index, and again afterwards, and fails where Redis does
//!    not confirm. A row that was on its way meanwhile is not let in: it says until when it is young.
//! 4. *What Redis holds is evidence.* After `fresh` the index is asked again. Where it has the row, or a later
//!    generation, it is right and Redis is corrected. Where it has none, or has the claim without its end, it has lost
//!    commits (a failover): the row is put back, and nobody is told to run the operation again (PROTOCOL 17).
//! 5. *Redis may be gone, slow or empty.* A wait for it is bounded, and after a failure it is left alone for a while.
//!    That costs latency. A Redis that loses its last second may bring back what an operator has made it forget, but
//!    neither an undone operation nor one that never ended.
//!
//! A script touches one hash, whose name carries a hash tag, so that a cluster can hold the table; the client speaks to
//! one address, which may be a proxy before a cluster. Keys and results never go into logs or errors.

mod breakers;
mod check;
mod config;
mod error;
mod front;
mod gate;
mod hash;
mod hints;
mod keys;
mod link;
mod list;
mod news;
mod script;

pub use breakers::RedisBreakers;
pub use check::{RedisFinding, RedisReport, check_redis};
pub use config::{RedisConfig, RedisKeeps};
pub use error::RedisError;
pub use front::FrontedKeys;
pub use keys::RedisKeys;
