//! `approve`, `answer`, `resolve`, `resume`: a person's word on what waits for it.

use holdfast_proto::v1;
use holdfast_proto::v1::approve_call_request::Decision;
use holdfast_proto::v1::resolve_outcome_request::Resolution;

use super::Context;
use super::server::Server;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::json;

/// Approve a call that waits, or reject it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast approve task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 charge --digest 5d41402a…")]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// The call that waits
    call: String,
    /// The digest that `holdfast get` shows: what exactly is approved
    #[arg(long)]
    digest: String,
    /// Don't let it run
    #[arg(long, conflicts_with = "args")]
    reject: bool,
    /// Let it run with these arguments instead, a JSON object
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// Why, for the record
    #[arg(long, default_value = "")]
    reason: String,
}

impl Approve {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let decision = match (self.reject, self.args) {
            (true, _) => Decision::Reject(()),
            (false, Some(args)) => Decision::EditedArgsJson(args),
            (false, None) => Decision::Approve(()),
        };
        let request = v1::ApproveCallRequest {
            task_id: self.task,
            call: self.call,
            digest: self.digest,
            decision: Some(decision),
            reason: self.reason,
            ..Default::default()
        };
        let response = client.approve(request).await?;
        context.output.data("stored", &json::of("ApproveCallResponse", &response));
        Ok(Exit::Success)
    }
}

/// Answer a question that a task asked
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast answer task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 ask_customer 'the window seat'")]
pub(crate) struct Answer {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// The call that asks
    call: String,
    /// The answer: JSON, or text
    answer: String,
}

impl Answer {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let request = v1::AnswerQuestionRequest {
            task_id: self.task,
            call: self.call,
            answer: Some(payload(&self.answer)),
            ..Default::default()
        };
        let response = client.answer_question(request).await?;
        context.output.data("stored", &json::of("AnswerQuestionResponse", &response));
        Ok(Exit::Success)
    }
}

/// Say what happened with a call whose outcome nobody knows
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast resolve task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 mail --did-not-happen --reason 'not in the outbox'")]
pub(crate) struct Resolve {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// The call
    call: String,
    #[command(flatten)]
    what: What,
    /// Why one knows, for the record
    #[arg(long)]
    reason: String,
}

/// What happened.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// It happened, with this result: JSON, or text
    #[arg(long, value_name = "RESULT")]
    happened: Option<String>,
    /// It did not happen, and is not to be tried again
    #[arg(long)]
    did_not_happen: bool,
    /// It did not happen; run it again
    #[arg(long)]
    run_again: bool,
}

impl Resolve {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let resolution = match self.what {
            What { happened: Some(result), .. } => Resolution::Happened(payload(&result)),
            What { run_again: true, .. } => Resolution::RunAgain(()),
            What { .. } => Resolution::DidNotHappen(()),
        };
        let request = v1::ResolveOutcomeRequest {
            task_id: self.task,
            call: self.call,
            resolution: Some(resolution),
            reason: self.reason,
            ..Default::default()
        };
        let response = client.resolve(request).await?;
        context.output.data("stored", &json::of("ResolveOutcomeResponse", &response));
        Ok(Exit::Success)
    }
}

/// Let a paused or quarantined task go on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast resume task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 --reason 'the disk was full'")]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// Why, for the record
    #[arg(long, default_value = "")]
    reason: String,
}

impl Resume {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let request = v1::ResumeTaskRequest { task_id: self.task, reason: self.reason, ..Default::default() };
        let response = client.resume(request).await?;
        context.output.data("stored", &json::of("ResumeTaskResponse", &response));
        Ok(Exit::Success)
    }
}

/// JSON where it is JSON, else text.
fn payload(text: &str) -> v1::Payload {
    let json = serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()));
    v1::Payload { content: Some(v1::payload::Content::Json(json.to_string())) }
}
