//! Manifests of the tools that the examples name.

use holdfast_types::{SideEffect, ToolManifest, ToolName};
use serde_json::{Value, json};

fn tool(name: &str, class: SideEffect, properties: Value, required: &[&str]) -> ToolManifest {
    let schema = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    let mut manifest = ToolManifest::new(ToolName::try_new(name).unwrap(), schema);
    manifest.side_effect = class;
    manifest
}

/// The tools of trip.yaml and of checksums.yaml.
pub(crate) fn manifests() -> Vec<ToolManifest> {
    let text = || json!({"type": "string"});
    let path = || json!({"type": "string", "minLength": 1});
    vec![
        tool(
            "search_flights",
            SideEffect::ReadOnly,
            json!({"airline": text(), "from": text(), "to": text()}),
            &["airline", "from", "to"],
        ),
        tool("search_hotels", SideEffect::ReadOnly, json!({"city": text()}), &["city"]),
        tool("forecast", SideEffect::ReadOnly, json!({"city": text()}), &["city"]),
        tool(
            "book_flight",
            SideEffect::Verifiable,
            json!({"traveller": text(), "offer": text()}),
            &["traveller", "offer"],
        ),
        tool("cancel_flight", SideEffect::Idempotent, json!({"booking": text(), "call_key": text()}), &[]),
        tool(
            "charge_card",
            SideEffect::Verifiable,
            json!({"order": text(), "cents": {"type": "integer", "minimum": 1}}),
            &["order", "cents"],
        ),
        tool(
            "book_hotel",
            SideEffect::Verifiable,
            json!({"traveller": text(), "hotel": text()}),
            &["traveller", "hotel"],
        ),
        tool(
            "hold_hotel",
            SideEffect::Idempotent,
            json!({"traveller": text(), "city": text()}),
            &["traveller", "city"],
        ),
        tool(
            "file_list",
            SideEffect::ReadOnly,
            json!({"path": path(), "recursive": {"type": "boolean"}, "kind": {"enum": ["FILE", "FOLDER", "ANY"]}}),
            &["path"],
        ),
        tool(
            "process_exec",
            SideEffect::Unsafe,
            json!({"program": path(), "args": {"type": "array", "items": text()}}),
            &["program"],
        ),
        tool(
            "file_write",
            SideEffect::Idempotent,
            json!({"path": path(), "content": text()}),
            &["path", "content"],
        ),
    ]
}
