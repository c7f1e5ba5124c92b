//! The plans that are measured, as documents.

use std::time::Duration;

use serde_json::{Value, json};

/// The tool that echoes a payload: what is measured is Holdfast, not the tool.
const ECHO: &str = "payload";

/// `steps` steps in a row, each of about `bytes` bytes, each depending on the one before.
pub(crate) fn chain(steps: u32, bytes: u32) -> String {
    let step = |i: u32| {
        let mut step = json!({ "id": format!("s{i}"), "tool": ECHO, "args": { "bytes": bytes } });
        if i > 0 {
            step["depends_on"] = json!([format!("s{}", i - 1)]);
        }
        step
    };
    document("chain", (0..steps).map(step).collect())
}

/// One step of `width` calls, and one that depends on it.
pub(crate) fn fan_out(width: u32) -> String {
    document(
        "fan_out",
        vec![
            json!({ "id": "all", "tool": ECHO, "for_each": (0..width).collect::<Vec<_>>(), "args": { "bytes": 100 } }),
            json!({ "id": "join", "tool": ECHO, "depends_on": ["all"], "args": { "bytes": 100 } }),
        ],
    )
}

/// One request to a dependency.
pub(crate) fn asking(address: std::net::SocketAddr, attempt: Duration, task: Duration) -> String {
    let (attempt, task) = (format!("{}ms", attempt.as_millis()), format!("{}ms", task.as_millis()));
    let ask = json!({
        "id": "ask",
        "tool": "http_request",
        "attempt_timeout": attempt,
        "timeout": task,
        "args": { "method": "GET", "url": format!("http://{address}/") },
    });
    document("asking", vec![ask])
}

/// A chain of deeds that stand in the worker's ledger: for counting what really happened.
pub(crate) fn deeds(steps: u32, bytes: u32) -> String {
    let step = |i: u32| {
        let mut step =
            json!({ "id": format!("s{i}"), "tool": "chain_step", "args": { "index": i, "bytes": bytes } });
        if i > 0 {
            step["depends_on"] = json!([format!("s{}", i - 1)]);
        }
        step
    };
    document("deeds", (0..steps).map(step).collect())
}

fn document(name: &str, steps: Vec<Value>) -> String {
    json!({ "holdfast": "v1", "name": name, "steps": steps, "output": { "done": true } }).to_string()
}
