//! Evaluates the expressions of a task's plan, in the scope of what its steps have left (PLAN.md, "Expressions").

mod failure;
mod parts;
mod step_value;
mod timestamp;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_engine::Task;
use holdfast_expr::{Evaluator, Job, Scope};
use holdfast_types::plan::{Expr, Place, Template};
use holdfast_types::task::TaskBody;
use holdfast_types::{Failure, StepId};
use serde_json::{Value, json};

use failure::Origin;
pub(super) use parts::Part;
use parts::{Compiled, Parts, Written};
pub(super) use step_value::{Known, StepValue, told};

use crate::payloads::Payloads;

/// The steps that an expression may read.
pub(super) type Steps = Vec<(StepId, Arc<StepValue>)>;

/// Evaluates the expressions of one task's plan.
#[derive(Debug)]
pub(super) struct Evaluation {
    evaluator: Evaluator,
    payloads: Payloads,
    parts: Parts,
    /// `inputs` and `task`.
    base: Scope,
    file: Option<String>,
}

impl Evaluation {
    pub(super) fn new(evaluator: Evaluator, payloads: Payloads, task: &Task) -> Self {
        let spec = task.spec();
        let TaskBody::Plan(plan) = &spec.body;
        let about = json!({
            "id": task.id(),
            "namespace": spec.namespace,
            "labels": spec.labels,
            "submitted_at": timestamp::rfc3339(spec.submitted_at),
        });
        let inputs: serde_json::Map<String, Value> = spec.inputs.clone().into_iter().collect();
        let base = Scope::new().with("inputs", Value::Object(inputs)).with("task", about);
        Self { evaluator, payloads, parts: Parts::default(), base, file: plan.source.clone() }
    }

    /// A scope with the task's own variables, to which a call's are added.
    pub(super) fn scope(&self) -> Scope {
        self.base.clone()
    }

    /// Evaluates a `when`.
    pub(super) async fn condition(&self, step: StepId, expr: Expr, steps: &Steps) -> Result<bool, Failure> {
        let origin = self.origin(format!("steps.{step}.when"), whole(expr.place));
        let part = (Part::When(step), Written::Condition(expr.source));
        let value = self.one(part, origin, self.scope(), steps).await?;
        Ok(value == Value::Bool(true))
    }

    /// Evaluates a `for_each`.
    pub(super) async fn list(&self, step: StepId, expr: Expr, steps: &Steps) -> Result<Vec<Value>, Failure> {
        let origin = self.origin(format!("steps.{step}.for_each"), whole(expr.place));
        let part = (Part::Items(step), Written::List(expr.source));
        match self.one(part, origin, self.scope(), steps).await? {
            Value::Array(items) => Ok(items),
            other => Ok(vec![other]),
        }
    }

    /// Evaluates a template in a scope.
    pub(super) async fn template(
        &self,
        part: Part,
        template: Template,
        scope: Scope,
        steps: &Steps,
    ) -> Result<Value, Failure> {
        let (value, places) = match template {
            Template::Literal(value) => return Ok(value),
            Template::Dynamic { value, places } => (value, places),
        };
        let origin = self.origin(part.name(), places);
        self.one((part, Written::Template(value)), origin, scope, steps).await
    }

    /// The output of a plan that names none: every step's result, by id.
    pub(super) async fn results(&self, steps: &Steps) -> Result<Value, Failure> {
        let mut results = serde_json::Map::new();
        for (id, step) in steps {
            results.insert(id.to_string(), step.result(&self.payloads).await?);
        }
        Ok(Value::Object(results))
    }

    async fn one(
        &self,
        (part, written): (Part, Written),
        origin: Origin,
        scope: Scope,
        steps: &Steps,
    ) -> Result<Value, Failure> {
        let Compiled { references, work } = self.parts.compiled(part, written, &origin).await?;
        let mut known: BTreeMap<String, Arc<Value>> = BTreeMap::new();
        for (id, value) in steps {
            if references.steps.contains(id.as_str()) {
                known.insert(id.to_string(), value.whole(&self.payloads).await?);
            }
        }
        let job = Job::new(work, scope.with_steps(known));
        self.evaluator.evaluate(job).await.map_err(|error| origin.failure(&error))
    }

    fn origin(&self, part: String, places: BTreeMap<String, Place>) -> Origin {
        Origin { file: self.file.clone(), part, places }
    }
}

fn whole(place: Option<Place>) -> BTreeMap<String, Place> {
    place.map(|place| (String::new(), place)).into_iter().collect()
}
