//! The tools of the example: what they answer, and that they are true to their classes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{Agency, args, context, key, stoppable};
use holdfast_types::manifest::Reversibility;
use holdfast_types::worker::ProbeAnswer;
use holdfast_types::{Effect, Payload, SideEffect};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn each_tool_has_the_class_that_the_plan_counts_on() {
    use SideEffect::{Idempotent, ReadOnly, Unsafe, Verifiable};
    let agency = Agency::in_memory("").await;
    let classes = [
        (ReadOnly, vec!["search_flights", "search_hotels", "forecast", "payload"]),
        (Verifiable, vec!["book_flight", "chain_step", "fan_item"]),
        (Idempotent, vec!["charge_card", "hold_hotel", "put_value"]),
        (Idempotent, vec!["cancel_flight", "refund_card", "cancel_hotel", "release_hotel"]),
        (Unsafe, vec!["book_hotel", "send_mail"]),
    ];
    let listed: usize = classes.iter().map(|(_, tools)| tools.len()).sum();
    assert_eq!(listed, agency.tools.len());
    for (class, tools) in classes {
        for tool in tools {
            assert_eq!(agency.manifest(tool).side_effect, class, "{tool}");
        }
    }
    assert_eq!(agency.manifest("book_flight").settles_within, Some(Duration::from_millis(500)));
    assert_eq!(agency.manifest("charge_card").key.valid_for, Some(Duration::from_secs(23 * 3_600)));
    assert_eq!(agency.manifest("send_mail").reversibility, Reversibility::Irreversible);
}

#[tokio::test]
async fn every_undo_is_a_tool_that_takes_what_its_template_gives() {
    let agency = Agency::in_memory("").await;
    let mut undone = Vec::new();
    for name in agency.tools.keys() {
        let Some(undo) = agency.manifest(name).undo else { continue };
        jsonschema::validate(&agency.manifest(undo.tool.as_str()).input_schema, &undo.args).unwrap();
        undone.push(name.as_str());
    }
    assert_eq!(undone, ["book_flight", "book_hotel", "charge_card", "hold_hotel"]);
}

#[tokio::test]
async fn every_result_is_what_the_manifest_promises_and_the_same_for_the_same_arguments() {
    let (one, other) = (Agency::in_memory("").await, Agency::in_memory("").await);
    for tool in one.tools.keys() {
        let result = one.call(tool, 1, args(tool)).await.unwrap().result;
        let schema = one.manifest(tool).output_schema.unwrap();
        jsonschema::validate(&schema, &result).unwrap_or_else(|error| panic!("{tool}: {error}"));
        assert_eq!(other.call(tool, 3, args(tool)).await.unwrap().result, result, "{tool}");
    }
}

#[tokio::test]
async fn the_results_are_what_the_trip_reads() {
    let agency = Agency::in_memory("").await;
    for airline in ["TP", "LH", "IB"] {
        let trip = json!({"airline": airline, "from": "BER", "to": "LIS"});
        let offer = agency.call("search_flights", 1, trip).await.unwrap().result;
        assert!(offer["cents"].as_u64().unwrap() <= 90_000, "{offer}");
        let booked = json!({"traveller": "ada@example.com", "offer": offer["id"]});
        let flight = agency.call("book_flight", 1, booked).await.unwrap().result;
        assert!(flight["booking"].is_string());
        assert_eq!(flight["cents"], offer["cents"], "the flight costs what was offered");
        let charge = json!({"order": airline, "cents": flight["cents"]});
        let charged = context("charge_card", &key(airline), 1);
        assert_eq!(agency.call_with(charged, charge).await.unwrap().result["cents"], flight["cents"]);
    }
    let hotels = agency.call("search_hotels", 1, json!({"city": "LIS"})).await.unwrap().result;
    let booked = json!({"traveller": "ada@example.com", "hotel": hotels[0]["id"]});
    let hotel = agency.call("book_hotel", 1, booked).await.unwrap().result;
    assert!(hotel["booking"].is_string());
}

#[tokio::test]
async fn a_text_has_the_length_that_was_asked_for() {
    let agency = Agency::in_memory("").await;
    for tool in ["payload", "put_value", "chain_step"] {
        let ctx = context(tool, &key("long"), 1);
        let asked = json!({"bytes": 70_001, "index": 5, "echo": {"previous": 4}});
        let result = agency.call_with(ctx, asked).await.unwrap().result;
        assert_eq!(result["text"].as_str().unwrap().len(), 70_001, "{tool}");
        assert_eq!((&result["index"], &result["echo"]), (&json!(5), &json!({"previous": 4})), "{tool}");
        let unsaid = agency.call(tool, 1, json!({})).await.unwrap().result;
        assert_eq!(unsaid["text"].as_str().unwrap().len(), 1_000, "{tool}");
    }
}

#[tokio::test]
async fn a_repeat_does_what_its_class_says() {
    let agency = Agency::in_memory("").await;
    for tool in agency.tools.keys().filter(|tool| !tool.starts_with("cancel")) {
        let class = agency.manifest(tool).side_effect;
        let nothing = agency.call(tool, 1, args(tool)).await.unwrap().result["undone"] == false;
        let second = agency.call(tool, 2, args(tool)).await.unwrap();
        let rows = match class {
            SideEffect::ReadOnly => 0,
            SideEffect::Idempotent => usize::from(!nothing),
            SideEffect::Verifiable | SideEffect::Unsafe => 2,
        };
        assert_eq!(agency.rows(tool).await.len(), rows, "{tool}");
        assert_eq!(second.replayed_downstream, rows == 1, "{tool}");
    }
    assert_eq!(agency.rows("charge_card").await[0].replays, 1);
}

#[tokio::test]
async fn another_key_is_another_operation() {
    let agency = Agency::in_memory("").await;
    for name in ["one", "other"] {
        let ctx = context("charge_card", &key(name), 1);
        assert!(!agency.call_with(ctx, args("charge_card")).await.unwrap().replayed_downstream);
    }
    assert_eq!(agency.rows("charge_card").await.len(), 2);
}

#[tokio::test]
async fn only_verifiable_tools_know_what_happened_under_a_key() {
    let agency = Agency::in_memory("").await;
    for (name, tool) in &agency.tools {
        let verifiable = tool.manifest().side_effect == SideEffect::Verifiable;
        let asked = tool.probe(&key(name), args(name)).await;
        let expected = if verifiable { ProbeAnswer::NotDone } else { ProbeAnswer::Unknown };
        assert_eq!(asked, expected, "{name}");
        let result = agency.call(name, 1, args(name)).await.unwrap().result;
        let asked = tool.probe(&key(name), args(name)).await;
        let done = ProbeAnswer::Done { result: Payload::Json(result) };
        assert_eq!(asked, if verifiable { done } else { ProbeAnswer::Unknown }, "{name}");
    }
}

#[tokio::test]
async fn a_row_says_which_call_had_the_effect() {
    let agency = Agency::in_memory("").await;
    let result = agency.call("book_flight", 4, args("book_flight")).await.unwrap().result;
    let [row] = agency.rows("book_flight").await.try_into().unwrap();
    assert_eq!((row.id, row.attempt, row.replays, row.undone_by), (1, 4, 0, None));
    assert_eq!(row.call, context("book_flight", &key("book_flight"), 1).facts().call);
    assert_eq!((row.key, row.result), (key("book_flight"), result));
    assert!(row.at.micros() > 1_700_000_000_000_000 && row.args_sha256.len() == 64);
}

#[tokio::test]
async fn a_stopped_attempt_has_no_effect() {
    let agency = Agency::in_memory("").await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    for tool in ["book_hotel", "charge_card", "cancel_flight"] {
        let ctx = stoppable(tool, &key(tool), 1, stopped.clone());
        let failure = agency.call_with(ctx, args(tool)).await.unwrap_err();
        assert_eq!(failure.effect, Some(Effect::NotExecuted), "{tool}");
    }
    assert!(agency.ledger.rows().await.unwrap().is_empty());
}

/// Tool, its undo, the field of the reference.
const UNDOS: [(&str, &str, &str); 4] = [
    ("book_flight", "cancel_flight", "booking"),
    ("charge_card", "refund_card", "charge"),
    ("book_hotel", "cancel_hotel", "booking"),
    ("hold_hotel", "release_hotel", "booking"),
];

fn undo_args(field: &str, reference: &Value, call_key: &str) -> Value {
    json!({ field: reference, "call_key": call_key })
}

#[tokio::test]
async fn an_undo_of_what_never_was_does_nothing() {
    let agency = Agency::in_memory("").await;
    for (tool, undo, field) in UNDOS {
        for reference in ["", "XX-1"] {
            let nothing = undo_args(field, &json!(reference), key(tool).as_str());
            assert_eq!(agency.call(undo, 1, nothing).await.unwrap().result["undone"], false, "{undo}");
        }
        assert_eq!(agency.call(undo, 1, json!({ field: "" })).await.unwrap().result["undone"], false);
    }
    assert!(agency.ledger.rows().await.unwrap().is_empty(), "what never was leaves no row");
}

#[tokio::test]
async fn an_undo_finds_the_deed_by_key_or_reference_and_happens_once() {
    for (tool, undo, field) in UNDOS {
        let by_key = |_: &Value| undo_args(field, &json!(""), key(tool).as_str());
        let by_reference = |reference: &Value| json!({ field: reference });
        let by_both = |reference: &Value| undo_args(field, reference, key(tool).as_str());
        let ways: [&dyn Fn(&Value) -> Value; 3] = [&by_key, &by_reference, &by_both];
        for way in ways {
            let agency = Agency::in_memory("").await;
            let reference = agency.call(tool, 1, args(tool)).await.unwrap().result[field].clone();
            let given = way(&reference);
            let undone = agency.call(undo, 1, given.clone()).await.unwrap();
            assert_eq!(undone.result, json!({ "undone": true, field: reference }), "{undo}");
            let again = agency.call(undo, 2, given.clone()).await.unwrap();
            assert!(again.replayed_downstream && again.result == undone.result, "{undo}");
            let other = agency.call_with(context(undo, &key("other"), 1), given).await.unwrap();
            assert!(other.replayed_downstream, "{undo}: what is undone can't be undone again");
            let [undo_row] = agency.rows(undo).await.try_into().unwrap();
            assert_eq!(agency.rows(tool).await[0].undone_by, Some(undo_row.id), "{undo}");
        }
    }
}

#[tokio::test]
async fn an_undo_takes_back_one_of_two_equal_deeds_however_often_it_is_sent() {
    let agency = Agency::in_memory("").await;
    for attempt in [1, 2] {
        agency.call("book_hotel", attempt, args("book_hotel")).await.unwrap();
    }
    let given = undo_args("booking", &json!(""), key("book_hotel").as_str());
    for attempt in [1, 2, 3] {
        agency.call("cancel_hotel", attempt, given.clone()).await.unwrap();
    }
    let standing = agency.rows("book_hotel").await.iter().filter(|row| row.undone_by.is_none()).count();
    assert_eq!((standing, agency.rows("cancel_hotel").await.len()), (1, 1));
}

#[tokio::test]
async fn what_was_undone_can_be_done_again_under_its_key() {
    let agency = Agency::in_memory("").await;
    let given = undo_args("charge", &json!(""), key("charge_card").as_str());
    agency.call("charge_card", 1, args("charge_card")).await.unwrap();
    agency.call("refund_card", 1, given).await.unwrap();
    assert!(!agency.call("charge_card", 1, args("charge_card")).await.unwrap().replayed_downstream);
    assert!(agency.call("charge_card", 2, args("charge_card")).await.unwrap().replayed_downstream);
    assert_eq!(agency.rows("charge_card").await.len(), 2);

    agency.call("book_flight", 1, args("book_flight")).await.unwrap();
    let given = undo_args("booking", &json!(""), key("book_flight").as_str());
    agency.call("cancel_flight", 1, given).await.unwrap();
    let asked = agency.tools["book_flight"].probe(&key("book_flight"), args("book_flight")).await;
    assert_eq!(asked, ProbeAnswer::NotDone, "a cancelled flight is not booked");
}
