//! What all drivers of an instance share.

use std::sync::Arc;

use crate::acks::Acks;
use crate::arguments::Arguments;
use crate::breakers::Breakers;
use crate::budgets::Budgets;
use crate::catalog::Catalog;
use crate::durations::Durations;
use crate::front::Gate;
use crate::places::Places;
use crate::{Config, Deps};

/// What all drivers of an instance share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) deps: Deps,
    pub(crate) places: Arc<Places>,
    pub(crate) budgets: Budgets,
    pub(crate) durations: Durations,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) arguments: Arguments,
    pub(crate) catalog: Catalog,
    pub(crate) acks: Acks,
    /// Whether the idempotency service is asked.
    pub(crate) front: Gate,
}
