//! Last good results: what they are found by, on their way into the table, and as they are read.

use holdfast_types::last_good::{LastGood, LastGoodKey, NewLastGood};

use super::fields::{required, sha256, text};
use super::{Invalid, time};
use crate::v1;
use crate::v1::get_last_good_response as found;

impl From<LastGoodKey> for v1::LastGoodKey {
    fn from(key: LastGoodKey) -> Self {
        Self {
            namespace: key.namespace.to_string(),
            tool: key.tool.to_string(),
            fingerprint: key.fingerprint,
        }
    }
}

impl TryFrom<v1::LastGoodKey> for LastGoodKey {
    type Error = Invalid;

    fn try_from(wire: v1::LastGoodKey) -> Result<Self, Invalid> {
        Ok(Self {
            namespace: text("namespace", &wire.namespace)?,
            tool: text("tool", &wire.tool)?,
            fingerprint: sha256("fingerprint", wire.fingerprint)?,
        })
    }
}

impl From<NewLastGood> for v1::NewLastGood {
    fn from(good: NewLastGood) -> Self {
        Self {
            key: Some(good.key.into()),
            call: good.call.to_string(),
            result: Some(good.result.into()),
            at: Some(time::timestamp(good.at)),
            keep_for: Some(time::duration(good.keep_for)),
        }
    }
}

impl TryFrom<v1::NewLastGood> for NewLastGood {
    type Error = Invalid;

    fn try_from(wire: v1::NewLastGood) -> Result<Self, Invalid> {
        Ok(Self {
            key: required("key", wire.key)?,
            call: text("call", &wire.call)?,
            result: required("result", wire.result)?,
            at: time::required_timestamp("at", wire.at)?,
            keep_for: time::required_duration("keep_for", wire.keep_for)?,
        })
    }
}

impl From<LastGood> for found::LastGood {
    fn from(good: LastGood) -> Self {
        Self {
            from: Some(good.from.into()),
            result: Some(good.result.into()),
            at: Some(time::timestamp(good.at)),
        }
    }
}

impl TryFrom<found::LastGood> for LastGood {
    type Error = Invalid;

    fn try_from(wire: found::LastGood) -> Result<Self, Invalid> {
        Ok(Self {
            from: required("from", wire.from)?,
            result: required("result", wire.result)?,
            at: time::required_timestamp("at", wire.at)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use std::time::Duration;

    use holdfast_types::{Namespace, ToolName};
    use proptest::prelude::*;

    use super::super::call::tests::{any_call, any_call_id};
    use super::super::key::tests::any_at;
    use super::super::payload::tests::any_payload;
    use super::*;

    fn any_key() -> impl Strategy<Value = LastGoodKey> {
        ("[a-z]{1,9}", "[a-z]{1,9}", "[0-9a-f]{64}").prop_map(|(namespace, tool, fingerprint)| LastGoodKey {
            namespace: Namespace::try_new(&namespace).unwrap(),
            tool: ToolName::try_new(&tool).unwrap(),
            fingerprint,
        })
    }

    pub(crate) fn any_new() -> impl Strategy<Value = NewLastGood> {
        (any_key(), any_call_id(), any_payload(), any_at(), 0u64..1_000_000_000).prop_map(
            |(key, call, result, at, keep)| NewLastGood {
                key,
                call,
                result,
                at,
                keep_for: Duration::from_millis(keep),
            },
        )
    }

    proptest! {
        #[test]
        fn new_results_round_trip(good in any_new()) {
            prop_assert_eq!(NewLastGood::try_from(v1::NewLastGood::from(good.clone())).unwrap(), good);
        }

        #[test]
        fn results_round_trip(from in any_call(), result in any_payload(), at in any_at()) {
            let good = LastGood { from, result, at };
            prop_assert_eq!(LastGood::try_from(found::LastGood::from(good.clone())).unwrap(), good);
        }
    }
}
