//! The configuration: what was said and nobody reads. What is wrong in it ends every command before.

use holdfast_runtime::Config;
use holdfast_runtime::config::Warning;

use super::Finding;
use crate::settings::Settings;

const KIND: &str = "configuration";

pub(super) fn check(config: &Config<Settings>) -> Vec<Finding> {
    if config.warnings.is_empty() {
        return vec![Finding::ok(KIND, "every setting is known")];
    }
    config.warnings.iter().map(unknown).collect()
}

fn unknown(warning: &Warning) -> Finding {
    let Warning { variable, suggestion } = warning;
    let mend = match suggestion {
        Some(other) => format!("export {other}=\"${variable}\"; unset {variable}"),
        None => format!("unset {variable}"),
    };
    Finding::warn(KIND, format!("nobody reads the variable {variable}")).mend(mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_renamed_or_removed() {
        let warning = |suggestion: Option<&str>| Warning {
            variable: "HOLDFAST_WORKER__SLOT".into(),
            suggestion: suggestion.map(str::to_owned),
        };
        let renamed = unknown(&warning(Some("HOLDFAST_WORKER__SLOTS"))).mend;
        let wanted = "export HOLDFAST_WORKER__SLOTS=\"$HOLDFAST_WORKER__SLOT\"; unset HOLDFAST_WORKER__SLOT";
        assert_eq!(renamed.as_deref(), Some(wanted));
        assert_eq!(unknown(&warning(None)).mend.as_deref(), Some("unset HOLDFAST_WORKER__SLOT"));
    }
}
