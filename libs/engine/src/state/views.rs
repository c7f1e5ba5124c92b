//! What others may see of a task: the driver's expressions, the API's lists, the row.

use holdfast_types::journal::RowUpdate;
use holdfast_types::plan::StepKind;
use holdfast_types::task::{ResultSource, StepStatus, TaskSpec, WaitReason};
use holdfast_types::{
    CallId, Failure, Key, Payload, Reason, StepId, TaskId, TaskOutcome, TaskStatus, Timestamp, ToolManifest,
    ToolName, WorkerId,
};
use serde_json::Value;

use super::{Course, Pause, Phase, Slot, Task};
use crate::event::Question;
use crate::report::Report;

/// What `steps.ID` means in an expression (PLAN.md).
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// The step.
    pub id: StepId,
    /// Where it is, or how it ended.
    pub status: StepStatus,
    /// Its result.
    pub result: StepResult,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// How many attempts it took.
    pub attempts: u32,
    /// Where its result comes from.
    pub source: Option<ResultSource>,
    /// When that result was recorded, where it is a recorded one.
    pub recorded_at: Option<Timestamp>,
    /// When its first event came.
    pub entered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The result of a step, by its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum StepResult {
    /// Of one call.
    Single(Payload),
    /// Of a fan-out: every item, in the list's order.
    Items(Vec<ItemView>),
    /// Of a group: its members, in the written order.
    Members(Vec<StepId>),
}

/// One item of a fan-out.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemView {
    /// Its position, from 0.
    pub index: u32,
    /// The element.
    pub item: Value,
    /// Where it is, or how it ended.
    pub status: StepStatus,
    /// Its result.
    pub result: Payload,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// How many attempts it took.
    pub attempts: u32,
    /// Where its result comes from.
    pub source: Option<ResultSource>,
    /// When that result was recorded, where it is a recorded one.
    pub recorded_at: Option<Timestamp>,
}

/// One subtask, for lists.
#[derive(Debug, Clone, PartialEq)]
pub struct CallView {
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: ToolName,
    /// Where it is, or how it ended.
    pub status: StepStatus,
    /// How many attempts were intended.
    pub attempts: u32,
    /// Why it failed, or what the last attempt met.
    pub failure: Option<Failure>,
    /// Where the last attempt went.
    pub worker: Option<WorkerId>,
    /// The arguments, once known; pointers that the manifest calls sensitive are not redacted here.
    pub args: Option<Payload>,
    /// The result; null while there is none.
    pub result: Payload,
    /// When the result that answers was recorded, where it is not this call's own.
    pub recorded_at: Option<Timestamp>,
    /// Whose result that is: `TASK/CALL`, or a client of the idempotency service.
    pub recorded_by: Option<String>,
    /// When the first attempt was intended.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A question that a person must answer.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionView {
    /// The call.
    pub call: CallId,
    /// What is asked.
    pub question: Question,
}

/// The task in short.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Where it is.
    pub status: TaskStatus,
    /// How it ended.
    pub outcome: Option<TaskOutcome>,
    /// What it waits for.
    pub waits_for: Option<WaitReason>,
    /// Its output, once it has one.
    pub output: Option<Payload>,
    /// What failed it.
    pub failure: Option<Failure>,
    /// The account: final once it has ended, so far before.
    pub report: Report,
    /// What people are asked.
    pub questions: Vec<QuestionView>,
    /// Steps by where they are.
    pub steps_total: usize,
    /// Steps that have ended.
    pub steps_ended: usize,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Task {
    /// The task's id.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.id
    }

    /// What it is to do.
    #[must_use]
    pub const fn spec(&self) -> &std::sync::Arc<TaskSpec> {
        &self.spec
    }

    /// The pinned manifest of a tool.
    #[must_use]
    pub fn manifest(&self, tool: &ToolName) -> Option<&ToolManifest> {
        self.manifests.get(tool)
    }

    /// The key under which a call claims its operation, as the key table has it; none before its first intent.
    #[must_use]
    pub fn key_of(&self, call: &CallId) -> Option<&Key> {
        self.calls.get(call)?.pinned.as_ref().map(|pinned| &pinned.key)
    }

    /// Says whether it has ended.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.course, Course::Finished(_))
    }

    /// What `steps.ID` means now.
    #[must_use]
    pub fn step_view(&self, id: &StepId) -> Option<StepView> {
        let position = self.step_index(id)?;
        let state = &self.steps[position];
        let step = &self.plan().steps[position];
        let slot = state.slots().first();
        let result = match &step.kind {
            StepKind::Call(_) => {
                StepResult::Single(slot.map_or_else(Payload::null, |slot| slot.result.clone()))
            }
            StepKind::FanOut(_) => {
                let items = state.slots().iter().zip(&state.items).enumerate();
                StepResult::Items(items.map(|(i, (slot, item))| self.item_view(i, slot, item)).collect())
            }
            StepKind::Group(group) => StepResult::Members(group.members.clone()),
        };
        let single = matches!(step.kind, StepKind::Call(_));
        Some(StepView {
            id: step.id.clone(),
            status: self.shown_status(position),
            result,
            failure: state.failure.clone().or_else(|| slot.filter(|_| single)?.failure.clone()),
            attempts: state.slots().iter().map(|slot| slot.attempts).sum(),
            source: slot.filter(|_| single).and_then(|slot| slot.source),
            recorded_at: slot.filter(|_| single).and_then(|slot| self.recorded_at(slot)),
            entered_at: state.entered_at,
            ended_at: state.ended_at,
        })
    }

    fn recorded_at(&self, slot: &Slot) -> Option<Timestamp> {
        self.calls.get(slot.call.as_ref()?)?.recorded_at
    }

    fn item_view(&self, position: usize, slot: &Slot, item: &Value) -> ItemView {
        ItemView {
            index: u32::try_from(position).unwrap_or(u32::MAX),
            item: item.clone(),
            status: slot.status,
            result: slot.result.clone(),
            failure: slot.failure.clone(),
            attempts: slot.attempts,
            source: slot.source,
            recorded_at: self.recorded_at(slot),
        }
    }

    /// The element of a fan-out at a position.
    #[must_use]
    pub fn item(&self, step: &StepId, index: u32) -> Option<&Value> {
        let state = &self.steps[self.step_index(step)?];
        state.items.get(usize::try_from(index).ok()?)
    }

    /// All steps, in the plan's order.
    pub fn steps(&self) -> impl Iterator<Item = StepView> + '_ {
        self.plan().steps.iter().filter_map(|step| self.step_view(&step.id))
    }

    /// A step that waits for a word on an outcome is UNKNOWN, whatever its slots say.
    fn shown_status(&self, position: usize) -> StepStatus {
        let status = self.steps[position].status;
        let unknown = |slot: &Slot| slot.call.as_ref().is_some_and(|call| self.is_in_question(call));
        if status == StepStatus::Running && self.steps[position].slots().iter().any(unknown) {
            return StepStatus::Unknown;
        }
        status
    }

    fn is_in_question(&self, call: &CallId) -> bool {
        self.calls
            .get(call)
            .is_some_and(|call| matches!(call.phase, Phase::NeedsPerson | Phase::Settling { .. }))
    }

    /// Says whether a call waits for a worker that hosts its tool, or for a breaker.
    #[must_use]
    pub fn waits_for_tools(&self) -> bool {
        self.calls.values().any(super::Call::waits_for_tool)
    }

    /// All calls that were ever wanted, by step, item and variant.
    pub fn calls(&self) -> impl Iterator<Item = CallView> + '_ {
        self.calls.values().map(|call| CallView {
            call: call.id.clone(),
            tool: call.tool.clone(),
            status: call_status(call.phase),
            attempts: u32::try_from(call.attempts.len()).unwrap_or(u32::MAX),
            failure: call.failure.clone(),
            worker: call.attempts.last().map(|attempt| attempt.worker),
            args: call.pinned.as_ref().map(|pinned| pinned.args.clone()),
            result: call.result.clone(),
            recorded_at: call.recorded_at,
            recorded_by: call.recorded_by.clone(),
            started_at: call.attempts.first().map(|attempt| attempt.started_at),
            ended_at: call.ended_at,
        })
    }

    /// The task in short.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let row = self.row_update();
        let (output, failure, report, finished_at) = match &self.course {
            Course::Finished(end) => {
                (Some(end.output.clone()), end.failure.clone(), end.report.clone(), Some(end.at))
            }
            _ => (None, None, self.report(), None),
        };
        Summary {
            status: row.status,
            outcome: row.outcome,
            waits_for: row.waits_for,
            output,
            failure,
            report,
            questions: self
                .questions
                .iter()
                .map(|(call, question)| QuestionView { call: call.clone(), question: question.clone() })
                .collect(),
            steps_total: self.steps.len(),
            steps_ended: self.steps.len() - self.open_steps,
            finished_at,
        }
    }

    /// What the task's row says now.
    pub(crate) fn row_update(&self) -> RowUpdate {
        let wake_at = self.next_wake();
        let update = |status, outcome, waits_for| RowUpdate { status, outcome, waits_for, wake_at };
        match &self.course {
            Course::Finished(end) => update(TaskStatus::Finished, Some(end.outcome), None),
            Course::Quarantined { .. } => update(TaskStatus::Quarantined, None, None),
            Course::Ending { .. } | Course::Forward => match self.waits_for() {
                Some(reason) => update(TaskStatus::Waiting, None, Some(reason)),
                None if self.is_forward() => update(TaskStatus::Running, None, None),
                None => update(TaskStatus::Compensating, None, None),
            },
        }
    }

    /// What the task waits for, if nothing else can go on.
    fn waits_for(&self) -> Option<WaitReason> {
        if self.pause == Pause::Paused && self.is_idle() {
            return Some(WaitReason::Paused);
        }
        if !self.is_idle() && !self.only_waits_for_keys() {
            return None;
        }
        if let Some(question) = self.questions.values().next() {
            return Some(match question {
                Question::Approval { .. } | Question::SharedUndo { .. } => WaitReason::Approval,
                Question::Answer { .. } => WaitReason::Answer,
                Question::UnknownOutcome { .. } | Question::AfterPivot { .. } => WaitReason::UnknownOutcome,
            });
        }
        let phases = || self.calls.values().map(|call| call.phase);
        if !self.doing.calls.is_empty() {
            return Some(WaitReason::Key);
        }
        if phases().any(|phase| matches!(phase, Phase::Settling { .. })) {
            return Some(WaitReason::Settling);
        }
        if self.waits_for_tools() {
            let shut = |failure: &Failure| failure.reason == Reason::CircuitOpen;
            let waiting = self.calls.values().filter(|call| call.waits.is_some() && !call.is_ended());
            let circuit = waiting.filter_map(|call| call.failure.as_ref()).any(shut);
            return Some(if circuit { WaitReason::CircuitOpen } else { WaitReason::ToolGone });
        }
        phases().any(|phase| matches!(phase, Phase::Ready { .. })).then_some(WaitReason::Backoff)
    }

    fn only_waits_for_keys(&self) -> bool {
        self.doing.entering.is_empty()
            && self.doing.attempts.is_empty()
            && !self.doing.output
            && self.doing.calls.values().all(|busy| *busy == super::Busy::WaitingKey)
    }
}

fn call_status(phase: Phase) -> StepStatus {
    use super::CallEnd;
    match phase {
        Phase::Ready { .. } | Phase::Open | Phase::WaitsForKey => StepStatus::Running,
        Phase::Settling { .. } | Phase::NeedsPerson => StepStatus::Unknown,
        Phase::AfterPivot | Phase::Ended(CallEnd::Failed) => StepStatus::Failed,
        Phase::Ended(CallEnd::Succeeded | CallEnd::Replayed) => StepStatus::Succeeded,
        Phase::Ended(CallEnd::StoodIn) => StepStatus::Degraded,
        Phase::Ended(CallEnd::Cancelled) => StepStatus::Cancelled,
        Phase::Ended(CallEnd::Skipped) => StepStatus::Skipped,
    }
}
