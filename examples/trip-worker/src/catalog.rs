//! The list of all tools.

use std::sync::Arc;
use std::time::Duration;

use holdfast_tool::{ManifestBuilder, Tool};

use crate::deeds::{self, Deed, Undo};
use crate::tool::TripTool;
use crate::{FaultPlan, Ledger, manifests};

/// How long a call takes at most: short, because a silent worker is waited for this long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a write of the ledger may still be under way when its call has ended.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);

const FLIGHT: Undo = Undo { of: "book_flight", field: "booking" };
const CARD: Undo = Undo { of: "charge_card", field: "charge" };
const HOTEL: Undo = Undo { of: "book_hotel", field: "booking" };
const HOLD: Undo = Undo { of: "hold_hotel", field: "booking" };

/// The names of all tools, as [`tools`] gives them.
pub(crate) const NAMES: [&str; 16] = [
    "search_flights",
    "search_hotels",
    "forecast",
    "book_flight",
    "cancel_flight",
    "charge_card",
    "refund_card",
    "book_hotel",
    "cancel_hotel",
    "hold_hotel",
    "release_hotel",
    "send_mail",
    "chain_step",
    "fan_item",
    "payload",
    "put_value",
];

/// Makes all tools over a ledger, with the faults that they are told to have.
#[must_use]
pub fn tools(ledger: Ledger, faults: FaultPlan) -> Vec<Arc<dyn Tool>> {
    let faults = Arc::new(faults);
    let host = |(manifest, deed)| host(manifest, deed, &ledger, &faults);
    all().into_iter().map(host).collect()
}

fn all() -> [(ManifestBuilder, Deed); NAMES.len()] {
    [
        (manifests::search_flights(), Deed::Look(deeds::search_flights)),
        (manifests::search_hotels(), Deed::Look(deeds::search_hotels)),
        (manifests::forecast(), Deed::Look(deeds::forecast)),
        (manifests::book_flight(&FLIGHT), Deed::Act(deeds::book_flight)),
        (manifests::undo("cancel_flight", &FLIGHT), Deed::Undo(FLIGHT)),
        (manifests::charge_card(&CARD), Deed::Act(deeds::charge_card)),
        (manifests::undo("refund_card", &CARD), Deed::Undo(CARD)),
        (manifests::book_hotel(&HOTEL), Deed::Act(deeds::book_hotel)),
        (manifests::undo("cancel_hotel", &HOTEL), Deed::Undo(HOTEL)),
        (manifests::hold_hotel(&HOLD), Deed::Act(deeds::hold_hotel)),
        (manifests::undo("release_hotel", &HOLD), Deed::Undo(HOLD)),
        (manifests::send_mail(), Deed::Act(deeds::send_mail)),
        (manifests::chain_step(), Deed::Act(deeds::filled)),
        (manifests::fan_item(), Deed::Act(deeds::fan_item)),
        (manifests::payload(), Deed::Look(deeds::filled)),
        (manifests::put_value(), Deed::Act(deeds::filled)),
    ]
}

// No input reaches this: every manifest is a constant of this crate, and a test builds them all.
#[allow(clippy::expect_used)]
fn host(manifest: ManifestBuilder, deed: Deed, ledger: &Ledger, faults: &Arc<FaultPlan>) -> Arc<dyn Tool> {
    let manifest = manifest.attempt_timeout(ATTEMPT_TIMEOUT).settles_within(SETTLES_WITHIN);
    let manifest = manifest.build().expect("the manifests of this crate are whole");
    Arc::new(TripTool { manifest, deed, ledger: ledger.clone(), faults: Arc::clone(faults) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_tool_is_whole_and_named_in_the_list() {
        let tools = tools(Ledger::in_memory().await.unwrap(), FaultPlan::default());
        let names: Vec<String> = tools.iter().map(|tool| tool.manifest().name.to_string()).collect();
        assert_eq!(names, NAMES);
    }
}
