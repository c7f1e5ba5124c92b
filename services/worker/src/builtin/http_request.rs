//! `http_request`: one HTTP request to a granted host.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use holdfast_resilience::classify::{Context, Sent, http as classify, io};
use holdfast_runtime::Clock;
use holdfast_tool::{Answer, CallContext, EffectBegins, Tool, ToolFailure, manifest};
use holdfast_types::{Class, Reason, SideEffect, ToolManifest};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Response, StatusCode, Url, redirect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::TEXT_LIMIT;
use super::hosts::Hosts;
use crate::Error;

/// The longest answer, in bytes.
const ANSWER_LIMIT: usize = TEXT_LIMIT;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many redirects a read follows.
const REDIRECTS: usize = 5;

/// How much of an error's body is told.
const QUOTED: usize = 1_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// GET, HEAD, OPTIONS, PUT, DELETE, POST or PATCH.
    method: String,
    /// The address, of a granted host.
    url: String,
    /// Headers by name.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body, as text.
    body: Option<String>,
    /// The body, as JSON, in place of `body`.
    json: Option<Value>,
    /// Whether the service executes one `Idempotency-Key` once: then POST and PATCH may be repeated.
    #[serde(default)]
    #[allow(dead_code)] // the manifest's rule reads it
    honours_key: bool,
}

#[derive(Serialize, JsonSchema)]
struct Answered {
    status: u16,
    /// By name in lower case; several of one name are joined by commas.
    headers: BTreeMap<String, String>,
    /// The body as text, where it is not JSON.
    body: String,
    /// The body as JSON, where its content type says that it is.
    json: Value,
}

/// The tool: never retries by itself, and follows redirects of reads only, to granted hosts.
///
/// Statuses by which HTTP servers refuse before they act (400, 401, 404, 422, …) prove that nothing happened; the
/// manifest's error map says so. After any other failure of a POST or PATCH the outcome is unknown.
pub(super) struct HttpRequest {
    manifest: ToolManifest,
    /// Follows redirects to granted hosts.
    reader: Client,
    /// Follows none.
    writer: Client,
    hosts: Hosts,
    clock: Arc<dyn Clock>,
}

impl HttpRequest {
    pub(super) fn new(hosts: Hosts, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let methods = |names: &[&str]| names.iter().map(|name| json!(name)).collect::<Vec<_>>();
        let mut manifest = manifest("http_request")
            .describe("Sends one HTTP request to a granted host. A status from 300 on is a failure.")
            .class(SideEffect::Unsafe)
            .class_where("/method", &methods(&["GET", "HEAD", "OPTIONS"]), SideEffect::ReadOnly)
            .class_where("/method", &methods(&["PUT", "DELETE"]), SideEffect::Idempotent)
            .class_where("/honours_key", &[json!(true)], SideEffect::Idempotent)
            .input::<Args>()
            .output::<Answered>()
            .build()?;
        manifest.errors = classify::refusals();
        let granted = hosts.clone();
        let policy = redirect::Policy::custom(move |attempt| {
            let further = attempt.previous().len() <= REDIRECTS && granted.allow(attempt.url());
            if further { attempt.follow() } else { attempt.stop() }
        });
        let (reader, writer) = (client(policy)?, client(redirect::Policy::none())?);
        Ok(Self { manifest, reader, writer, hosts, clock })
    }

    fn request(&self, ctx: &CallContext, args: &Args, class: SideEffect) -> Result<Request, ToolFailure> {
        let url = Url::parse(&args.url).map_err(|error| bad(format!("url: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("url: http or https, not {}", url.scheme())));
        }
        if !self.hosts.allow(&url) {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(ToolFailure::not_granted(format!("the host {host} is not granted")));
        }
        let mut request = Request::new(method(&args.method)?, url);
        if class != SideEffect::ReadOnly {
            let key =
                HeaderValue::from_str(ctx.key().as_str()).map_err(|_| bad("the key is no header".into()))?;
            request.headers_mut().insert("idempotency-key", key);
        }
        let body = match (&args.json, &args.body) {
            (Some(_), Some(_)) => return Err(bad("body and json: give one of them".into())),
            (Some(json), None) => {
                let json_type = HeaderValue::from_static("application/json");
                request.headers_mut().insert(header::CONTENT_TYPE, json_type);
                Some(json.to_string())
            }
            (None, body) => body.clone(),
        };
        for (name, value) in &args.headers {
            let named =
                HeaderName::try_from(name).map_err(|_| bad(format!("headers: '{name}' is no name")))?;
            // The value may be a secret: it isn't repeated.
            let value = HeaderValue::from_str(value)
                .map_err(|_| bad(format!("headers.{name}: no header's value")))?;
            request.headers_mut().insert(named, value);
        }
        *request.body_mut() = body.map(Into::into);
        Ok(request)
    }

    async fn answered(&self, response: Response, class: SideEffect) -> Result<Answered, ToolFailure> {
        let status = response.status();
        let headers = readable(response.headers());
        let is_json =
            headers.get("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
        let body = body(response).await?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            let json = if is_json { serde_json::from_str(&body).unwrap_or_default() } else { Value::Null };
            let body = if json.is_null() { body } else { String::new() };
            return Ok(Answered { status: status.as_u16(), headers, body, json });
        }
        let quoted: String = body.chars().take(QUOTED).collect();
        let pairs: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let context = Context { side_effect: class, sent: Sent::Maybe, rules: &self.manifest.errors };
        let answer = classify::Answer {
            status: status.as_u16(),
            headers: &pairs,
            code: None,
            message: &format!("{status}: {quoted}"),
            now: self.clock.now(),
        };
        Err(classify::classify(&context, &answer).into())
    }
}

#[async_trait]
impl Tool for HttpRequest {
    fn manifest(&self) -> ToolManifest {
        self.manifest.clone()
    }

    fn effect_begins(&self) -> EffectBegins {
        EffectBegins::AtCheck
    }

    async fn call(&self, ctx: CallContext, args: Value) -> Result<Answer, ToolFailure> {
        let class = self.manifest.class_of(&args);
        let args: Args = serde_json::from_value(args).map_err(|error| bad(error.to_string()))?;
        let request = self.request(&ctx, &args, class)?;
        let client = if class == SideEffect::ReadOnly { &self.reader } else { &self.writer };
        ctx.before_effect()?;
        let response = client.execute(request).await.map_err(|error| lost(&error))?;
        let answered = self.answered(response, class).await?;
        serde_json::to_value(answered).map(Answer::new).map_err(|error| {
            ToolFailure::new(Class::Permanent, Reason::BadResult, error.to_string()).executed()
        })
    }
}

fn client(policy: redirect::Policy) -> Result<Client, Error> {
    // ring, as everywhere else in the process: the other provider wants a C toolchain. A second install is refused,
    // and the first stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(policy)
        // Only the orchestrator retries: layers must not multiply.
        .retry(reqwest::retry::never())
        // A proxy would be a host that nobody granted.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(Error::HttpClient)
}

fn bad(why: String) -> ToolFailure {
    ToolFailure::bad_arguments(why)
}

fn method(text: &str) -> Result<Method, ToolFailure> {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
        Method::POST,
        Method::PATCH,
    ];
    let found = known.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        bad(format!("method: '{text}' is none of GET, HEAD, OPTIONS, PUT, DELETE, POST, PATCH"))
    })
}

/// Headers by name; several of one name are joined, as HTTP says.
fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut readable: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let joined = readable.entry(name.as_str().to_owned()).or_default();
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&value);
    }
    readable
}

/// Reads a body of at most the limit. The service has acted when it answers: what goes wrong here undoes nothing.
async fn body(response: Response) -> Result<String, ToolFailure> {
    let mut content = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| lost(&error))?;
        if content.len() + piece.len() > ANSWER_LIMIT {
            let message = format!("the answer has more than {ANSWER_LIMIT} bytes");
            return Err(ToolFailure::new(Class::Semantic, Reason::TooLarge, message).executed());
        }
        content.extend_from_slice(&piece);
    }
    String::from_utf8(content).map_err(|_| {
        ToolFailure::new(Class::Semantic, Reason::BadResult, "the answer is not UTF-8 text").executed()
    })
}

/// A request without an answer. Only one that never got a connection provably had no effect.
fn lost(error: &reqwest::Error) -> ToolFailure {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    if error.is_connect() {
        return ToolFailure::new(Class::Transient, Reason::ConnectFailed, why).not_executed();
    }
    // What lies at the bottom decides, whatever it is wrapped in.
    match io::innermost(error) {
        Some(ErrorKind::TimedOut) => ToolFailure::new(Class::Transient, Reason::AttemptTimeout, why),
        _ => ToolFailure::new(Class::Transient, Reason::ConnectionLost, why),
    }
}
