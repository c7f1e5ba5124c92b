//! `config`: what is in force, and who said so.

use serde_json::{Value, json};

use super::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::table;

/// Show the configuration that is in force, and where each value comes from
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  HOLDFAST_WORKER__SLOTS=4 holdfast config")]
pub(crate) struct Args {
    /// Only keys that begin so
    #[arg(default_value = "")]
    prefix: String,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let settings = context.config.settings();
        let chosen: Vec<_> =
            settings.iter().filter(|setting| setting.key.starts_with(&self.prefix)).collect();
        if context.output.is_json() {
            for setting in chosen {
                let source = setting.source.to_string();
                context.output.line(&json!({"key": setting.key, "value": setting.value, "source": source}));
            }
        } else {
            let row = |setting: &holdfast_runtime::config::Setting| {
                vec![setting.key.clone(), written(&setting.value), setting.source.to_string()]
            };
            let rows: Vec<_> = chosen.into_iter().map(row).collect();
            context.output.text(&table::lines(&rows));
        }
        Ok(Exit::Success)
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
