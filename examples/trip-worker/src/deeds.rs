//! What the tools do: small results, the same for the same arguments.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a tool does.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// It only looks.
    Look(fn(&Value) -> Value),
    /// It has an effect.
    Act(fn(&Value) -> Value),
    /// It takes back what another tool did.
    Undo(Undo),
}

/// What an undo takes back.
#[derive(Clone, Copy)]
pub(crate) struct Undo {
    /// The tool that did it.
    pub(crate) of: &'static str,
    /// The argument, and the field of that tool's result, that hold the reference.
    pub(crate) field: &'static str,
}

/// Returns SHA-256 over arguments, in hexadecimal.
pub(crate) fn digest(args: &Value) -> String {
    hex::encode(Sha256::digest(args.to_string()))
}

/// A reference that the same arguments always get, such as `FL-3F2A9C01`.
fn reference(prefix: &str, args: &Value) -> String {
    format!("{prefix}-{}", digest(args)[..8].to_uppercase())
}

/// A price that depends on the name only: 100 to 599 euros.
fn price(name: &str) -> u64 {
    let sum = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    10_000 + (sum % 500) * 100
}

fn text<'a>(args: &'a Value, name: &str) -> &'a str {
    args[name].as_str().unwrap_or_default()
}

pub(crate) fn search_flights(args: &Value) -> Value {
    let (airline, from, to) = (text(args, "airline"), text(args, "from"), text(args, "to"));
    let id = format!("{airline}-{from}-{to}");
    json!({ "id": id, "airline": airline, "from": from, "to": to, "cents": price(&id), "departs": "08:45" })
}

pub(crate) fn search_hotels(args: &Value) -> Value {
    let city = text(args, "city");
    let hotel = |name: &str| {
        let id = format!("{city}-{name}").to_lowercase();
        json!({ "id": id, "name": format!("Hotel {name}"), "city": city, "cents": price(&id) })
    };
    json!([hotel("Aurora"), hotel("Belvedere")])
}

pub(crate) fn forecast(args: &Value) -> Value {
    let city = text(args, "city");
    json!({ "city": city, "sky": "sunny", "celsius": 14 + price(city) / 100 % 15 })
}

pub(crate) fn book_flight(args: &Value) -> Value {
    let offer = text(args, "offer");
    json!({ "booking": reference("FL", args), "offer": offer, "cents": price(offer) })
}

pub(crate) fn charge_card(args: &Value) -> Value {
    json!({ "charge": reference("CH", args), "order": args["order"], "cents": args["cents"] })
}

pub(crate) fn book_hotel(args: &Value) -> Value {
    json!({ "booking": reference("HO", args), "hotel": args["hotel"] })
}

pub(crate) fn hold_hotel(args: &Value) -> Value {
    json!({ "booking": reference("HD", args), "city": args["city"], "note": "held for a day, not paid" })
}

pub(crate) fn send_mail(args: &Value) -> Value {
    json!({ "sent_to": args["to"], "message": reference("MSG", args) })
}

/// The length of a text, unless it is told.
const BYTES: u64 = 1_000;

/// The longest text that is made on request: longer than any payload may be.
pub(crate) const MOST_BYTES: u64 = 80 * 1024 * 1024;

const LOREM: &str = "lorem ipsum ";

pub(crate) fn filled(args: &Value) -> Value {
    let bytes = args["bytes"].as_u64().unwrap_or(BYTES).min(MOST_BYTES);
    let length = usize::try_from(bytes).unwrap_or(0);
    let mut text = LOREM.repeat(length.div_ceil(LOREM.len()));
    text.truncate(length);
    json!({ "index": args["index"], "echo": args["echo"], "bytes": bytes, "text": text })
}

pub(crate) fn fan_item(args: &Value) -> Value {
    json!({ "index": args["index"] })
}
