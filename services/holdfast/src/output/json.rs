//! Messages of the API as JSON: the proto's own mapping, with `snake_case` names.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Map, Value, json};

/// The package of the API.
const PACKAGE: &str = "holdfast.v1";

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(holdfast_proto::FILE_DESCRIPTOR_SET).unwrap_or_default());

/// Writes a message as JSON; null where the descriptors do not know its name, which a test excludes.
pub(crate) fn of<M: Message>(name: &str, message: &M) -> Value {
    let Some(descriptor) = POOL.get_message_by_name(&format!("{PACKAGE}.{name}")) else { return Value::Null };
    let Ok(dynamic) = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()) else {
        return Value::Null;
    };
    let options = SerializeOptions::new().use_proto_field_name(true);
    dynamic.serialize_with_options(serde_json::value::Serializer, &options).unwrap_or(Value::Null)
}

/// Puts a `kind` before the fields of an object.
pub(crate) fn tagged(kind: &str, object: Value) -> Value {
    let mut tagged = Map::from_iter([("kind".to_owned(), json!(kind))]);
    if let Value::Object(fields) = object {
        tagged.extend(fields);
    }
    Value::Object(tagged)
}

#[cfg(test)]
mod tests {
    use holdfast_proto::v1;

    use super::*;

    #[test]
    fn names_are_snake_case_and_enums_are_text() {
        let summary = v1::TaskSummary {
            task_id: "task_1".into(),
            status: v1::TaskStatus::Running.into(),
            last_seq: 7,
            ..Default::default()
        };
        let expected = json!({"task_id": "task_1", "status": "TASK_STATUS_RUNNING", "last_seq": "7"});
        assert_eq!(of("TaskSummary", &summary), expected);
    }

    #[test]
    fn every_message_that_commands_write_is_known() {
        for name in [
            "TaskSummary",
            "TaskEvent",
            "TaskResult",
            "Subtask",
            "ToolManifest",
            "CancelTaskResponse",
            "Breaker",
        ] {
            assert!(POOL.get_message_by_name(&format!("{PACKAGE}.{name}")).is_some(), "{name}");
        }
    }

    #[test]
    fn a_tag_stands_beside_the_fields() {
        assert_eq!(tagged("outcome", json!({"a": 1})), json!({"kind": "outcome", "a": 1}));
    }
}
