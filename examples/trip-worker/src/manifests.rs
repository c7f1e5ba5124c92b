//! The manifests of all tools.

use std::time::Duration;

use holdfast_tool::{ManifestBuilder, manifest};
use holdfast_types::SideEffect;
use serde_json::{Value, json};

use crate::deeds::{MOST_BYTES, Undo};
use crate::schema::{Field, gives, takes, text, whole};

/// For how long the card service promises to remember a key.
const CARD_KEYS: Duration = Duration::from_secs(23 * 3_600);

fn effect(tool: &str, class: SideEffect, about: &str) -> ManifestBuilder {
    manifest(tool).class(class).describe(about)
}

fn look(tool: &str, about: &str) -> ManifestBuilder {
    effect(tool, SideEffect::ReadOnly, about)
}

pub(crate) fn search_flights() -> ManifestBuilder {
    let offer = [("id", text()), ("airline", text()), ("cents", whole())];
    look("search_flights", "Finds an airline's cheapest flight between two airports.")
        .input_schema(takes(&[("airline", text()), ("from", text()), ("to", text())], &[]))
        .output_schema(gives(&offer))
}

pub(crate) fn search_hotels() -> ManifestBuilder {
    let hotel = gives(&[("id", text()), ("name", text()), ("cents", whole())]);
    look("search_hotels", "Finds hotels with a free room in a city.")
        .input_schema(takes(&[("city", text())], &[]))
        .output_schema(json!({ "type": "array", "items": hotel }))
}

pub(crate) fn forecast() -> ManifestBuilder {
    look("forecast", "Tells the weather to expect in a city.")
        .input_schema(takes(&[("city", text())], &[]))
        .output_schema(gives(&[("city", text()), ("sky", text()), ("celsius", json!({ "type": "integer" }))]))
}

/// The arguments of an undo: the reference where the result is known, and the key by which the deed is found else.
fn taken_back_by(undo: &Undo) -> Value {
    let field = undo.field;
    json!({ field: format!("${{result != null ? result.{field} : ''}}"), "call_key": "${key}" })
}

pub(crate) fn undo(tool: &str, undo: &Undo) -> ManifestBuilder {
    let about =
        format!("Takes back what {} did; of what it never did there is nothing to take back.", undo.of);
    effect(tool, SideEffect::Idempotent, &about)
        .input_schema(takes(&[(undo.field, text())], &[("call_key", text())]))
        .output_schema(gives(&[("undone", json!({ "type": "boolean" })), (undo.field, text())]))
}

pub(crate) fn book_flight(undo: &Undo) -> ManifestBuilder {
    effect("book_flight", SideEffect::Verifiable, "Books an offer of search_flights.")
        .input_schema(takes(&[("traveller", text()), ("offer", text())], &[]))
        .output_schema(gives(&[("booking", text()), ("cents", whole())]))
        .undo("cancel_flight", taken_back_by(undo))
}

pub(crate) fn charge_card(undo: &Undo) -> ManifestBuilder {
    effect(
        "charge_card",
        SideEffect::Idempotent,
        "Charges the card of an order; the same key is charged once.",
    )
    .input_schema(takes(&[("order", text()), ("cents", whole())], &[]))
    .output_schema(gives(&[("charge", text()), ("cents", whole())]))
    .key_valid_for(CARD_KEYS)
    .undo("refund_card", taken_back_by(undo))
}

pub(crate) fn book_hotel(undo: &Undo) -> ManifestBuilder {
    let about = "Books a hotel of search_hotels. The hotel can't be asked whether a booking was made.";
    effect("book_hotel", SideEffect::Unsafe, about)
        .input_schema(takes(&[("traveller", text()), ("hotel", text())], &[]))
        .output_schema(gives(&[("booking", text())]))
        .undo("cancel_hotel", taken_back_by(undo))
}

pub(crate) fn hold_hotel(undo: &Undo) -> ManifestBuilder {
    effect("hold_hotel", SideEffect::Idempotent, "Holds a room in any hotel of a city for a day.")
        .input_schema(takes(&[("traveller", text()), ("city", text())], &[]))
        .output_schema(gives(&[("booking", text())]))
        .undo("release_hotel", taken_back_by(undo))
}

pub(crate) fn send_mail() -> ManifestBuilder {
    effect("send_mail", SideEffect::Unsafe, "Sends a mail. What is sent can't be taken back.")
        .input_schema(takes(&[("to", text())], &[("subject", text()), ("body", text())]))
        .output_schema(gives(&[("sent_to", text())]))
        .irreversible()
}

fn bytes() -> Field {
    ("bytes", json!({ "type": "integer", "minimum": 0, "maximum": MOST_BYTES }))
}

/// What the tools with a text of a wanted length have in common; `echo` comes back as it is.
fn filled(manifest: ManifestBuilder) -> ManifestBuilder {
    manifest
        .input_schema(takes(&[], &[bytes(), ("index", whole()), ("echo", json!({}))]))
        .output_schema(gives(&[("bytes", whole()), ("text", text())]))
}

pub(crate) fn chain_step() -> ManifestBuilder {
    filled(effect("chain_step", SideEffect::Verifiable, "A link of a chain: an effect, and a text."))
}

pub(crate) fn fan_item() -> ManifestBuilder {
    effect("fan_item", SideEffect::Verifiable, "An item of a fan-out: an effect.")
        .input_schema(takes(&[("index", whole())], &[]))
        .output_schema(gives(&[("index", whole())]))
}

pub(crate) fn payload() -> ManifestBuilder {
    filled(look("payload", "Answers with a text of a wanted length, without an effect."))
}

pub(crate) fn put_value() -> ManifestBuilder {
    filled(effect("put_value", SideEffect::Idempotent, "Stores a text of a wanted length under its key."))
}
