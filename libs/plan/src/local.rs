//! The `local` section, with its inputs filled in.

use holdfast_expr::{ExprError, Job, Scope, Template, Work, eval_blocking};
use holdfast_types::Plan;
use serde_json::{Map, Value};

use crate::check::check_local;
use crate::document::{Allow, Local, LocalWorker};
use crate::parse::Document;
use crate::site::Site;

/// Checks that the texts of the local section read inputs only.
pub(crate) fn check(document: &Document, plan: &Plan, site: &mut Site<'_>) {
    let Some(local) = document.local() else { return };
    for (index, worker) in local.workers.iter().enumerate() {
        for (number, text) in worker.command.iter().enumerate() {
            check_local(plan, &format!("/local/workers/{index}/command/{number}"), text, site);
        }
    }
    let Allow { exec, read, write } = &local.allow;
    for (name, texts) in [("exec", exec), ("read", read), ("write", write)] {
        for (number, text) in texts.iter().enumerate() {
            check_local(plan, &format!("/local/allow/{name}/{number}"), text, site);
        }
    }
}

impl Local {
    /// Fills the inputs' values in. Blocks for as long as the expressions take; they are those of a local file.
    ///
    /// # Errors
    /// That of the first expression that fails.
    pub fn resolve(&self, inputs: &Map<String, Value>) -> Result<Self, ExprError> {
        let scope = Scope::new().with("inputs", Value::Object(inputs.clone()));
        let all =
            |texts: &[String]| texts.iter().map(|text| resolve(text, &scope)).collect::<Result<Vec<_>, _>>();
        let workers = self.workers.iter().map(|worker| Ok(LocalWorker { command: all(&worker.command)? }));
        let allow = &self.allow;
        Ok(Self {
            workers: workers.collect::<Result<_, ExprError>>()?,
            allow: Allow { exec: all(&allow.exec)?, read: all(&allow.read)?, write: all(&allow.write)? },
        })
    }
}

fn resolve(text: &str, scope: &Scope) -> Result<String, ExprError> {
    let template = Template::parse(&Value::String(text.to_owned()))?;
    let value = eval_blocking(&Job::new(Work::Template(template), scope.clone()))?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
