//! What has to hold of a task that has ended, whatever was struck meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::docker::docker;
use super::plans::STEPS;
use super::platform::{Member, Platform, wait_until};
use super::tasks::{self, text};

/// A chain that has ended: each step's effect happened once, and nothing that was recorded ran again.
pub(crate) fn chain_ran_once(platform: &Platform<'_>, task: &str) -> Result<()> {
    let effects = tasks::effects(platform, task)?;
    let calls: BTreeSet<&str> = effects.iter().map(|effect| effect.call.as_str()).collect();
    ensure!(effects.len() == calls.len(), "an effect happened twice: {effects:?}");
    ensure!(effects.len() == STEPS, "{} of {STEPS} effects: {effects:?}", effects.len());
    nothing_recorded_ran_again(&tasks::journal(platform, task)?)
}

/// Fails where an attempt was begun for a call whose result was recorded.
pub(crate) fn nothing_recorded_ran_again(events: &[(String, Value)]) -> Result<()> {
    let mut recorded = BTreeSet::new();
    for (kind, body) in events {
        let call = text(body, "/call");
        let settled = match kind.as_str() {
            "attempt_started" => {
                ensure!(!recorded.contains(&call), "{call} was recorded, and ran again");
                false
            }
            "attempt_ended" => text(body, "/ended/status") == "SUCCEEDED",
            "probed" => text(body, "/answer/answer") == "DONE",
            _ => false,
        };
        if settled {
            recorded.insert(call);
        }
    }
    ensure!(!recorded.is_empty(), "nothing was recorded");
    Ok(())
}

/// How many lives a task had.
pub(crate) fn lives(events: &[(String, Value)]) -> usize {
    events.iter().filter(|(kind, _)| kind == "life_started").count()
}

/// What Jaeger would have got of a task: one trace, over several services, in which every span has its parent.
pub(crate) fn one_whole_trace(platform: &Platform<'_>, task: &str) -> Result<()> {
    // A task's trace has the id of its UUID.
    let (_, trace) = task.split_once('_').context("a task's id has a prefix")?;
    let receiver = platform.container(Member("jaeger", 1))?;
    let mut orphans = Vec::new();
    // Spans leave their process in batches.
    let whole = wait_until("whole trace", || {
        let mut spans = tasks::lines(docker(&["logs", &receiver])?.as_bytes())?;
        spans.retain(|span| text(span, "/trace") == trace);
        let ids: BTreeMap<String, &Value> = spans.iter().map(|span| (text(span, "/span"), span)).collect();
        let roots = spans.iter().filter(|span| text(span, "/parent").is_empty()).count();
        let services: BTreeSet<String> = spans.iter().map(|span| text(span, "/service")).collect();
        let lost = |span: &&Value| {
            let parent = text(span, "/parent");
            !parent.is_empty() && !ids.contains_key(&parent)
        };
        orphans = spans.iter().filter(lost).map(|span| text(span, "/name")).collect();
        Ok(roots == 1 && orphans.is_empty() && services.len() >= 2)
    });
    whole.with_context(|| format!("spans without a parent: {orphans:?}"))
}
