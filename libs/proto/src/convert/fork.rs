//! What a fork relies on.

use holdfast_types::journal::Reliance;

use super::fields::text;
use super::key::read_key;
use super::{Invalid, Within};
use crate::v1;

impl From<Reliance> for v1::Reliance {
    fn from(on: Reliance) -> Self {
        Self { call: on.call.to_string(), key: on.key.as_str().to_owned(), generation: on.generation }
    }
}

impl TryFrom<v1::Reliance> for Reliance {
    type Error = Invalid;

    fn try_from(wire: v1::Reliance) -> Result<Self, Invalid> {
        if wire.generation == 0 {
            return Err(Invalid::missing("generation", "a number from 1"));
        }
        Ok(Self {
            call: text("call", &wire.call)?,
            key: read_key("key", wire.key)?,
            generation: wire.generation,
        })
    }
}

impl From<holdfast_types::journal::Created> for v1::CreateForkResponse {
    fn from(created: holdfast_types::journal::Created) -> Self {
        Self { created: Some(created.into()) }
    }
}

impl TryFrom<v1::CreateForkResponse> for holdfast_types::journal::Created {
    type Error = Invalid;

    fn try_from(wire: v1::CreateForkResponse) -> Result<Self, Invalid> {
        let created = wire.created.ok_or_else(|| Invalid::missing("created", "what became of it"))?;
        Self::try_from(created).within("created")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_types::{CallId, Key, StepId};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_relied_on_survives_the_wire(generation in 1..u32::MAX, index in proptest::option::of(0..9_u32)) {
            let call = CallId::forward(StepId::try_new("charge").unwrap(), index);
            let on = Reliance { call, key: Key::try_new("default/charge/ns/k").unwrap(), generation };
            prop_assert_eq!(Reliance::try_from(v1::Reliance::from(on.clone())).unwrap(), on);
        }
    }

    #[test]
    fn a_generation_is_required() {
        let wire = v1::Reliance { call: "charge".into(), key: "k".into(), generation: 0 };
        assert!(Reliance::try_from(wire).is_err());
    }
}
