//! What is counted of tasks, and that the number of series does not grow with them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::{Platform, Reply, Running, chain, submission, until};
use futures::stream::{self, StreamExt};
use holdfast_orchestrator::{Config, Deps, Sent};
use holdfast_telemetry::Telemetry;
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::{Class, SideEffect, TaskOutcome};
use serde_json::json;

/// How many submissions are under way at once.
const AT_ONCE: usize = 64;

/// No more than this many tasks are unfinished: each is a driver in memory.
const UNFINISHED: usize = 500;

fn measured(platform: &Platform, telemetry: &Telemetry) -> Deps {
    Deps { metrics: telemetry.metrics(), ..platform.deps() }
}

fn value(telemetry: &Telemetry, series: &str) -> f64 {
    telemetry.scrape().unwrap().value(series).unwrap_or_default()
}

fn finished(telemetry: &Telemetry) -> f64 {
    value(telemetry, "holdfast_tasks_finished_total{outcome=\"SUCCEEDED\"}")
}

/// Runs tasks to their end, each with texts of its own in every place where a user may write one.
async fn run(running: &Running, telemetry: &Telemetry, numbers: std::ops::Range<usize>) {
    let plan = |number: usize| {
        format!(
            "holdfast: v1\nname: order-{number}\nlabels: {{ customer: ada-{number} }}\nsteps:\n  \
             - {{ id: of_{number}, tool: look, args: {{ city: lisbon-{number} }} }}\n"
        )
    };
    let mut wanted = finished(telemetry);
    let numbers: Vec<usize> = numbers.collect();
    for batch in numbers.chunks(UNFINISHED) {
        stream::iter(batch)
            .for_each_concurrent(AT_ONCE, async |number| {
                let submitted = running.orchestrator.submit(submission(&plan(*number), json!({}))).await;
                assert!(submitted.unwrap().created);
            })
            .await;
        wanted += f64::from(u32::try_from(batch.len()).unwrap());
        until(async || finished(telemetry) >= wanted).await;
    }
}

/// Every series, without its value.
fn series(telemetry: &Telemetry) -> BTreeSet<String> {
    let text = telemetry.scrape().unwrap().text().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

/// The labels of a series.
fn labels(series: &str) -> impl Iterator<Item = (&str, &str)> {
    let labels = series.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    labels
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
}

/// Says whether a text can only come from a list in the code: a word in one case.
fn is_a_word(text: &str) -> bool {
    let in_case = |is: fn(&char) -> bool| !text.is_empty() && text.chars().all(|c| c == '_' || is(&c));
    in_case(char::is_ascii_lowercase) || in_case(char::is_ascii_uppercase)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_tasks_make_no_more_series_than_a_thousand() {
    let platform = Platform::with_tools(vec![crate::common::tool("look", SideEffect::ReadOnly)]).await;
    platform.worker.script("look", [Reply::Refuse(Class::Transient), Reply::Refuse(Class::RateLimited)]);
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let running = platform.start_with(Config::default(), measured(&platform, &telemetry)).await;
    run(&running, &telemetry, 0..1_000).await;
    let after_a_thousand = series(&telemetry);
    run(&running, &telemetry, 1_000..10_000).await;
    assert_eq!(finished(&telemetry), 10_000.0);
    assert_eq!(series(&telemetry), after_a_thousand);
    assert!(value(&telemetry, "holdfast_retries_total{class=\"TRANSIENT\",tool=\"look\"}") >= 1.0);
    for series in &after_a_thousand {
        for (name, value) in labels(series) {
            let is_number = value.parse::<f64>().is_ok() || name == "version";
            assert!(is_a_word(value) || is_number && ["le", "version"].contains(&name), "{series}");
        }
    }
    running.stop().await;
    let held = ["holdfast_tasks_driven", "holdfast_calls_in_flight"];
    assert_eq!(held.map(|name| value(&telemetry, name)), [0.0, 0.0]);
}

#[tokio::test]
async fn an_outcome_that_nobody_knows_is_counted_and_so_is_the_word_on_it() {
    let platform = Platform::new().await;
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let config = Config { begin_within: Duration::from_millis(100), ..Config::default() };
    let running = platform.start_with(config, measured(&platform, &telemetry)).await;
    platform.worker.script("pay", [Reply::Vanish]);
    let plan = "
holdfast: v1
name: lost
steps:
  - { id: a, tool: pay, args: { n: 1 }, attempt_timeout: 10ms }
";
    let task = running.submit(plan).await;
    until(async || platform.worker.ledger().len() == 1).await;
    platform.change_workers(|workers| workers.clear());
    running.event(task, "question_asked").await;
    let resolved =
        |how: &str| value(&telemetry, &format!("holdfast_unknown_outcomes_total{{resolution=\"{how}\"}}"));
    assert_eq!((resolved("unresolved"), resolved("person")), (1.0, 0.0));
    let resolve = Message::ResolveOutcome {
        call: "a".parse().unwrap(),
        resolution: Resolution::Happened { result: holdfast_types::Payload::Json(json!("paid")) },
        reason: "the bank says so".into(),
    };
    running.orchestrator.send(task, Sent { id: None, from: None, message: resolve }).await.unwrap();
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!((resolved("unresolved"), resolved("person"), resolved("probe")), (1.0, 1.0, 0.0));
    running.stop().await;
}

#[tokio::test]
async fn a_crash_is_counted_as_one_and_its_recovery_is_measured() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(2, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;

    platform.bury_former_owners().await;
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let second = platform.start_with(Config::default(), measured(&platform, &telemetry)).await;
    second.event(task, "attempt_adopted").await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    let resumes = |kind: &str| value(&telemetry, &format!("holdfast_resumes_total{{kind=\"{kind}\"}}"));
    assert_eq!((resumes("crash"), resumes("released")), (1.0, 0.0));
    assert_eq!(value(&telemetry, "holdfast_recovery_duration_seconds_count"), 1.0);
    assert_eq!(value(&telemetry, "holdfast_lease_losses_total"), 0.0);
    second.stop().await;
}

#[tokio::test]
async fn a_result_that_is_replayed_is_no_further_effect() {
    let platform = Platform::new().await;
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let running = platform.start_with(Config::default(), measured(&platform, &telemetry)).await;
    let plan = "
holdfast: v1
name: once
steps:
  - { id: a, tool: put, args: { n: 1 }, key: order-1 }
";
    for _ in 0..2 {
        let task = running.submit(plan).await;
        assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    }
    assert_eq!(platform.worker.ledger().len(), 1);
    assert_eq!(value(&telemetry, "holdfast_replays_total"), 1.0);
    assert_eq!(value(&telemetry, "holdfast_step_duration_seconds_count{tool=\"put\"}"), 1.0);
    running.stop().await;
}
