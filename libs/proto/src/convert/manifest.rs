//! Tool manifests.

use holdfast_types::key::KeyScope;
use holdfast_types::manifest::{
    ErrorRule, ErrorSign, KeySpec, Normalise, Reversibility, SideEffectRule, ToolManifest, TrialBy, UndoSpec,
};
use holdfast_types::retry::RetryPolicy;
use holdfast_types::{Class, Effect, SideEffect};

use super::closed::number;
use super::fields::{each, optional, text};
use super::{Invalid, Within, json, known, known_or_none, time};
use crate::v1;

impl From<SideEffectRule> for v1::SideEffectRule {
    fn from(rule: SideEffectRule) -> Self {
        Self {
            argument: rule.argument,
            values_json: rule.values.iter().map(ToString::to_string).collect(),
            class: number::<SideEffect, v1::SideEffect>(rule.class),
        }
    }
}

impl TryFrom<v1::SideEffectRule> for SideEffectRule {
    type Error = Invalid;

    fn try_from(wire: v1::SideEffectRule) -> Result<Self, Invalid> {
        let value =
            |(position, text): (usize, &String)| json::read(&format!("values_json[{position}]"), text);
        Ok(Self {
            argument: pointer("argument", wire.argument)?,
            values: wire.values_json.iter().enumerate().map(value).collect::<Result<_, _>>()?,
            class: known("class", wire.class)?,
        })
    }
}

impl From<KeySpec> for v1::KeySpec {
    fn from(key: KeySpec) -> Self {
        let normalization = |(field, rules): (String, Vec<Normalise>)| v1::FieldNormalization {
            field,
            rules: rules.into_iter().map(number::<Normalise, v1::field_normalization::Rule>).collect(),
        };
        Self {
            scope: number::<KeyScope, v1::KeyScope>(key.scope),
            fields: key.fields,
            normalise: key.normalise.into_iter().map(normalization).collect(),
            valid_for: key.valid_for.map(time::duration),
        }
    }
}

impl TryFrom<v1::KeySpec> for KeySpec {
    type Error = Invalid;

    fn try_from(wire: v1::KeySpec) -> Result<Self, Invalid> {
        let mut key = Self {
            scope: known_or_none("scope", wire.scope)?.unwrap_or(KeyScope::Task),
            fields: pointers("fields", wire.fields)?,
            valid_for: time::optional_duration("valid_for", wire.valid_for)?,
            ..Self::default()
        };
        for (position, field) in wire.normalise.into_iter().enumerate() {
            let path = format!("normalise[{position}]");
            let rules = field.rules.into_iter().map(|rule| known("rules", rule)).collect::<Result<_, _>>();
            let name = pointer("field", field.field).within(&path)?;
            if key.normalise.insert(name.clone(), rules.within(&path)?).is_some() {
                return Err(Invalid::new(path, name, "each field once"));
            }
        }
        Ok(key)
    }
}

impl From<ErrorRule> for v1::ErrorRule {
    fn from(rule: ErrorRule) -> Self {
        let (code, matches) = rule.sign.into_parts();
        Self {
            code: code.unwrap_or_default(),
            matches: matches.map(|pattern| pattern.to_string()),
            class: number::<Class, v1::failure::Class>(rule.class),
            effect: number::<Effect, v1::Effect>(rule.effect),
        }
    }
}

impl TryFrom<v1::ErrorRule> for ErrorRule {
    type Error = Invalid;

    fn try_from(wire: v1::ErrorRule) -> Result<Self, Invalid> {
        let code = Some(wire.code).filter(|code| !code.is_empty());
        let matches = wire.matches.map(|pattern| text("matches", &pattern)).transpose()?;
        Ok(Self {
            sign: ErrorSign::of(code, matches).map_err(|none| Invalid::because("code", none))?,
            class: known("class", wire.class)?,
            effect: known("effect", wire.effect)?,
        })
    }
}

impl From<UndoSpec> for v1::ToolCall {
    fn from(undo: UndoSpec) -> Self {
        Self { tool: undo.tool.to_string(), args_json: undo.args.to_string() }
    }
}

impl TryFrom<v1::ToolCall> for UndoSpec {
    type Error = Invalid;

    fn try_from(wire: v1::ToolCall) -> Result<Self, Invalid> {
        Ok(Self { tool: text("tool", &wire.tool)?, args: json::read_object("args_json", &wire.args_json)? })
    }
}

impl From<ToolManifest> for v1::ToolManifest {
    fn from(manifest: ToolManifest) -> Self {
        Self {
            name: manifest.name.to_string(),
            source_name: manifest.source_name,
            description: manifest.description,
            input_schema_json: manifest.input_schema.to_string(),
            output_schema_json: manifest.output_schema.map(|schema| schema.to_string()),
            side_effect: number::<SideEffect, v1::SideEffect>(manifest.side_effect),
            side_effect_rules: manifest.side_effect_rules.into_iter().map(Into::into).collect(),
            key: Some(manifest.key.into()),
            undo: manifest.undo.map(Into::into),
            reversibility: number::<Reversibility, v1::Reversibility>(manifest.reversibility),
            attempt_timeout: Some(time::duration(manifest.attempt_timeout)),
            heartbeat_timeout: manifest.heartbeat_timeout.map(time::duration),
            settles_within: manifest.settles_within.map(time::duration),
            retry: Some(manifest.retry.into()),
            errors: manifest.errors.into_iter().map(Into::into).collect(),
            dependency: manifest.dependency,
            trial_by: number::<TrialBy, v1::TrialBy>(manifest.trial_by),
            sensitive: manifest.sensitive,
        }
    }
}

/// What is absent has the default that the wire's comments name.
impl TryFrom<v1::ToolManifest> for ToolManifest {
    type Error = Invalid;

    fn try_from(wire: v1::ToolManifest) -> Result<Self, Invalid> {
        let output_schema = wire.output_schema_json.map(|schema| json::read("output_schema_json", &schema));
        let retry: Option<RetryPolicy> = optional("retry", wire.retry)?;
        Ok(Self {
            name: text("name", &wire.name)?,
            source_name: wire.source_name,
            description: wire.description,
            input_schema: json::read("input_schema_json", &wire.input_schema_json)?,
            output_schema: output_schema.transpose()?,
            side_effect: known_or_none("side_effect", wire.side_effect)?.unwrap_or(SideEffect::Unsafe),
            side_effect_rules: each("side_effect_rules", wire.side_effect_rules)?,
            key: optional("key", wire.key)?.unwrap_or_default(),
            undo: optional("undo", wire.undo)?,
            reversibility: known_or_none("reversibility", wire.reversibility)?.unwrap_or_default(),
            attempt_timeout: time::optional_duration("attempt_timeout", wire.attempt_timeout)?
                .unwrap_or(Self::DEFAULT_ATTEMPT_TIMEOUT),
            heartbeat_timeout: time::optional_duration("heartbeat_timeout", wire.heartbeat_timeout)?,
            settles_within: time::optional_duration("settles_within", wire.settles_within)?,
            retry: retry.unwrap_or_default(),
            errors: each("errors", wire.errors)?,
            dependency: wire.dependency,
            trial_by: known_or_none("trial_by", wire.trial_by)?.unwrap_or_default(),
            sensitive: pointers("sensitive", wire.sensitive)?,
        })
    }
}

/// Takes a JSON pointer (RFC 6901): empty, or beginning with a slash.
fn pointer(field: &str, value: String) -> Result<String, Invalid> {
    if value.is_empty() || value.starts_with('/') {
        return Ok(value);
    }
    Err(Invalid::new(field, value, "a JSON pointer such as /order/id"))
}

fn pointers(field: &str, values: Vec<String>) -> Result<Vec<String>, Invalid> {
    let check = |(position, value)| pointer(&format!("{field}[{position}]"), value);
    values.into_iter().enumerate().map(check).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use std::time::Duration;

    use holdfast_types::{Pattern, ToolName};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::json::tests::any_json;
    use super::super::retry::tests::any_retry;
    use super::*;

    fn any_duration() -> impl Strategy<Value = Option<Duration>> {
        prop::option::of((0u64..1 << 40).prop_map(Duration::from_micros))
    }

    fn any_key_spec() -> impl Strategy<Value = KeySpec> {
        let rules = prop::collection::vec(prop::sample::select(Normalise::ALL), 0..3);
        (
            prop::sample::select(KeyScope::ALL),
            prop::collection::vec("/[a-z]{1,5}", 0..3),
            prop::collection::btree_map("/[a-z]{1,5}", rules, 0..3),
            any_duration(),
        )
            .prop_map(|(scope, fields, normalise, valid_for)| KeySpec {
                scope,
                fields,
                normalise,
                valid_for,
            })
    }

    pub(crate) fn any_manifest() -> impl Strategy<Value = ToolManifest> {
        let rule = (prop::collection::vec(any_json(), 0..2), prop::sample::select(SideEffect::ALL))
            .prop_map(|(values, class)| SideEffectRule { argument: "/method".into(), values, class });
        let pattern = Pattern::try_new("*locked*").unwrap();
        let signs = vec![
            ErrorSign::Code("404".into()),
            ErrorSign::Message(pattern.clone()),
            ErrorSign::Both { code: "409".into(), message: pattern },
        ];
        let error = (
            prop::sample::select(signs),
            prop::sample::select(Class::ALL),
            prop::sample::select(Effect::ALL),
        )
            .prop_map(|(sign, class, effect)| ErrorRule { sign, class, effect });
        let undo = any_json().prop_map(|value| UndoSpec {
            tool: ToolName::try_new("cancel").unwrap(),
            args: json!({ "given": value, "key": "${key}" }),
        });
        (
            ("[a-z][a-z0-9_]{0,12}", prop::option::of("[a-z-]{1,8}"), "\\PC{0,12}", any_json()),
            (prop::option::of(any_json()), prop::sample::select(SideEffect::ALL), any_key_spec()),
            (prop::collection::vec(rule, 0..2), prop::option::of(undo), prop::collection::vec(error, 0..2)),
            (prop::sample::select(Reversibility::ALL), any_duration(), any_duration(), any_retry()),
            (
                prop::option::of("[a-z]{1,8}"),
                prop::collection::vec("/[a-z]{1,5}", 0..2),
                prop::sample::select(TrialBy::ALL),
            ),
        )
            .prop_map(|(names, schemas, lists, times, rest)| ToolManifest {
                source_name: names.1,
                description: names.2,
                output_schema: schemas.0,
                side_effect: schemas.1,
                side_effect_rules: lists.0,
                key: schemas.2,
                undo: lists.1,
                reversibility: times.0,
                attempt_timeout: times.1.unwrap_or_default(),
                heartbeat_timeout: times.2,
                settles_within: times.1,
                retry: times.3,
                errors: lists.2,
                dependency: rest.0,
                sensitive: rest.1,
                trial_by: rest.2,
                ..ToolManifest::new(ToolName::try_new(&names.0).unwrap(), names.3)
            })
    }

    proptest! {
        #[test]
        fn manifests_round_trip(manifest in any_manifest()) {
            prop_assert_eq!(ToolManifest::try_from(v1::ToolManifest::from(manifest.clone())).unwrap(), manifest);
        }
    }

    #[test]
    fn what_is_absent_is_the_default() {
        let wire = v1::ToolManifest {
            name: "charge".into(),
            input_schema_json: r#"{"type":"object"}"#.into(),
            ..Default::default()
        };
        let expected = ToolManifest::new(ToolName::try_new("charge").unwrap(), json!({"type": "object"}));
        assert_eq!(ToolManifest::try_from(wire).unwrap(), expected);
    }

    #[test]
    fn errors_name_the_field() {
        let wire = |change: fn(&mut v1::ToolManifest)| {
            let mut wire = v1::ToolManifest {
                name: "charge".into(),
                input_schema_json: "{}".into(),
                ..Default::default()
            };
            change(&mut wire);
            ToolManifest::try_from(wire).unwrap_err().path
        };
        assert_eq!(wire(|m| m.name = "Charge".into()), "name");
        assert_eq!(wire(|m| m.input_schema_json = String::new()), "input_schema_json");
        assert_eq!(wire(|m| m.errors = vec![v1::ErrorRule::default()]), "errors[0].code");
        let any = |m: &mut v1::ToolManifest| {
            m.errors = vec![v1::ErrorRule { matches: Some("**".into()), ..Default::default() }];
        };
        assert_eq!(wire(any), "errors[0].matches");
        assert_eq!(wire(|m| m.sensitive = vec!["/a".into(), "b".into()]), "sensitive[1]");
        let twice = v1::FieldNormalization { field: "/a".into(), rules: vec![1] };
        let key = v1::KeySpec { normalise: vec![twice.clone(), twice], ..Default::default() };
        assert_eq!(KeySpec::try_from(key).unwrap_err().path, "normalise[1]");
    }
}
