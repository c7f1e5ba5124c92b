//! Sends a task a message: stored in its inbox, and acted on by whoever drives it (PROTOCOL 10).

use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::{CallId, Direction, MessageId, StepId, TaskId, TaskStatus};

use super::{ApiError, Orchestrator, Question};

/// A message on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The message's id, so that a repeat has one effect; none: one is made.
    pub id: Option<MessageId>,
    /// Who sends it, as far as known.
    pub from: Option<String>,
    /// What it says.
    pub message: Message,
}

impl Orchestrator {
    /// Stores a message in a task's inbox. Accepted means stored; the same id again has one effect.
    ///
    /// Returns the task's status at that moment. A cancel of a finished task is not stored: it says so by the status.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] (the task, or the call that it names), [`ApiError::Refused`] where the task's state
    /// does not allow it, [`ApiError::Changed`] for an approval of something else, [`ApiError::Store`].
    pub async fn send(&self, task: TaskId, sent: Sent) -> Result<TaskStatus, ApiError> {
        let row = self.row(task).await?;
        let finished = row.status == TaskStatus::Finished;
        match &sent.message {
            Message::Cancel { .. } if finished => return Ok(row.status),
            // What a finished task takes is judged by what it did.
            message @ Message::Compensate { .. } => self.check_taken(task, row.status, message).await?,
            message @ Message::ResolveOutcome { call, .. }
                if finished && call.direction == Direction::Undo =>
            {
                self.check_taken(task, row.status, message).await?;
            }
            _ if finished => {
                let why = "the task has finished".to_owned();
                return Err(ApiError::Refused { status: row.status, why });
            }
            Message::Approve { call, digest, .. } => {
                self.check_approval(task, row.status, call, digest).await?
            }
            Message::Answer { call, .. } => {
                self.check_asked(task, row.status, call, |q| matches!(q, Question::Answer { .. })).await?;
            }
            Message::ResolveOutcome { call, .. } => {
                self.check_asked(task, row.status, call, |q| matches!(q, Question::Outcome { .. })).await?;
            }
            Message::Cancel { .. }
            | Message::Inject { .. }
            | Message::Pause
            | Message::Resume { .. }
            | Message::ToolsChanged
            | Message::ChildEnded { .. } => {}
        }
        let message = InboxMessage {
            id: sent.id.unwrap_or_else(|| self.shared.deps.ids.message()),
            task,
            at: self.shared.deps.clock.now(),
            from: sent.from,
            message: sent.message,
        };
        self.shared.deps.inbox.put(message).await?;
        self.instance.hint(task);
        Ok(row.status)
    }

    /// Why a task does not restart from a step: one that has finished is forked (PROTOCOL 14), and one that lives goes on
    /// only where it stands.
    pub(crate) async fn refused_restart(&self, task: TaskId, step: &StepId) -> ApiError {
        let what = "restarting from a step is missing: a task that lives goes on only where it stands; leave from_step out";
        match self.row(task).await {
            Ok(row) if row.status == TaskStatus::Finished => {
                let why = format!(
                    "the task has finished: what comes after '{step}' runs again in a task of its own: \
                     holdfast fork {task} --from {step}"
                );
                ApiError::Refused { status: row.status, why }
            }
            Ok(_) => ApiError::Unimplemented { what },
            Err(error) => error,
        }
    }

    /// Asks the task as it is stored whether it would take a message. Its driver judges again.
    async fn check_taken(&self, task: TaskId, status: TaskStatus, message: &Message) -> Result<(), ApiError> {
        match self.folded(task).await?.task.refusal(message) {
            None => Ok(()),
            Some(why) => Err(ApiError::Refused { status, why }),
        }
    }

    async fn check_approval(
        &self,
        task: TaskId,
        status: TaskStatus,
        call: &CallId,
        shown: &str,
    ) -> Result<(), ApiError> {
        let question = self
            .check_asked(task, status, call, |question| matches!(question, Question::Approval { .. }))
            .await?;
        match question {
            Question::Approval { digest, .. } if digest != shown => Err(ApiError::Changed),
            _ => Ok(()),
        }
    }

    /// Finds the question that a call waits with.
    async fn check_asked(
        &self,
        task: TaskId,
        status: TaskStatus,
        call: &CallId,
        is_wanted: impl Fn(&Question) -> bool,
    ) -> Result<Question, ApiError> {
        let folded = self.folded(task).await?;
        if !folded.task.calls().any(|view| view.call == *call) {
            return Err(ApiError::NotFound { what: format!("call {call}") });
        }
        let asked = super::question::asked(&folded).into_iter().find(|asked| asked.call == *call);
        match asked {
            Some(asked) if is_wanted(&asked.question) => Ok(asked.question),
            _ => Err(ApiError::Refused { status, why: format!("call {call} does not wait for this") }),
        }
    }
}
