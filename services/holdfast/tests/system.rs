//! The whole system: the real binary, its real processes, and a ledger of what really happened.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "system/binary.rs"]
mod binary;
#[path = "system/breakers.rs"]
mod breakers;
#[path = "system/cli.rs"]
mod cli;
#[path = "system/cluster.rs"]
mod cluster;
#[path = "system/compensation.rs"]
mod compensation;
#[path = "system/dependency.rs"]
mod dependency;
#[path = "system/forks.rs"]
mod forks;
#[path = "system/interrupt.rs"]
mod interrupt;
#[path = "system/journal.rs"]
mod journal;
#[path = "system/kills.rs"]
mod kills;
#[path = "system/losses.rs"]
mod losses;
#[path = "system/metrics.rs"]
mod metrics;
#[path = "system/outcomes.rs"]
mod outcomes;
#[path = "system/plans.rs"]
mod plans;
#[path = "system/resilience.rs"]
mod resilience;
#[path = "system/restore.rs"]
mod restore;
#[path = "system/run.rs"]
mod run;
#[path = "system/scene.rs"]
mod scene;
#[path = "system/secured.rs"]
mod secured;
#[path = "system/spread.rs"]
mod spread;
#[path = "system/traces.rs"]
mod traces;
