#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// An agent's turns, told to a detector one by one.
#[derive(Default)]
struct Agent {
    detector: Detector,
    policy: Policy,
}

fn tool(name: &str) -> ToolName {
    ToolName::try_new(name).unwrap()
}

impl Agent {
    fn turn(&mut self, name: &str, args: &Value, result: &str) -> Option<Rung> {
        self.found(name, args, End::Result { digest: result }, CallKind::Usual).map(|finding| finding.rung)
    }

    fn found(&mut self, name: &str, args: &Value, end: End<'_>, kind: CallKind) -> Option<Finding> {
        let tool = tool(name);
        self.detector.observe(&self.policy, &[Call { tool: &tool, args, end, kind }])
    }

    fn letters(&mut self, letters: &str) -> Vec<Option<Finding>> {
        let end = End::Result { digest: "same" };
        letters.chars().map(|c| self.found(&c.to_string(), &json!({}), end, CallKind::Usual)).collect()
    }
}

const NOTE: Option<Rung> = Some(Rung::Note);
const WITHHOLD: Option<Rung> = Some(Rung::Withhold);
const STOP: Option<Rung> = Some(Rung::Stop);

#[test]
fn the_ladder_is_climbed_once_a_streak() {
    let mut agent = Agent::default();
    let rungs: Vec<_> = (0..9).map(|_| agent.turn("read", &json!({"path": "a"}), "x")).collect();
    assert_eq!(rungs, [None, None, NOTE, WITHHOLD, None, STOP, None, None, None]);
}

#[test]
fn spelling_does_not_hide_a_repetition() {
    let mut agent = Agent::default();
    agent.turn("read", &serde_json::from_str(r#"{"b":2,"a":1.0}"#).unwrap(), "x");
    agent.turn("read", &json!({"a": 1, "b": 2}), "x");
    assert_eq!(agent.turn("read", &json!({"b": 2.0, "a": 1}), "x"), NOTE);
}

#[test]
fn volatile_arguments_are_masked_by_the_caller() {
    let mut agent = Agent::default();
    let volatile = ["/request_id".to_owned()];
    let rungs: Vec<_> = (0..3)
        .map(|n| agent.turn("read", &masked(&json!({"path": "a", "request_id": n}), &volatile), "x"))
        .collect();
    assert_eq!(rungs, [None, None, NOTE]);
}

#[test]
fn text_between_calls_does_not_break_a_streak() {
    let mut agent = Agent::default();
    for _ in 0..2 {
        assert_eq!(agent.turn("read", &json!({}), "x"), None);
        assert_eq!(agent.detector.observe(&agent.policy, &[]), None);
    }
    assert_eq!(agent.turn("read", &json!({}), "x"), NOTE);
}

#[test]
fn every_period_is_found_at_its_third_repetition() {
    for period in 2..=8usize {
        let cycle: String = ('a'..).take(period).collect();
        let findings = Agent::default().letters(&cycle.repeat(3));
        let (last, before) = findings.split_last().unwrap();
        assert!(before.iter().all(Option::is_none), "period {period}: {before:?}");
        let finding = last.as_ref().unwrap();
        assert!(matches!(finding.pattern, Pattern::Cycle { period: p, .. } if p as usize == period));
        assert_eq!(
            (finding.repetitions, finding.rung, finding.pattern.tools().len()),
            (3, Rung::Note, period)
        );
    }
}

#[test]
fn a_changing_result_is_no_loop_and_a_poll_may_wait_longer() {
    let mut agent = Agent::default();
    for percent in 0..40 {
        assert_eq!(agent.turn("job_status", &json!({"job": 1}), &percent.to_string()), None);
    }
    let end = End::Result { digest: "80 %" };
    let poll = |agent: &mut Agent| agent.found("job_status", &json!({"job": 2}), end, CallKind::Poll);
    for _ in 0..9 {
        assert_eq!(poll(&mut agent), None);
    }
    assert_eq!(poll(&mut agent).unwrap().repetitions, 10);
}

#[test]
fn a_batch_or_a_walk_over_pages_is_no_loop() {
    let mut agent = Agent::default();
    for page in 0..50 {
        assert_eq!(agent.turn("list", &json!({"cursor": page}), "ok"), None);
    }
    let (read, args) = (tool("read"), json!({"path": "a"}));
    let end = End::Result { digest: "x" };
    let four = vec![Call { tool: &read, args: &args, end, kind: CallKind::Usual }; 4];
    assert_eq!(agent.detector.observe(&agent.policy, &four), None);
    assert_eq!(agent.turn("read", &args, "x"), None);
    assert_eq!(agent.turn("read", &args, "x"), NOTE);
}

#[test]
fn edits_with_tests_between_are_progress() {
    let mut agent = Agent::default();
    for edit in 0..20 {
        assert_eq!(agent.turn("edit", &json!({"line": edit}), "ok"), None);
        assert_eq!(agent.turn("test", &json!({}), "one failure"), None);
    }
}

#[test]
fn the_same_error_with_other_arguments_is_found() {
    let mut agent = Agent::default();
    let mut error = |n: u32| {
        let end = End::Error { key: "NOT_FOUND", digest: &n.to_string() };
        agent.found("read", &json!({ "path": n }), end, CallKind::Usual)
    };
    let rungs: Vec<_> = (0..8).map(|n| error(n).map(|finding| finding.rung)).collect();
    assert_eq!(rungs, [None, None, None, None, NOTE, WITHHOLD, None, STOP]);
    assert_eq!(agent.turn("read", &json!({"path": "b"}), "found"), None);
    let end = End::Error { key: "NOT_FOUND", digest: "9" };
    assert_eq!(agent.found("read", &json!({"path": 9}), end, CallKind::Usual), None);
}

#[test]
fn a_monologue_is_found() {
    let mut agent = Agent::default();
    let rungs: Vec<_> =
        (0..3).map(|_| agent.detector.observe(&agent.policy, &[]).map(|finding| finding.pattern)).collect();
    assert_eq!(rungs, [None, None, Some(Pattern::Monologue)]);
}

#[test]
fn withheld_calls_go_on_counting_and_the_tool_comes_back() {
    let mut agent = Agent::default();
    let args = json!({"path": "a"});
    for _ in 0..4 {
        agent.turn("read", &args, "x");
    }
    assert_eq!(agent.detector.withheld_for(&tool("read")), 5);
    let withheld = |agent: &mut Agent| agent.found("read", &args, End::Withheld, CallKind::Usual);
    assert_eq!(withheld(&mut agent), None);
    assert_eq!(withheld(&mut agent).unwrap().rung, Rung::Stop);
    for n in 0..4 {
        agent.turn("write", &json!({ "n": n }), "ok");
    }
    assert_eq!(agent.detector.withheld_for(&tool("read")), 0);
}

#[test]
fn a_word_from_a_person_starts_anew() {
    let mut agent = Agent::default();
    for _ in 0..4 {
        agent.turn("read", &json!({}), "x");
    }
    agent.detector.reset();
    assert_eq!(agent.detector.withheld_for(&tool("read")), 0);
    assert_eq!(agent.turn("read", &json!({}), "x"), None);
    assert_eq!(agent.turn("read", &json!({}), "x"), None);
    assert_eq!(agent.turn("read", &json!({}), "x"), NOTE);
}

proptest! {
    /// A crash at any moment changes nothing: the state that was stored goes on as if it had not happened.
    #[test]
    fn a_resume_goes_on_where_the_last_life_stopped(letters in "[abc]{0,80}") {
        let mut whole = Agent::default();
        let mut crashing = Agent::default();
        for letter in letters.chars() {
            let stored = serde_json::to_string(&crashing.detector).unwrap();
            crashing.detector = serde_json::from_str(&stored).unwrap();
            let letter = letter.to_string();
            prop_assert_eq!(whole.letters(&letter), crashing.letters(&letter));
        }
        prop_assert_eq!(whole.detector, crashing.detector);
    }

    /// Against a plain reading of the rule: a pattern is told exactly where the last turns repeat.
    #[test]
    fn what_is_found_is_there(letters in "[ab]{1,60}") {
        let mut agent = Agent::default();
        let turns: Vec<char> = letters.chars().collect();
        for (at, finding) in agent.letters(&letters).into_iter().enumerate() {
            let so_far = &turns[..=at];
            if let Some(finding) = finding {
                let period = match finding.pattern {
                    Pattern::Cycle { period, .. } => period as usize,
                    _ => 1,
                };
                let tail = &so_far[so_far.len() - period * finding.repetitions as usize..];
                prop_assert!(tail.iter().zip(&tail[period..]).all(|(a, b)| a == b), "{tail:?}");
            }
        }
        let memory = Policy::default().memory();
        prop_assert!(agent.detector.history.len() <= memory);
    }

    #[test]
    fn no_loop_is_missed(prefix in "[a-h]{0,20}", cycle in "[a-h]{1,8}") {
        let findings = Agent::default().letters(&format!("{prefix}{}", cycle.repeat(6)));
        let stopped = findings.iter().flatten().any(|finding| finding.rung == Rung::Stop);
        prop_assert!(stopped, "{prefix} {cycle}");
    }
}
