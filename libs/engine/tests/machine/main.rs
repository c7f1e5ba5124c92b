//! The pure machine against a simulated world: every scenario, crashed at every action, every action repeated.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod backoffs;
mod by_hand;
mod circuit;
mod compat;
mod crash;
mod effects;
mod fold;
mod forks;
mod hedges;
mod interleavings;
mod last_good;
mod people;
mod plans;
mod random;
mod restored;
mod saga;
mod scenarios;
mod shared;
mod siblings;
mod sim;
mod unsettled;
mod waits;
mod withheld;
mod world;
