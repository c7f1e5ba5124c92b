//! Failures that a provider of models tells in a body: Anthropic's errors, OpenAI's and those of compatible servers,
//! whole answers and `error` events in the middle of a stream that began with 200.
//!
//! The body's own words win over the status. A model can't mend the request that asks it, so what would be
//! `SEMANTIC` of a tool is `PERMANENT` here.

use holdfast_types::{Class, Failure, Reason, Source, Timestamp};
use serde_json::Value;

use super::{Context, Finding, Headers, Proof, hint, http};

/// What a provider answered in place of a turn.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The status: 200 where the error came as an event of a stream.
    pub status: u16,
    /// The headers.
    pub headers: Headers<'a>,
    /// The body, or the data of the event: cut to a size by whoever read it. It need not be JSON.
    pub body: &'a str,
    /// The time, for hints that are dates.
    pub now: Timestamp,
}

/// What an error is by its provider's word.
type Meaning = (Class, Reason);

/// The words of providers, in any ASCII case: Anthropic's `error.type`, OpenAI's `error.code` and `error.type`, Google's
/// `error.status`.
pub const WORDS: &[(&str, Class, Reason)] = &[
    ("overloaded_error", Class::Transient, Reason::DependencyUnavailable),
    ("unavailable", Class::Transient, Reason::DependencyUnavailable),
    ("unavailable_error", Class::Transient, Reason::DependencyUnavailable),
    ("api_error", Class::Transient, Reason::DependencyError),
    ("server_error", Class::Transient, Reason::DependencyError),
    ("internal_server_error", Class::Transient, Reason::DependencyError),
    ("internal", Class::Transient, Reason::DependencyError),
    ("timeout_error", Class::Transient, Reason::AttemptTimeout),
    ("deadline_exceeded", Class::Transient, Reason::AttemptTimeout),
    ("rate_limit_error", Class::RateLimited, Reason::RateLimited),
    ("rate_limit_exceeded", Class::RateLimited, Reason::RateLimited),
    ("resource_exhausted", Class::RateLimited, Reason::RateLimited),
    ("billing_error", Class::Permanent, Reason::QuotaExhausted),
    ("insufficient_quota", Class::Permanent, Reason::QuotaExhausted),
    ("billing_hard_limit_reached", Class::Permanent, Reason::QuotaExhausted),
    ("request_too_large", Class::Permanent, Reason::TooLarge),
    ("context_length_exceeded", Class::Permanent, Reason::TooLarge),
    ("exceed_context_size_error", Class::Permanent, Reason::TooLarge),
    ("authentication_error", Class::Permanent, Reason::Unauthenticated),
    ("invalid_api_key", Class::Permanent, Reason::Unauthenticated),
    ("unauthenticated", Class::Permanent, Reason::Unauthenticated),
    ("permission_error", Class::Permanent, Reason::PermissionDenied),
    ("permission_denied", Class::Permanent, Reason::PermissionDenied),
    ("not_found_error", Class::Permanent, Reason::NotFound),
    ("model_not_found", Class::Permanent, Reason::NotFound),
    ("not_found", Class::Permanent, Reason::NotFound),
    ("content_filter", Class::Permanent, Reason::Refused),
    ("content_policy_violation", Class::Permanent, Reason::Refused),
];

/// The words that say no more than that the request was wrong: the message or the status says how.
const VAGUE: &[&str] = &["invalid_request_error", "invalid_argument"];

/// Classifies what a provider answered. A body that can't be read leaves the decision to the status.
///
/// A prompt that is too long is `PERMANENT` with `TOO_LARGE`: the same body is never sent again, a shorter one may be.
/// Calls and results that don't pair are a mistake of whoever wrote the transcript: `INTERNAL`, from `PLATFORM`.
#[must_use]
pub fn classify(context: &Context<'_>, reply: &Reply<'_>) -> Failure {
    let told = Told::read(reply.body);
    let (class, reason) = told.meaning().unwrap_or_else(|| by_status(told.status.unwrap_or(reply.status)));
    let message = match told.message.as_deref() {
        Some(message) if !message.is_empty() => message,
        _ => told.words.first().map_or("the provider failed without a word", String::as_str),
    };
    let proof = match class {
        Class::Transient => Proof::Nothing,
        _ => Proof::Refused,
    };
    let mut finding =
        Finding::new(class, reason, message).proof(proof).hint(hint::from_http(reply.headers, reply.now));
    for word in told.words {
        finding = finding.code(word);
    }
    let source = match reason {
        Reason::Internal => Source::Platform,
        _ => Source::Model,
    };
    context.conclude(finding.code(reply.status.to_string())).from_source(source)
}

/// What a body tells.
#[derive(Debug, Default)]
struct Told {
    /// The most specific first.
    words: Vec<String>,
    message: Option<String>,
    /// The status that it repeats: in an event of a stream that began with 200 it is the true one.
    status: Option<u16>,
}

impl Told {
    fn read(body: &str) -> Self {
        let Ok(json) = serde_json::from_str::<Value>(body) else { return Self::default() };
        // Google wraps it in a list.
        let json = json.get(0).unwrap_or(&json);
        let error = match json.get("error").or_else(|| json.pointer("/response/error")) {
            Some(Value::String(message)) => {
                return Self { message: Some(message.clone()), ..Self::default() };
            }
            Some(error) if error.is_object() => error,
            // OpenAI's event, and some compatible servers, have the fields at the top.
            _ => json,
        };
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let words = ["code", "type", "status"].into_iter().filter_map(text).filter(|word| word != "error");
        let number = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        Self {
            words: words.collect(),
            message: text("message"),
            status: number.filter(|status| (400..600).contains(status)),
        }
    }

    /// What the words mean, or, where they are vague, the message; none where the status must decide.
    fn meaning(&self) -> Option<Meaning> {
        if let Some(meaning) = self.words.iter().find_map(|word| known(word)) {
            return Some(meaning);
        }
        let is_vague = |word: &String| VAGUE.iter().any(|vague| word.eq_ignore_ascii_case(vague));
        if !self.words.iter().any(is_vague) {
            return None;
        }
        by_message(&self.message.as_deref().unwrap_or_default().to_ascii_lowercase())
    }
}

fn known(word: &str) -> Option<Meaning> {
    let row = WORDS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(word))?;
    Some((row.1, row.2))
}

/// Anthropic has no word of its own for these: their texts are all there is.
fn by_message(message: &str) -> Option<Meaning> {
    let says = |part: &str| message.contains(part);
    let too_long = ["prompt is too long", "context limit", "context window", "maximum context length"];
    let unpaired = ["tool_use_id", "`tool_use` ids", "tool_call_id"];
    if too_long.into_iter().any(says) {
        return Some((Class::Permanent, Reason::TooLarge));
    }
    unpaired.into_iter().any(says).then_some((Class::Permanent, Reason::Internal))
}

fn by_status(status: u16) -> Meaning {
    let (class, reason, _) = http::meaning(status);
    match (status, class) {
        // An error in a stream that began well: something broke, and the provider doesn't say what.
        (200..=299, _) => (Class::Transient, Reason::DependencyError),
        (_, Class::Semantic) => (Class::Permanent, reason),
        _ => (class, reason),
    }
}
