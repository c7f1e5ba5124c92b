//! Messages of inboxes: their JSON is the domain's own, so that a store need not know every kind.

use holdfast_types::inbox::InboxMessage;
use serde_json::Value;

use super::fields::text;
use super::{Invalid, json, time};
use crate::v1;

impl From<InboxMessage> for v1::InboxMessage {
    fn from(message: InboxMessage) -> Self {
        // A message has only text keys, so it always has a JSON form; an empty one would be refused by every reader.
        let body = serde_json::to_value(&message.message).unwrap_or_default();
        Self {
            message_id: message.id.to_string(),
            task_id: message.task.to_string(),
            at: Some(time::timestamp(message.at)),
            from: message.from.unwrap_or_default(),
            kind: kind(&body).to_owned(),
            body_json: body.to_string(),
        }
    }
}

impl TryFrom<v1::InboxMessage> for InboxMessage {
    type Error = Invalid;

    fn try_from(wire: v1::InboxMessage) -> Result<Self, Invalid> {
        let body = json::read_object("body_json", &wire.body_json)?;
        if kind(&body) != wire.kind {
            return Err(Invalid::new("kind", wire.kind, format!("the body's kind, '{}'", kind(&body))));
        }
        Ok(Self {
            id: text("message_id", &wire.message_id)?,
            task: text("task_id", &wire.task_id)?,
            at: time::required_timestamp("at", wire.at)?,
            from: Some(wire.from).filter(|from| !from.is_empty()),
            message: serde_json::from_value(body).map_err(|error| {
                Invalid::hidden("body_json", format!("a message of a known kind ({error})"))
            })?,
        })
    }
}

fn kind(body: &Value) -> &str {
    body.get("kind").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_types::inbox::{Decision, Message, Resolution};
    use holdfast_types::plan::OnEnd;
    use holdfast_types::{MessageId, StepId};
    use proptest::prelude::*;

    use super::super::call::tests::{any_call_id, any_task_id};
    use super::super::json::tests::any_json;
    use super::super::key::tests::any_at;
    use super::super::payload::tests::any_payload;
    use super::*;

    fn any_message() -> impl Strategy<Value = Message> {
        let resolution = prop_oneof![
            any_payload().prop_map(|result| Resolution::Happened { result }),
            Just(Resolution::DidNotHappen),
            Just(Resolution::RunAgain),
        ];
        prop_oneof![
            (prop::option::of(prop::sample::select(OnEnd::ALL)), "\\PC{0,9}")
                .prop_map(|(on_cancel, reason)| Message::Cancel { on_cancel, reason }),
            (any_call_id(), "[0-9a-f]{64}", prop::sample::select(Decision::ALL)).prop_map(
                |(call, digest, decision)| Message::Approve { call, digest, decision, edited_args: None }
            ),
            (any_call_id(), any_json()).prop_map(|(call, answer)| Message::Answer { call, answer }),
            (any_call_id(), resolution, "\\PC{0,9}")
                .prop_map(|(call, resolution, reason)| Message::ResolveOutcome { call, resolution, reason }),
            "\\PC{0,9}".prop_map(|note| Message::Inject { note }),
            Just(Message::Pause),
            Just(Message::ToolsChanged),
            prop::option::of("\\PC{0,9}").prop_map(|note| Message::Resume { note }),
            prop::option::of("[a-z]{1,9}").prop_map(|from| Message::Compensate {
                from: from.map(|id| StepId::try_new(&id).unwrap()),
                reason: "asked for".to_owned(),
            }),
            (any_call_id(), any_task_id(), any_json()).prop_map(|(call, child, value)| {
                Message::ChildEnded { call, child, outcome: BTreeMap::from([("result".into(), value)]) }
            }),
        ]
    }

    proptest! {
        #[test]
        fn messages_round_trip(
            task in any_task_id(),
            at in any_at(),
            from in prop::option::of("[a-z]{1,9}"),
            message in any_message(),
        ) {
            let given = InboxMessage { id: MessageId::new(1, [9; 10]), task, at, from, message };
            prop_assert_eq!(InboxMessage::try_from(v1::InboxMessage::from(given.clone())).unwrap(), given);
        }
    }

    #[test]
    fn an_unknown_kind_and_a_kind_beside_the_body_are_refused() {
        let wire = v1::InboxMessage {
            message_id: MessageId::new(1, [9; 10]).to_string(),
            task_id: holdfast_types::TaskId::new(1, [9; 10]).to_string(),
            at: Some(prost_types::Timestamp::default()),
            kind: "pause".into(),
            body_json: r#"{"kind":"pause"}"#.into(),
            ..Default::default()
        };
        assert_eq!(InboxMessage::try_from(wire.clone()).unwrap().message, Message::Pause);
        let other = v1::InboxMessage { kind: "resume".into(), ..wire.clone() };
        assert_eq!(InboxMessage::try_from(other).unwrap_err().path, "kind");
        let newer = v1::InboxMessage { kind: "sing".into(), body_json: r#"{"kind":"sing"}"#.into(), ..wire };
        assert_eq!(InboxMessage::try_from(newer).unwrap_err().path, "body_json");
    }
}
