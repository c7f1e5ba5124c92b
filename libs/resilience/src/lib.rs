//! The pure algorithms of recovery: what to retry and when, under which key, behind which breaker, undone in
//! which order. Time and entropy are arguments; nothing here reads a clock, draws a random number or performs I/O.

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod canon;
pub mod classify;
pub mod degrade;
pub mod fair;
pub mod keys;
pub mod loops;
pub mod meter;
pub mod outlier;
pub mod pace;
pub mod saga;
pub mod usual;
pub mod window;

pub use canon::Error as CanonError;
