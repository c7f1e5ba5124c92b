//! Ids: UUIDs with a prefix that says of what (`task_…`), so that one is never taken for another.

use uuid::Uuid;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' is not {what}: expected '{prefix}_' followed by a UUID")]
pub struct IdError {
    /// What was wanted, with its article.
    pub what: &'static str,
    /// The prefix of that kind.
    pub prefix: &'static str,
    /// The beginning of what was given.
    pub given: String,
}

/// Makes a UUIDv7 from a time (milliseconds since the Unix epoch) and ten random bytes.
fn v7(unix_millis: u64, random: [u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid()
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The text before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a new id (UUIDv7) from a time, in milliseconds since the Unix epoch, and random bytes.
            #[must_use]
            pub fn new(unix_millis: u64, random: [u8; 10]) -> Self {
                Self(v7(unix_millis, random))
            }

            /// Wraps a UUID that comes from storage or from a derivation.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Returns the UUID's sixteen bytes.
            #[must_use]
            pub const fn bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or_else(|| IdError {
                        what: $what,
                        prefix: $prefix,
                        given: text.chars().take(64).collect(),
                    })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A task. Its UUID's bytes are the task's trace id unless the caller sent one.
    TaskId, "task", "a task id"
);
id!(
    /// One incarnation of a worker: new at every start of the process (PROTOCOL 1).
    WorkerId, "worker", "a worker id"
);
id!(
    /// One incarnation of an orchestrator: the holder of a lease.
    InstanceId, "inst", "an instance id"
);
id!(
    /// The random owner id that a claim writes beside the epoch, and that appends compare (PROTOCOL 17).
    OwnerId, "own", "an owner id"
);
id!(
    /// The id of one append; the same id at the expected place is success, not staleness (PROTOCOL 9).
    AppendId, "app", "an append id"
);
id!(
    /// The id of one message in a task's inbox (PROTOCOL 10).
    MessageId, "msg", "a message id"
);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_carries_the_prefix() {
        let id = TaskId::new(1_700_000_000_000, [7; 10]);
        assert!(id.to_string().starts_with("task_"));
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let worker = WorkerId::new(1, [0; 10]).to_string();
        assert_eq!(worker.parse::<TaskId>().unwrap_err().prefix, "task");
    }

    #[test]
    fn ids_sort_by_time() {
        assert!(TaskId::new(1, [255; 10]) < TaskId::new(2, [0; 10]));
    }
}
