//! The table "How a failure is classified" of `docs/errors.md`, row by row against the code.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::LazyLock;

use holdfast_resilience::classify::grpc::{Details, Status};
use holdfast_resilience::classify::http::Answer;
use holdfast_resilience::classify::local::End;
use holdfast_resilience::classify::model_output::{self, Flaw};
use holdfast_resilience::classify::process::Exit;
use holdfast_resilience::classify::{Code, Context, Sent, grpc, http, io, local, mcp, process, provider};
use holdfast_types::{Class, Effect, Failure, SideEffect, Timestamp};

/// A row: what came, and what is said of it.
struct Row {
    /// Where it comes from (`HTTP`), and what it is (`404`).
    origin: String,
    what: String,
    /// What qualifies it: the word before it (`header`), and the text (`retry-after: 1`).
    with: Option<(String, String)>,
    class: String,
    reason: String,
    proves: String,
}

impl Row {
    fn read(line: &str) -> Self {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{line}");
        let pieces: Vec<&str> = cells[0].split('`').collect();
        let (origin, what) = pieces[1].split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let with = pieces.get(3).map(|text| {
            let kind = pieces[2].split_whitespace().last().unwrap_or_else(|| panic!("{line}"));
            (kind.to_owned(), (*text).to_owned())
        });
        let cell = |number: usize| cells[number].trim_matches('`').to_owned();
        Self {
            origin: origin.to_owned(),
            what: what.to_owned(),
            with,
            class: cell(1),
            reason: cell(2),
            proves: cell(3),
        }
    }

    fn with(&self, kind: &str) -> Option<&str> {
        self.with.as_ref().filter(|(given, _)| given == kind).map(|(_, text)| text.as_str())
    }

    fn name(&self) -> String {
        match &self.with {
            Some((kind, text)) => format!("{} {} with {kind} {text}", self.origin, self.what),
            None => format!("{} {}", self.origin, self.what),
        }
    }

    /// Makes the failure by the code that production uses.
    fn failure(&self, side_effect: SideEffect) -> Failure {
        let context = Context { side_effect, sent: Sent::Maybe, rules: &[] };
        let header = self.with("header").map(|text| text.split_once(": ").unwrap_or((text, "")));
        let headers: Vec<(&str, &str)> = header.into_iter().collect();
        let now = Timestamp::default();
        let message = self.with("message").unwrap_or("it failed");
        match self.origin.as_str() {
            "gRPC" => {
                let details = Details {
                    quota_violations: self.with("quota").map(str::to_owned).into_iter().collect(),
                    ..Details::default()
                };
                let code = Code::ALL.iter().find(|code| code.as_str() == self.what).expect("a code");
                let code = code.number();
                grpc::classify(
                    &context,
                    &Status { code, message, details: &details, metadata: &headers, now },
                )
            }
            "HTTP" => {
                let statuses = self.statuses();
                let of = |status| {
                    http::classify(&context, &Answer { status, headers: &headers, code: None, message, now })
                };
                let first = of(statuses[0]);
                for status in statuses {
                    let next = of(status);
                    assert_eq!(
                        (next.class, next.reason, next.effect),
                        (first.class, first.reason, first.effect)
                    );
                }
                first
            }
            "io" => io::classify(&context, kind(&self.what), message),
            "program" => process::classify(&context, exit(&self.what), message),
            "here" => local::classify(&context, end(&self.what), message),
            "MCP" => {
                let reply = match self.what.as_str() {
                    "isError" => mcp::Reply::IsError { text: message },
                    "lost" => mcp::Reply::StreamLost,
                    code => mcp::Reply::Error { code: code.parse().expect("a code"), message },
                };
                mcp::classify(&context, reply)
            }
            "provider" => self.provider(&context, &headers),
            "model" => model_output::classify(flaw(&self.what)),
            other => panic!("an unknown origin: {other}"),
        }
    }

    fn provider(&self, context: &Context<'_>, headers: &[(&str, &str)]) -> Failure {
        let status = self.what.parse().expect("a status");
        let word = self.with("error").unwrap_or("invalid_request_error");
        let message = self.with("message").unwrap_or("it failed");
        let unreadable = self.with.is_none();
        let bodies = match unreadable {
            true => vec!["<html>no</html>".to_owned(), String::new(), r#"{"error":{"type":"ov"#.to_owned()],
            false => vec![
                format!(r#"{{"type":"error","error":{{"type":"{word}","message":"{message}"}}}}"#),
                format!(r#"{{"error":{{"message":"{message}","type":"{word}","param":null,"code":null}}}}"#),
                format!(r#"{{"error":{{"message":"{message}","type":"other","code":"{word}"}}}}"#),
                format!(r#"{{"type":"error","code":"{word}","message":"{message}"}}"#),
            ],
        };
        let of = |body: &String| {
            let now = Timestamp::default();
            provider::classify(context, &provider::Reply { status, headers, body, now })
        };
        let first = of(&bodies[0]);
        for body in &bodies {
            let next = of(body);
            assert_eq!(
                (next.class, next.reason, next.source),
                (first.class, first.reason, first.source),
                "{body}"
            );
        }
        first
    }

    fn statuses(&self) -> Vec<u16> {
        let number = |text: &str| text.parse::<u16>().unwrap_or_else(|_| panic!("{}", self.name()));
        match self.what.split_once('-') {
            None => vec![number(&self.what)],
            Some((from, to)) => {
                let single = |status: &u16| {
                    !ROWS.iter().any(|row| row.origin == "HTTP" && row.what == status.to_string())
                };
                (number(from)..=number(to)).filter(single).collect()
            }
        }
    }
}

fn kind(name: &str) -> ErrorKind {
    use ErrorKind::*;
    let kinds = [
        ConnectionRefused,
        NotConnected,
        AddrInUse,
        AddrNotAvailable,
        ConnectionReset,
        ConnectionAborted,
        BrokenPipe,
        UnexpectedEof,
        HostUnreachable,
        NetworkUnreachable,
        NetworkDown,
        TimedOut,
        NotFound,
        PermissionDenied,
        ReadOnlyFilesystem,
        AlreadyExists,
        InvalidInput,
        InvalidData,
        FileTooLarge,
        StorageFull,
        QuotaExceeded,
        Unsupported,
        Other,
    ];
    kinds
        .into_iter()
        .find(|kind| format!("{kind:?}") == name)
        .unwrap_or_else(|| panic!("no such kind: {name}"))
}

fn exit(what: &str) -> Exit {
    match what.split_once(' ').unwrap_or((what, "")) {
        ("exit", code) => Exit::Code(code.parse().expect("a code")),
        ("signal", number) => Exit::Signal(number.parse().expect("a signal")),
        ("timeout", _) => Exit::TimedOut,
        ("not-started", name) => Exit::NotStarted(kind(name)),
        other => panic!("{other:?}"),
    }
}

fn end(name: &str) -> End {
    *End::ALL.iter().find(|end| format!("{end:?}") == name).unwrap_or_else(|| panic!("no such end: {name}"))
}

fn flaw(name: &str) -> Flaw<'static> {
    match name {
        "cut call" => Flaw::CutCall,
        "cut text" => Flaw::CutText,
        "unknown stop" => Flaw::UnknownStop("bored"),
        "full window" => Flaw::WindowFull,
        "refusal" => Flaw::Refused,
        "empty turn" => Flaw::Empty,
        "no JSON" => Flaw::NoJson("expected value"),
        "broken schema" => Flaw::BreaksSchema("/city: missing"),
        "unknown tool" => Flaw::UnknownTool { given: "chrage", known: "charge" },
        "unpaired call" => Flaw::Unpaired("toolu_1"),
        other => panic!("no such flaw: {other}"),
    }
}

/// What a failure proves, read from what it does to calls of three kinds.
fn proves(row: &Row) -> &'static str {
    let effect = |side_effect| row.failure(side_effect).effect;
    assert_eq!(effect(SideEffect::ReadOnly), Effect::NotExecuted, "{}", row.name());
    match (effect(SideEffect::Idempotent), effect(SideEffect::Unsafe)) {
        (Effect::NotExecuted, Effect::NotExecuted) => "that nothing ran",
        (Effect::NotExecuted, Effect::Unknown) => "a refusal",
        (Effect::Unknown, Effect::Unknown) => "nothing",
        other => panic!("{}: {other:?}", row.name()),
    }
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let text = std::fs::read_to_string(path).expect("docs/errors.md");
    let section = text.split("\n## ").find(|section| section.starts_with("How a failure is classified"));
    let rows: Vec<Row> =
        section.expect("the section").lines().filter(|line| line.starts_with("| `")).map(Row::read).collect();
    assert!(rows.len() > 100, "{} rows", rows.len());
    rows
});

#[test]
fn every_row_says_what_the_code_does() {
    let mut wrong = Vec::new();
    for row in ROWS.iter() {
        let failure = row.failure(SideEffect::ReadOnly);
        let is = (failure.class.as_str(), failure.reason.as_str(), proves(row));
        if is != (&row.class, &row.reason, &row.proves) {
            wrong.push(format!("{}: `{}` | `{}` | {}", row.name(), is.0, is.1, is.2));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where nothing is proven, a call that must not be repeated is ambiguous, whatever failed.
#[test]
fn an_unsafe_call_is_ambiguous_in_every_row_that_does_not_prove_that_nothing_ran() {
    for row in ROWS.iter() {
        let failure = row.failure(SideEffect::Unsafe);
        let is_ambiguous = failure.class == Class::Ambiguous;
        assert_eq!(is_ambiguous, row.proves != "that nothing ran", "{}", row.name());
    }
}

#[test]
fn no_signal_is_missing() {
    let rows = &ROWS;
    let there: BTreeSet<String> = rows.iter().map(Row::name).collect();
    assert_eq!(there.len(), rows.len(), "a row stands there twice");
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    wanted.extend(Code::ALL.iter().filter(|code| **code != Code::Ok).map(|code| format!("gRPC {code}")));
    wanted.extend(End::ALL.iter().map(|end| format!("here {end:?}")));
    wanted.extend(provider::WORDS.iter().map(|(word, ..)| format!("provider 200 with error {word}")));
    let special = [
        "gRPC CANCELLED with message Timeout expired",
        "gRPC RESOURCE_EXHAUSTED with message received message larger than max",
        "gRPC RESOURCE_EXHAUSTED with quota GenerateRequestsPerDayPerProject",
        "gRPC UNAVAILABLE with header grpc-retry-pushback-ms: -1",
        "HTTP 503 with header x-should-retry: false",
        "HTTP 400 with header x-should-retry: true",
        "io ConnectionRefused",
        "io NotConnected",
        "io ConnectionReset",
        "io BrokenPipe",
        "io UnexpectedEof",
        "HTTP 400",
        "HTTP 401",
        "HTTP 402",
        "HTTP 403",
        "HTTP 404",
        "HTTP 405",
        "HTTP 408",
        "HTTP 409",
        "HTTP 410",
        "HTTP 412",
        "HTTP 413",
        "HTTP 422",
        "HTTP 425",
        "HTTP 429",
        "HTTP 500",
        "HTTP 501",
        "HTTP 502",
        "HTTP 503",
        "HTTP 504",
        "HTTP 529",
        "provider 529",
        "provider 400",
        "provider 400 with message prompt is too long: 208310 tokens > 200000 maximum",
        "provider 400 with message tool_use_id without a tool_result",
        "program exit 1",
        "program signal 9",
        "MCP -32602",
        "MCP -32601",
        "MCP -32603",
        "MCP -32020",
        "MCP -32021",
        "MCP -32022",
        "MCP isError",
        "MCP lost",
        "model cut call",
        "model no JSON",
        "model broken schema",
        "model unknown tool",
        "model refusal",
        "model empty turn",
        "model unpaired call",
        "model full window",
    ];
    wanted.extend(special.map(str::to_owned));
    let missing: Vec<_> = wanted.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let covered: BTreeSet<u16> =
        rows.iter().filter(|row| row.origin == "HTTP").flat_map(Row::statuses).collect();
    let open: Vec<u16> = (200..600).filter(|status| !covered.contains(status)).collect();
    assert!(open.is_empty(), "no row for {open:?}");
}
