//! What the journal of a task says of steps that ran again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::binary::{lines, output, stderr};
use crate::scene::Scene;

/// The events of a task, each with its body read.
pub fn events(scene: &Scene, server: &str, task: &str) -> Vec<(String, Value)> {
    let history = output(scene.holdfast().args(["history", task, "--server", server, "--json"]));
    assert!(history.status.success(), "{}", stderr(&history));
    let read = |event: Value| {
        let body = serde_json::from_str(event["body_json"].as_str().unwrap()).unwrap();
        (event["kind"].as_str().unwrap().to_owned(), body)
    };
    lines(&history).into_iter().map(read).collect()
}

/// Fails where an attempt was begun for a call whose result was recorded; returns how many calls have one.
pub fn assert_nothing_recorded_ran_again(events: &[(String, Value)]) -> usize {
    let mut recorded = BTreeSet::new();
    for (kind, body) in events {
        let call = body["call"].as_str().unwrap_or_default();
        let settled = match kind.as_str() {
            "attempt_started" => {
                assert!(!recorded.contains(call), "{call} was recorded, and ran again");
                false
            }
            "attempt_ended" => body["ended"]["status"] == "SUCCEEDED",
            "probed" => body["answer"]["answer"] == "DONE",
            _ => false,
        };
        if settled {
            recorded.insert(call.to_owned());
        }
    }
    recorded.len()
}
