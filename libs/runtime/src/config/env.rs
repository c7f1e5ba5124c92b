//! The layer of the environment.

use std::path::PathBuf;

use super::error::Problem;
use super::inputs::Inputs;
use super::key::Key;
use super::load::{Assignment, Given, Warning};
use super::schema::{Found, Schema};
use super::source::Source;

const PREFIX: &str = "HOLDFAST_";

/// Reads the variables with the prefix; what nobody knows becomes a warning, an unreadable file a problem.
pub(super) fn read(
    inputs: &Inputs,
    schema: &Schema,
    warnings: &mut Vec<Warning>,
    problems: &mut Vec<Problem>,
) -> Vec<Assignment> {
    let mut found = Vec::new();
    for (name, value) in &inputs.env {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if inputs.own_variables.contains(name) {
            continue;
        }
        let key = Key::from_variable(rest);
        let suggestion = match schema.find(&key) {
            Found::Leaf { .. } => {
                let source = Source::Env { name: name.clone() };
                found.push(Assignment { key, given: Given::Text(value.clone()), source });
                continue;
            }
            Found::Section => None,
            Found::Unknown { suggestion } => suggestion,
        };
        if let Some(base) = rest.strip_suffix("_FILE") {
            let key = Key::from_variable(base);
            if matches!(schema.find(&key), Found::Leaf { .. }) {
                let source = Source::EnvFile { name: name.clone(), path: PathBuf::from(value) };
                match std::fs::read_to_string(value) {
                    Ok(text) => {
                        let text = text.trim_end_matches(['\r', '\n']).to_owned();
                        found.push(Assignment { key, given: Given::Text(text), source });
                    }
                    Err(error) => problems.push(Problem {
                        source,
                        key: key.to_string(),
                        what: format!("can't read the file: {error}"),
                    }),
                }
                continue;
            }
        }
        if !injected_by_kubernetes(rest) {
            warnings.push(Warning { variable: name.clone(), suggestion: suggestion.map(variable_of) });
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn variable_of(key: String) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// Returns whether a variable has the form that Kubernetes gives every pod for each service beside it.
fn injected_by_kubernetes(rest: &str) -> bool {
    let ends_a_port = |text: &str| {
        text.split_once("_PORT_").is_some_and(|(_, port)| {
            port.split('_').next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
                && (port.contains("_TCP") || port.contains("_UDP"))
        })
    };
    rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || rest == "PORT"
        || rest.ends_with("_PORT")
        || ends_a_port(&format!("_{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_kubernetes_injects_are_known() {
        for injected in [
            "ORCHESTRATOR_SERVICE_HOST",
            "ORCHESTRATOR_SERVICE_PORT",
            "ORCHESTRATOR_SERVICE_PORT_GRPC",
            "ORCHESTRATOR_PORT",
            "PORT",
            "SERVICE_HOST",
            "ORCHESTRATOR_PORT_7420_TCP",
            "ORCHESTRATOR_PORT_7420_TCP_ADDR",
            "PORT_7420_TCP_PROTO",
        ] {
            assert!(injected_by_kubernetes(injected), "{injected}");
        }
        for own in ["WORKER__SLOTS", "DATA_DIR", "PORTS", "EXPORT_TCP", "WORKER_PORT_RANGE"] {
            assert!(!injected_by_kubernetes(own), "{own}");
        }
    }
}
