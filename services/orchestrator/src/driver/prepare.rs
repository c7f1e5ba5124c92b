//! What comes before an intent: conditions, lists, arguments, keys, and a free place on a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast_engine::Input;
use holdfast_engine::action::{Enter, Look, Prepare, PrepareArgs};
use holdfast_engine::event::{Proceed, WorkerLifetime};
use holdfast_engine::input::{EnteredStep, Prepared, PreparedArgs};
use holdfast_types::plan::{Items, Template};
use holdfast_types::task::TaskBody;
use holdfast_types::time::format_duration;
use holdfast_types::{
    CallId, Class, Direction, Effect, Failure, Reason, SideEffect, Source, StepId, Timestamp, ToolManifest,
    ToolName, WorkerId,
};
use serde_json::Value;
use tokio::time::Instant;

use super::evaluate::{Evaluation, Part, Steps, told};
use super::{Done, Driver};
use crate::breakers::Permit;
use crate::payloads::Payloads;
use crate::places::{Asked, Caller, NoPlace, Place};
use crate::shared::Shared;

/// A call whose arguments are known.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) call: CallId,
    pub(super) tool: ToolName,
    pub(super) args: Option<PreparedArgs>,
    pub(super) timeout: Duration,
    pub(super) until: Timestamp,
    pub(super) look: Look,
    pub(super) side_effect: Option<SideEffect>,
    pub(super) failed_at: Option<WorkerId>,
}

impl Evaluated {
    /// The call's class, as its intent will say it.
    fn class(&self, manifest: &ToolManifest) -> SideEffect {
        let by_args =
            || self.args.as_ref().map_or(manifest.side_effect, |args| manifest.class_of(&args.args));
        self.side_effect.unwrap_or_else(by_args)
    }
}

/// Asks a call's breaker.
fn admitted(shared: &Shared, evaluated: &Evaluated, manifest: &ToolManifest) -> Result<Permit, Failure> {
    match evaluated.class(manifest).is_repeatable() {
        true => shared.breakers.admit(manifest.dependency()),
        false => shared.breakers.admit_harmful(manifest.dependency()),
    }
}

impl Driver {
    /// Evaluates a step's `when` and `for_each`.
    pub(super) fn enter(&mut self, enter: Enter) {
        let steps = self.steps_for(&enter.step);
        let evaluation = Arc::clone(&self.evaluation);
        let Enter { step, when, items } = enter;
        self.evaluate(async move {
            let result = entered(&evaluation, &step, when, items, &steps).await;
            Done::Evaluated(Input::Entered { step, result })
        });
    }

    /// Evaluates a call's arguments and takes a place for it.
    pub(super) fn prepare(&mut self, prepare: Prepare) {
        let Prepare { call, tool, args, timeout, until, look, side_effect, failed_at } = prepare;
        if args == PrepareArgs::Known {
            let args = None;
            self.place(Evaluated { call, tool, args, timeout, until, look, side_effect, failed_at });
            return;
        }
        let steps = if reads_nothing(&args) { Steps::new() } else { self.steps_for(&call.step) };
        let (evaluation, payloads) = (Arc::clone(&self.evaluation), self.payloads.clone());
        let (shared, manifest) = (Arc::clone(&self.shared), self.manifests.get(&tool).cloned());
        self.evaluate(async move {
            let prepared = async {
                let (args, key) = evaluated(&evaluation, &payloads, &call, args, &steps).await?;
                if let Some(manifest) = &manifest {
                    shared.arguments.check(manifest, &args)?;
                }
                let payload = payloads.store(args.clone()).await?;
                Ok(PreparedArgs { args, payload, key })
            };
            match prepared.await {
                Ok(args) => {
                    let args = Some(args);
                    Done::Args(Evaluated { call, tool, args, timeout, until, look, side_effect, failed_at })
                }
                Err(failure) => Done::Evaluated(Input::PrepareFailed { call, failure }),
            }
        });
    }

    /// Evaluates a value that stands in.
    pub(super) fn stand_in(&mut self, call: CallId, value: Template) {
        let steps = self.steps_for(&call.step);
        let (evaluation, payloads) = (Arc::clone(&self.evaluation), self.payloads.clone());
        let item = self.item(&call);
        self.evaluate(async move {
            let scope = with_item(evaluation.scope(), &call, item);
            let part = Part::Value(call.step.clone(), call.variant);
            let result = match evaluation.template(part, value, scope, &steps).await {
                Ok(value) => payloads.store(value).await,
                Err(failure) => Err(failure),
            };
            Done::Evaluated(Input::StoodIn { call, result })
        });
    }

    /// Evaluates the task's output.
    pub(super) fn output(&mut self, template: Option<Template>) {
        let steps = self.all_steps();
        let (evaluation, payloads) = (Arc::clone(&self.evaluation), self.payloads.clone());
        self.evaluate(async move {
            let value = match template {
                Some(template) => {
                    evaluation.template(Part::Output, template, evaluation.scope(), &steps).await
                }
                None => evaluation.results(&steps).await,
            };
            let result = match value {
                Ok(value) => payloads.store(value).await,
                Err(failure) => Err(failure),
            };
            Done::Evaluated(Input::Output(result))
        });
    }

    /// Takes a place for a call, where its breaker lets it through: at once, or when there is one.
    pub(super) fn place(&mut self, evaluated: Evaluated) {
        let shared = Arc::clone(&self.shared);
        let Some(manifest) = self.manifests.get(&evaluated.tool).cloned() else {
            self.ready.push_back(not_placed(NoPlace::Gone, evaluated, None));
            return;
        };
        let left = evaluated.until.since(shared.deps.clock.now());
        // An undo is tried however little time is left.
        let forward = evaluated.call.direction == Direction::Forward;
        if let Some(usual) = shared.durations.exceeds(&evaluated.tool, left).filter(|_| forward) {
            let failure = too_little_time(&evaluated.tool, left, usual);
            self.ready.push_back(Done::Answer(Input::PrepareFailed { call: evaluated.call, failure }));
            return;
        }
        let permit = match admitted(&shared, &evaluated, &manifest) {
            Ok(permit) => permit,
            Err(failure) => {
                let input = Input::PrepareFailed { call: evaluated.call, failure };
                self.ready.push_back(Done::Answer(input));
                return;
            }
        };
        let spec = self.task.spec();
        let (namespace, priority) = (spec.namespace.clone(), spec.priority);
        let caller = Caller { namespace, priority, task: self.claim.task, beside: evaluated.failed_at };
        match shared.places.ask(&manifest, caller) {
            Asked::Now(place) => self.ready.push_back(placed(&shared, evaluated, place, permit)),
            Asked::Away(missing) => self.ready.push_back(not_placed(missing, evaluated, Some(&manifest))),
            // It is asked for again when there is a place: much may have happened by then, and a trial goes to who has one.
            Asked::Later(waiting) => {
                drop(permit);
                self.work.push(Box::pin(async move {
                    let until = Instant::now() + evaluated.until.since(shared.deps.clock.now());
                    let patience = match evaluated.look {
                        Look::First => shared.config.host_patience,
                        Look::Again => Duration::ZERO,
                    };
                    match waiting.wait(until, patience).await {
                        Ok(place) => match admitted(&shared, &evaluated, &manifest) {
                            Ok(permit) => placed(&shared, evaluated, place, permit),
                            Err(failure) => {
                                Done::Answer(Input::PrepareFailed { call: evaluated.call, failure })
                            }
                        },
                        Err(missing) => not_placed(missing, evaluated, Some(&manifest)),
                    }
                }));
            }
        }
    }

    /// What the expressions of a step may read: its dependencies.
    pub(super) fn steps_for(&mut self, id: &StepId) -> Steps {
        let spec = Arc::clone(self.task.spec());
        let TaskBody::Plan(plan) = &spec.body;
        let Some(step) = self.positions.get(id).and_then(|position| plan.steps.get(*position)) else {
            return Steps::new();
        };
        let known = |id: &StepId| Some((id.clone(), self.steps.value(&self.task, id)?));
        step.depends_on.iter().filter_map(known).collect()
    }

    fn all_steps(&mut self) -> Steps {
        let spec = Arc::clone(self.task.spec());
        let TaskBody::Plan(plan) = &spec.body;
        let known = |step: &holdfast_types::plan::Step| {
            Some((step.id.clone(), self.steps.value(&self.task, &step.id)?))
        };
        plan.steps.iter().filter_map(known).collect()
    }

    /// The item of a call, in a fan-out.
    pub(super) fn item(&self, call: &CallId) -> Option<Value> {
        self.task.item(&call.step, call.index?).cloned()
    }

    /// Runs an evaluation; most end at once, without a hop.
    pub(super) fn evaluate(&mut self, evaluation: impl Future<Output = Done> + Send + 'static) {
        self.evaluating += 1;
        let mut evaluation: BoxFuture<'static, Done> = evaluation.boxed();
        match (&mut evaluation).now_or_never() {
            Some(done) => self.ready.push_back(done),
            None => self.work.push(evaluation),
        }
    }
}

async fn entered(
    evaluation: &Evaluation,
    step: &StepId,
    when: Option<holdfast_types::plan::Expr>,
    items: Option<Items>,
    steps: &Steps,
) -> Result<EnteredStep, Failure> {
    if let Some(when) = when
        && !evaluation.condition(step.clone(), when, steps).await?
    {
        return Ok(EnteredStep { proceed: Proceed::Skip, items: None });
    }
    let items = match items {
        None => None,
        Some(Items::Literal(items)) => Some(items),
        Some(Items::Expr(expr)) => Some(evaluation.list(step.clone(), expr, steps).await?),
    };
    Ok(EnteredStep { proceed: Proceed::Run, items })
}

/// Says whether arguments and key are written out: then no step's value need be made for them.
fn reads_nothing(args: &PrepareArgs) -> bool {
    let literal = |template: &Template| matches!(template, Template::Literal(_));
    match args {
        PrepareArgs::Known => true,
        PrepareArgs::Template { args, key, .. } => literal(args) && key.as_ref().is_none_or(literal),
        PrepareArgs::Undo { .. } => false,
    }
}

async fn evaluated(
    evaluation: &Evaluation,
    payloads: &Payloads,
    call: &CallId,
    args: PrepareArgs,
    steps: &Steps,
) -> Result<(Value, Option<Value>), Failure> {
    let (step, variant) = (&call.step, call.variant);
    match args {
        // Asked for before; kept apart from what is evaluated.
        PrepareArgs::Known => Ok((Value::Null, None)),
        PrepareArgs::Template { args, key, item, failure } => {
            let mut scope = with_item(evaluation.scope(), call, item);
            if let Some(failure) = failure {
                scope = scope.with("failure", told(&failure));
            }
            let part = Part::Args(step.clone(), variant);
            let args = evaluation.template(part, args, scope.clone(), steps).await?;
            let key = match key {
                Some(key) => {
                    Some(evaluation.template(Part::Key(step.clone(), variant), key, scope, steps).await?)
                }
                None => None,
            };
            Ok((args, key))
        }
        PrepareArgs::Undo { intent, args, result, key, item } => {
            let scope = with_item(evaluation.scope(), call, item)
                .with("args", payloads.value(&args).await?)
                .with("result", payloads.value(&result).await?)
                .with("key", Value::String(key.as_str().to_owned()));
            // The journal holds no places.
            let template = Template::Dynamic { value: intent.args, places: BTreeMap::new() };
            let args = evaluation.template(Part::Undo(step.clone(), variant), template, scope, steps).await?;
            Ok((args, None))
        }
    }
}

pub(super) fn with_item(
    scope: holdfast_expr::Scope,
    call: &CallId,
    item: Option<Value>,
) -> holdfast_expr::Scope {
    match (item, call.index) {
        (Some(item), Some(index)) => scope.with("item", item).with("index", Value::from(index)),
        _ => scope,
    }
}

pub(super) fn placed(shared: &Shared, evaluated: Evaluated, mut place: Place, permit: Permit) -> Done {
    place.permit = Some(permit);
    let now = shared.deps.clock.now();
    let worker = place.worker.info.id;
    let lifetime = if shared.deps.host.hosts(worker) { WorkerLifetime::Host } else { WorkerLifetime::Own };
    let prepared = Prepared {
        call: evaluated.call,
        args: evaluated.args,
        worker,
        lifetime,
        not_after: now.after(shared.config.begin_within).min(evaluated.until),
        timeout: evaluated.timeout,
    };
    Done::Placed(prepared, place)
}

/// The call would be cut off in the middle: it is refused up front, which costs nothing and leaves nothing in doubt.
fn too_little_time(tool: &ToolName, left: Duration, usual: Duration) -> Failure {
    let [left_text, usual_text] = [left, usual].map(format_duration);
    let message = format!("not begun: {left_text} are left, and calls of {tool} usually take {usual_text}");
    let failure = Failure::new(Class::Deadline, Effect::NotExecuted, Reason::StepTimeout, message);
    failure.from_source(Source::Platform).detail("usual_ms", usual.as_millis().to_string())
}

fn not_placed(missing: NoPlace, evaluated: Evaluated, manifest: Option<&ToolManifest>) -> Done {
    let dependency = manifest.map_or(evaluated.tool.as_str(), |manifest| manifest.dependency());
    let failure = unplaced(missing, &evaluated.tool, dependency);
    Done::Answer(Input::PrepareFailed { call: evaluated.call, failure })
}

fn unplaced(missing: NoPlace, tool: &ToolName, dependency: &str) -> Failure {
    let (reason, message) = match missing {
        NoPlace::Gone => (Reason::ToolGone, format!("no live worker hosts {tool}")),
        NoPlace::Incompatible => {
            (Reason::ToolGone, format!("no live worker hosts {tool} as it was when the task was submitted"))
        }
        NoPlace::Busy => {
            (Reason::NoCapacity, format!("no worker that hosts {tool} had a free place in time"))
        }
        NoPlace::ToolLimit => (
            Reason::NoCapacity,
            format!("no call of {tool} could begin in time under the limit of {dependency}"),
        ),
        NoPlace::NamespaceLimit => {
            (Reason::NoCapacity, format!("no call of {tool} could begin in time under the namespace's limit"))
        }
        NoPlace::RateLimited { wait } => {
            let message = format!("{dependency} is rate limited: its calls are held back");
            let failure = Failure::new(Class::RateLimited, Effect::NotExecuted, Reason::RateLimited, message);
            // Whole milliseconds, as the journal keeps it, and not a moment too early.
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
            let retry_after = Some(Duration::from_millis(millis));
            return Failure { retry_after, ..failure.from_source(Source::Platform) };
        }
    };
    Failure::new(Class::Unavailable, Effect::NotExecuted, reason, message).from_source(Source::Platform)
}
