//! Tasks, as a user on this machine has them: through the published port, with the API's token.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::docker::docker;
use super::platform::{Member, Platform, Token, wait_until};

/// Submits a plan, once its tools are known; returns the task's id.
pub(crate) fn submit(platform: &Platform<'_>, plan: &Path, inputs: &[&str]) -> Result<String> {
    let mut task = String::new();
    wait_until("submission", || {
        let mut command = platform.client(Token::Shown);
        command.args(["submit", "--json"]).arg(plan);
        command.args(inputs.iter().flat_map(|input| ["--input", input]));
        let submitted = ended(&mut command)?;
        if submitted.status.success() {
            let answer = lines(&submitted.stdout)?;
            task = text(answer.first().context("submit says nothing")?, "/task/task_id");
        } else {
            // Workers that have registered are known to an orchestrator a moment later.
            let told = String::from_utf8_lossy(&submitted.stderr).into_owned();
            ensure!(
                told.contains("unknown tool") || submitted.status.code() == Some(UNREACHABLE),
                "submit: {told}"
            );
        }
        Ok(submitted.status.success())
    })?;
    Ok(task)
}

/// Waits for a task's end; it has to be a success.
pub(crate) fn succeeds(platform: &Platform<'_>, task: &str) -> Result<()> {
    let mut ended = None;
    wait_until(&format!("end of {task}"), || {
        ended = outcome(platform, task)?;
        Ok(ended.is_some())
    })?;
    let ended = ended.unwrap_or_default();
    ensure!(ended.ends_with("SUCCEEDED"), "{task} ended with {ended}");
    Ok(())
}

/// How a task has ended; none while it has not, or while nobody can say so.
pub(crate) fn outcome(platform: &Platform<'_>, task: &str) -> Result<Option<String>> {
    let got = ended(platform.client(Token::Shown).args(["get", task, "--json"]))?;
    if !got.status.success() {
        return Ok(None);
    }
    let known = lines(&got.stdout)?.into_iter().next().unwrap_or_default();
    Ok(Some(text(&known, "/outcome"))
        .filter(|said| !matches!(said.as_str(), "" | "TASK_OUTCOME_UNSPECIFIED")))
}

/// The exit code of a command that found nobody who answers.
const UNREACHABLE: i32 = 9;

/// The kinds of a task's events and their bodies. Whoever is cut off by a replica's end comes back to another.
pub(crate) fn journal(platform: &Platform<'_>, task: &str) -> Result<Vec<(String, Value)>> {
    let mut answer = None;
    wait_until(&format!("history of {task}"), || {
        let history = ended(platform.client(Token::Shown).args(["history", task, "--json"]))?;
        let told = String::from_utf8_lossy(&history.stderr);
        ensure!(history.status.success() || history.status.code() == Some(UNREACHABLE), "history: {told}");
        answer = Some(history).filter(|history| history.status.success());
        Ok(answer.is_some())
    })?;
    let history = answer.context("history says nothing")?;
    let read = |event: Value| {
        let body = serde_json::from_str(&text(&event, "/body_json")).context("read an event")?;
        Ok((text(&event, "/kind"), body))
    };
    lines(&history.stdout)?.into_iter().map(read).collect()
}

/// The orchestrator that drives a task: each says in its log under which instance it does so.
pub(crate) fn driver(platform: &Platform<'_>, task: &str) -> Result<Member> {
    let journal = journal(platform, task)?;
    let life = journal.iter().rev().find(|(kind, _)| kind == "life_started");
    let instance = text(&life.context("nobody has driven it")?.1, "/instance");
    for number in 1..=u32::try_from(platform.containers("orchestrator")?.len())? {
        let member = Member("orchestrator", number);
        let container = platform.container(member)?;
        let logs = ended(Command::new("docker").args(["logs", &container]))?;
        let said = [logs.stdout, logs.stderr].concat();
        if String::from_utf8_lossy(&said).contains(&instance) {
            return Ok(member);
        }
    }
    bail!("no orchestrator is {instance}")
}

/// An effect, as the trip worker's ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) tool: String,
    pub(crate) call: String,
}

/// What really happened for a task.
pub(crate) fn effects(platform: &Platform<'_>, task: &str) -> Result<Vec<Effect>> {
    let container = platform.container(Member("trip-worker", 1))?;
    let said = docker(&["exec", &container, "holdfast", "example", "trip-ledger", "--json"])?;
    let rows = lines(said.as_bytes())?.into_iter().filter(|row| text(row, "/task_id") == task);
    Ok(rows.map(|row| Effect { tool: text(&row, "/tool"), call: text(&row, "/call") }).collect())
}

/// Waits until so many results of a task are recorded.
pub(crate) fn until_recorded(platform: &Platform<'_>, task: &str, count: usize) -> Result<()> {
    wait_until(&format!("result {count} of {task}"), || {
        let ended = |(kind, _): &&(String, Value)| kind == "attempt_ended";
        Ok(journal(platform, task)?.iter().filter(ended).count() >= count)
    })
}

/// Runs a command to its end.
pub(crate) fn ended(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("start {command:?}"))
}

/// Reads a JSON object a line.
pub(crate) fn lines(bytes: &[u8]) -> Result<Vec<Value>> {
    let text = String::from_utf8_lossy(bytes);
    let objects = text.lines().filter(|line| line.starts_with('{'));
    objects.map(|line| serde_json::from_str(line).with_context(|| format!("read {line}"))).collect()
}

/// The text at a place of an object; empty where there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
