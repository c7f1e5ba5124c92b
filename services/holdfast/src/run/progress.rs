//! Live progress: what an event of a task says to whoever looks on, a line a subtask.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_engine::decode;
use holdfast_engine::event::{
    AttemptEnded, AttemptNotStarted, Ended, Event, Next, Probe, Proceed, Question, Replayed, Resume,
    SettledBy, SkippedUndo, Verdict,
};
use holdfast_proto::v1;
use holdfast_types::journal::EventRow;
use holdfast_types::task::ResultSource;
use holdfast_types::time::format_duration;
use holdfast_types::{CallId, Failure, Timestamp};

/// What is known of a task from the events that went by.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    calls: BTreeMap<CallId, Call>,
    last_ended: Option<CallId>,
    lives: u64,
}

#[derive(Debug)]
struct Call {
    tool: String,
    attempt: u32,
    begun: Timestamp,
    ended: bool,
}

impl Progress {
    /// Takes an event in and returns the lines that it is worth; one that this binary can't read is worth its kind.
    pub(crate) fn take(&mut self, event: v1::TaskEvent) -> Vec<String> {
        let kind = event.kind.clone();
        let Ok(row) = EventRow::try_from(event) else { return Vec::new() };
        match decode(&row) {
            Ok(event) => self.lines(row.at, event),
            Err(_) => vec![line('·', &kind, "written by a newer Holdfast")],
        }
    }

    /// Says where a task that is taken up again stands.
    pub(crate) fn standing(&self) -> String {
        let open: Vec<String> =
            self.calls.iter().filter(|(_, call)| !call.ended).map(|(id, _)| id.to_string()).collect();
        match (open.as_slice(), &self.last_ended) {
            ([], None) => "from its beginning".to_owned(),
            ([], Some(last)) => format!("after step {}", last.step),
            ([one], _) => format!("from step {one}"),
            ([first, rest @ ..], _) => format!("from step {first} and {} more", rest.len()),
        }
    }

    fn lines(&mut self, at: Timestamp, event: Event) -> Vec<String> {
        let one = match event {
            Event::LifeStarted(life) => return self.life(life.resume),
            Event::StepEntered(step) if step.proceed == Proceed::Skip => {
                line('-', step.step.as_str(), "skipped: its condition is false")
            }
            // What its calls brought is told by each.
            Event::StepInherited(step) if !step.status.counts() => {
                line('=', step.step.as_str(), &format!("taken over: {}", step.status))
            }
            Event::StepFailed(failed) => {
                let name = CallId::forward(failed.step, failed.index).to_string();
                line('✗', &name, &told(&failed.failure))
            }
            Event::AttemptStarted(started) => {
                let call = Call {
                    tool: started.tool.to_string(),
                    attempt: started.attempt,
                    begun: at,
                    ended: false,
                };
                // The time of a call is counted from its first attempt.
                let known = self.calls.entry(started.call.clone()).or_insert(call);
                known.attempt = started.attempt;
                return Vec::new();
            }
            Event::AttemptNotStarted(refused) => return self.not_started(at, &refused),
            Event::AttemptEnded(ended) => self.ended(at, &ended),
            Event::CallReplayed(replayed) => {
                self.end(&replayed.call);
                match replayed.outcome {
                    Replayed::Result(_) => line(
                        '=',
                        &replayed.call.to_string(),
                        &format!("replayed: already done by {}", replayed.from),
                    ),
                    Replayed::Failure(failure) => line(
                        '=',
                        &replayed.call.to_string(),
                        &format!("replayed failure: {}", told(&failure)),
                    ),
                }
            }
            Event::CallFailed(failed) => {
                self.end(&failed.call);
                line('✗', &failed.call.to_string(), &told(&failed.failure))
            }
            Event::CallWaits(waits) => line('…', &waits.call.to_string(), &waits_for(&waits.failure)),
            Event::StoodIn(stood) => {
                self.end(&stood.call);
                let by = match stood.source {
                    ResultSource::Fallback => "another tool",
                    ResultSource::LastGood => "the last good result",
                    _ => "a value of the plan",
                };
                line('~', stood.call.step.as_str(), &format!("degraded: {by} stands in"))
            }
            Event::Probed(probed) => line('?', &probed.call.to_string(), probe(&probed.answer)),
            Event::QuestionAsked(asked) => line('?', &asked.call.to_string(), &question(&asked.question)),
            Event::VerdictReached(reached) => match reached.verdict {
                Verdict::Failed { step, failure } => {
                    line('!', step.as_str(), &format!("fails the task: {}", told(&failure)))
                }
                Verdict::Cancelled { reason } => line('!', "cancelled", &reason),
                Verdict::Deadline => line('!', "deadline", "the task's time is over"),
            },
            Event::SettlingBegan(began) => line('?', &began.call.to_string(), settling(began.by)),
            Event::UndoSkipped(skipped) => line('-', &skipped.call.to_string(), why_skipped(&skipped.why)),
            Event::Restored(_) => {
                let text = "from a backup: what may have run since is found out before it runs again";
                line('»', "restored", text)
            }
            Event::Quarantined(_) => {
                line('!', "quarantined", "the task ended several drivers without any progress")
            }
            _ => return Vec::new(),
        };
        vec![one]
    }

    fn life(&mut self, resume: Resume) -> Vec<String> {
        self.lives += 1;
        match resume {
            Resume::First | Resume::Released => Vec::new(),
            Resume::Crash => vec![line('»', "resumed", "the process before ended without a word")],
        }
    }

    fn ended(&mut self, at: Timestamp, ended: &AttemptEnded) -> String {
        let name = ended.call.to_string();
        let (what, took) = self.what(&ended.call, ended.attempt, at);
        match &ended.ended {
            Ended::Succeeded { replayed_downstream, .. } => {
                self.end(&ended.call);
                let memory = if *replayed_downstream { ", answered from the tool's memory" } else { "" };
                line('✓', &name, &format!("{what} {took}{memory}"))
            }
            Ended::Failed { failure, next: Next::Retry { at: again } } => {
                let wait = format_duration(again.since(at));
                line('↻', &name, &format!("{what} failed: {}; tried again in {wait}", told(failure)))
            }
            Ended::Failed { failure, next: Next::Await } => {
                line('✗', &name, &format!("{what} failed: {}; another attempt goes on", told(failure)))
            }
            Ended::Failed { failure, next: Next::Settle } => {
                line('?', &name, &format!("{what}: outcome unknown: {}", told(failure)))
            }
            Ended::Failed { failure, next: Next::Fail } => {
                self.end(&ended.call);
                line('✗', &name, &format!("{what} failed: {}", told(failure)))
            }
        }
    }

    fn not_started(&mut self, at: Timestamp, refused: &AttemptNotStarted) -> Vec<String> {
        let name = refused.call.to_string();
        match refused.next {
            Next::Retry { at: again } => {
                let wait = format_duration(again.since(at));
                vec![line(
                    '↻',
                    &name,
                    &format!("not started: {}; tried again in {wait}", told(&refused.failure)),
                )]
            }
            Next::Settle | Next::Await => Vec::new(),
            Next::Fail => {
                self.end(&refused.call);
                vec![line('✗', &name, &told(&refused.failure))]
            }
        }
    }

    /// The tool with its attempt, and how long the call took.
    fn what(&self, call: &CallId, attempt: u32, at: Timestamp) -> (String, String) {
        let Some(known) = self.calls.get(call) else { return (String::new(), String::new()) };
        let tool =
            if attempt > 1 { format!("{}, attempt {attempt},", known.tool) } else { known.tool.clone() };
        (tool, short(at.since(known.begun)))
    }

    fn end(&mut self, call: &CallId) {
        if let Some(known) = self.calls.get_mut(call) {
            known.ended = true;
        }
        self.last_ended = Some(call.clone());
    }
}

fn line(mark: char, name: &str, text: &str) -> String {
    format!("  {mark} {name:<18} {text}").trim_end().to_owned()
}

fn told(failure: &Failure) -> String {
    format!("{}/{} {}", failure.class, failure.reason, failure.message).trim_end().to_owned()
}

/// What a call waits for.
fn waits_for(failure: &Failure) -> String {
    format!("waits: {} ({})", failure.message, failure.reason)
}

const fn probe(answer: &Probe) -> &'static str {
    match answer {
        Probe::Done { .. } => "asked the tool: it happened",
        Probe::NotDone => "asked the tool: it did not happen",
        Probe::NotYet { .. } => "asked the tool: not yet; it is asked again",
        Probe::Unknown => "asked the tool: it can't tell",
    }
}

fn question(question: &Question) -> String {
    match question {
        Question::UnknownOutcome { failure } => {
            format!("a person has to say whether it happened: {}", told(failure))
        }
        Question::Approval { .. } => "waits for an approval".to_owned(),
        Question::SharedUndo { tasks, .. } => {
            format!(
                "{tasks} other task(s) were answered from what it would undo: a person has to say whether it is undone"
            )
        }
        Question::Answer { text } => format!("asks: {text}"),
        Question::AfterPivot { failure } => {
            format!("can't be undone any more, and failed: {}", told(failure))
        }
    }
}

const fn settling(by: SettledBy) -> &'static str {
    match by {
        SettledBy::SameCall => "before its undo: sent again under its key, to know whether it happened",
        SettledBy::Person => "before its undo: a person has to say whether it happened",
    }
}

const fn why_skipped(why: &SkippedUndo) -> &'static str {
    match why {
        SkippedUndo::NeverHappened => "nothing to undo: it never happened",
        SkippedUndo::SharedWith { .. } => "stands: other tasks have the same result",
        SkippedUndo::OutOfTime => "not undone: the time for it is over",
    }
}

/// A duration for people: milliseconds below a second, else tenths of seconds, else minutes.
pub(crate) fn short(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ ..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format_duration(Duration::from_secs(duration.as_secs())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(seq: u64, millis: i64, kind: &str, body: serde_json::Value) -> v1::TaskEvent {
        let at = Timestamp::from_micros(millis * 1_000);
        EventRow { seq, epoch: 1, at, kind: kind.into(), v: 1, body: body.to_string() }.into()
    }

    fn started(seq: u64, millis: i64, attempt: u32) -> v1::TaskEvent {
        let body = json!({
            "call": "charge", "attempt": attempt, "epoch": 1, "tool": "charge_card", "side_effect": "IDEMPOTENT",
            "key": "k", "fingerprint": "f", "worker": holdfast_types::WorkerId::new(1, [0; 10]), "lifetime": "HOST",
            "not_after": 1, "timeout": 1000,
        });
        event(seq, millis, "attempt_started", body)
    }

    #[test]
    fn a_retry_says_why_and_how_long_and_the_end_says_which_attempt() {
        let failure = Failure::new(
            holdfast_types::Class::Transient,
            holdfast_types::Effect::NotExecuted,
            holdfast_types::Reason::DependencyError,
            "no luck",
        );
        let again = Timestamp::from_micros(43_000);
        let mut progress = Progress::default();
        assert!(progress.take(started(1, 0, 1)).is_empty());
        let failed = json!({"call": "charge", "attempt": 1, "ended": {"status": "FAILED", "failure": failure,
            "next": {"do": "RETRY", "at": again}}});
        let told = progress.take(event(2, 3, "attempt_ended", failed)).join("");
        assert!(told.contains("no luck; tried again in 40ms"), "{told}");
        assert_eq!(progress.standing(), "from step charge");
        progress.take(started(3, 43, 2));
        let done =
            json!({"call": "charge", "attempt": 2, "ended": {"status": "SUCCEEDED", "result": {"json": 1}}});
        let told = progress.take(event(4, 50, "attempt_ended", done)).join("");
        assert!(told.contains("charge_card, attempt 2, 50 ms"), "{told}");
        assert_eq!(progress.standing(), "after step charge");
    }

    #[test]
    fn a_wait_for_a_tool_says_what_is_missing() {
        let failure = Failure::new(
            holdfast_types::Class::Unavailable,
            holdfast_types::Effect::NotExecuted,
            holdfast_types::Reason::ToolGone,
            "no live worker hosts book_flight",
        );
        let body = json!({"call": "flight", "failure": failure, "look_again_at": 5});
        let told = Progress::default().take(event(1, 0, "call_waits", body)).join("");
        assert!(told.ends_with("waits: no live worker hosts book_flight (TOOL_GONE)"), "{told}");
    }

    #[test]
    fn an_event_of_a_newer_release_is_shown_by_its_kind() {
        let told = Progress::default().take(event(1, 0, "teleported", json!({}))).join("");
        assert!(told.contains("teleported"), "{told}");
    }
}
