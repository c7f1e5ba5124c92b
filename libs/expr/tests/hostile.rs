//! Nothing that a stranger writes panics, overflows a stack or runs on.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use holdfast_expr::{
    ErrorKind, Evaluator, Expression, Job, Scope, Settings, Template, Work, eval_blocking, limits,
};
use proptest::prelude::*;
use serde_json::json;

fn try_all(text: &str) {
    if let Ok(expression) = Expression::parse(text) {
        let scope = Scope::new().with("a", json!({"a": [1, {"a": 2}]}));
        let _ = eval_blocking(&Job::new(Work::Value(expression), scope));
    }
    let _ = Template::parse(&json!(format!("x ${{{text}}}")));
    let _ = Template::parse(&json!(text));
}

/// Patterns that recurse in the parser, the tree or the interpreter, repeated as often as they fit, and just as often
/// as is let through.
#[test]
fn deep_nesting_of_every_kind_is_an_answer() {
    let patterns = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("{", "1", ":1}"),
        ("!(", "true", ")"),
        ("-(", "1", ")"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("- ", "1", ""),
        ("size(", "a", ")"),
        ("a[", "0", "]"),
        ("a.a(", "0", ")"),
        ("true?1:", "1", ""),
        ("true?(", "1", "):1"),
        ("", "a", ".a"),
        ("", "a", "[0]"),
        ("", "a", ".size()"),
        ("", "1", "+1"),
        ("", "1", "*1"),
        ("", "1", "<1"),
        ("", "1", " in [1]"),
        ("", "true", "&&true"),
        ("", "false", "||false"),
        ("", "true", "||1+1<2&&true"),
        ("[1].map(a,", "a", ")"),
        ("has(", "a.a", ")"),
        ("\"(", "a", ""),
        ("'''(", "a", ""),
        ("r'", "a", "\\'"),
        ("//(\n", "a", ""),
        ("a{a:", "1", "}"),
        (".a(", "1", ")"),
        ("(a.", "a", ")"),
    ];
    for (open, middle, close) in patterns {
        for count in [1, 8, 16, 25, 31, 32, 33, 64, 100, 120, 127, 130, 400, 2_000] {
            try_all(&format!("{}{middle}{}", open.repeat(count), close.repeat(count)));
            try_all(&format!("{}{middle}", open.repeat(count)));
        }
    }
}

/// The deepest that passes: brackets, operators and comprehensions at their bounds together.
#[test]
fn the_deepest_expression_that_is_let_through_evaluates() {
    let brackets = limits::MAX_OPEN_BRACKETS - 3;
    let inner = format!("{}1{}", "[".repeat(brackets), "]".repeat(brackets));
    let rest = limits::MAX_DEPTH - brackets * 2 - 20;
    let chain = "+[1]".repeat(rest);
    let text = format!("[1].map(x, [2].map(y, {inner}{chain}))");
    let expression = Expression::parse(&text).unwrap();
    assert!(eval_blocking(&Job::new(Work::Value(expression), Scope::new())).is_ok());
    let ors = format!("{}true", "false||".repeat(limits::MAX_DEPTH - 8));
    let negations = format!("{}1", "-(1+".repeat(30)) + &")".repeat(30);
    let calls = format!("'a'{}", ".split('b').join('c')".repeat(limits::MAX_DEPTH / 4 - 4));
    let indexes = format!("a{}", "[0+0]".repeat(limits::MAX_DEPTH - 8));
    for text in [ors, negations, calls, indexes] {
        let expression = Expression::parse(&text).unwrap();
        let _ = eval_blocking(&Job::new(Work::Value(expression), Scope::new().with("a", json!(1))));
    }
}

fn large() -> Scope {
    Scope::new().with("l", json!((0..10_000).collect::<Vec<_>>()))
}

const ENDLESS: &str = "l.map(x, l.map(y, x * y).size()).size()";
const ABSORBING: &str = "l.all(x, l.exists(y, y == -1) || x.nothing || true)";

#[tokio::test]
async fn a_long_evaluation_ends_soon_after_its_limit_and_leaves_no_thread() {
    let evaluator = Evaluator::default();
    for text in [ENDLESS, ABSORBING] {
        let job = Job::new(Work::Value(Expression::parse(text).unwrap()), large());
        let start = Instant::now();
        let error = evaluator.evaluate(job).await.unwrap_err();
        assert_eq!((error.kind(), error.expression()), (ErrorKind::TimedOut, text), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
    wait_until_none_is_overdue(&evaluator).await;
    let job = Job::new(Work::Value(Expression::parse("1 + 1").unwrap()), Scope::new());
    assert_eq!(evaluator.evaluate(job).await.unwrap(), json!(2));
}

#[tokio::test]
async fn a_batch_has_a_result_a_job_in_their_order() {
    let evaluator = Evaluator::default();
    let jobs = ["1 + 1", ENDLESS, "l[3]", "l[5] + 1", "nothing + 1", "l.size() + 0"]
        .map(|text| Job::new(Work::Value(Expression::parse(text).unwrap()), large()));
    let results = evaluator.evaluate_all(jobs.to_vec()).await;
    let kinds: Vec<_> = results.iter().map(|result| result.as_ref().map_err(|error| error.kind())).collect();
    assert_eq!(
        kinds,
        [
            Ok(&json!(2)),
            Err(ErrorKind::TimedOut),
            Ok(&json!(3)),
            Ok(&json!(6)),
            Err(ErrorKind::UnknownVariable),
            Ok(&json!(10_000)),
        ]
    );
}

#[tokio::test]
async fn overdue_threads_are_bounded_counted_and_end() {
    // No time at all: the thread's answer always comes after the caller has given it up.
    let settings = Settings { wall_limit: Duration::ZERO, max_overdue: 2, tries: 1, threads: 1 };
    let evaluator = Evaluator::new(settings);
    let slow = "l.exists(x, json(l) == json(x))";
    let job = Job::new(Work::Value(Expression::parse(slow).unwrap()), large());
    let mut kinds = Vec::new();
    for _ in 0..50 {
        kinds.push(evaluator.evaluate(job.clone()).await.unwrap_err().kind());
        assert!(evaluator.overdue() <= 2);
    }
    assert!(kinds.iter().all(|kind| matches!(kind, ErrorKind::TimedOut | ErrorKind::Exhausted)), "{kinds:?}");
    assert_eq!(kinds[0], ErrorKind::TimedOut);
    wait_until_none_is_overdue(&evaluator).await;
}

async fn wait_until_none_is_overdue(evaluator: &Evaluator) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while evaluator.overdue() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_an_answer(text in ".{0,200}") {
        try_all(&text);
    }

    #[test]
    fn arbitrary_tokens_are_an_answer(tokens in prop::collection::vec(token(), 0..80)) {
        try_all(&tokens.concat());
        try_all(&tokens.join(" "));
    }
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        ":",
        "?",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "<",
        "<=",
        "==",
        "!=",
        "&&",
        "||",
        "in",
        "a",
        "b",
        "1",
        "1.5",
        "2u",
        "'s'",
        "\"s\"",
        "'",
        "\"",
        "'''",
        "r'",
        "b'x'",
        "true",
        "null",
        "\\",
        "//",
        "\n",
        "map",
        "filter",
        "has",
        "size",
        "json",
        ".map(x,",
        ".all(x,",
        ".a",
        "steps",
        "${",
        "$",
        "`",
        "é",
        "0x",
        "1e",
        "a.b",
        "[1]",
        "{'a':1}",
        "x",
        "-9223372036854775808",
        "99999999999999999999",
    ])
}
