//! An example worker: the tools of a travel agency, with a ledger of every effect and faults on command.
//!
//! [`tools`] gives what `trip.yaml` names, their undos, and a few tools for tests of long chains, wide fan-outs and
//! large payloads. Every effect is one row of the [`Ledger`], so a test can count how often something really
//! happened; a [`FaultPlan`] says which call of which tool fails, hangs, answers late or kills its process.
//!
//! The classes are true: a repeat of an `IDEMPOTENT` tool finds its key and adds no row, a repeat of a `VERIFIABLE`
//! or `UNSAFE` one adds a second.

mod catalog;
mod deeds;
mod faults;
mod ledger;
mod manifests;
mod mishap;
mod schema;
mod tool;

pub use catalog::tools;
pub use faults::{Fault, FaultError, FaultPlan, Nth};
pub use ledger::{Ledger, LedgerError, Row};
