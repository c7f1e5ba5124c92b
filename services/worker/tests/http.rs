//! `http_request` against a small server of the test's own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use holdfast_runtime::{Clock, Ids, Secret, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_types::worker::{CallOutcome, CallRef, Execute, ExecuteEvent};
use holdfast_types::{Class, Effect, Key, Namespace, Payload, Reason, TaskId};
use holdfast_worker::config::{Grants, SecretGrant};
use holdfast_worker::{Config, Deps, GuardCommand, Worker};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers by path, and keeps what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone()));
            }
        });
        Self { port, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    let head = loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        request.extend_from_slice(&piece[..read]);
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length =
        text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    while request.len() < head + length.unwrap_or(0_usize) {
        let read = stream.read(&mut piece).await.unwrap();
        request.extend_from_slice(&piece[..read]);
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push(request);
    let answer = match path.as_str() {
        "/json" => answer("200 OK", "content-type: application/json", r#"{"n": 9007199254740993}"#),
        "/text" => answer("200 OK", "content-type: text/plain\r\nx-a: 1\r\nx-a: 2", "hello"),
        "/busy" => answer("429 Too Many Requests", "retry-after: 7", "slow down"),
        "/broken" => answer("503 Service Unavailable", "x: y", "not now"),
        "/refused" => answer("422 Unprocessable Content", "x: y", "no such order"),
        "/here" => answer("302 Found", "location: /text", ""),
        "/away" => answer("302 Found", "location: http://localhost:1/text", ""),
        "/large" => answer("200 OK", "x: y", &"x".repeat(1_100_000)),
        // "/lost": the connection ends without an answer.
        _ => return,
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

struct Caller {
    worker: Worker,
    calls: AtomicU32,
}

impl Caller {
    fn new() -> Self {
        let deps = Deps {
            clock: Arc::new(SystemClock),
            ids: Ids::system(),
            blobs: None,
            keys: None,
            guard: GuardCommand::default(),
            metrics: Metrics::no_op(),
        };
        let token =
            SecretGrant { value: Secret::new("hunter2"), tools: vec!["http_request".parse().unwrap()] };
        let secrets = std::iter::once(("TOKEN".to_owned(), token)).collect();
        let grants = Grants { hosts: vec!["127.0.0.1".into()], secrets, ..Grants::default() };
        let worker = Worker::new(Config { grants, ..Config::default() }, deps, Vec::new()).unwrap();
        Self { worker, calls: AtomicU32::new(0) }
    }

    async fn call(&self, args: Value) -> CallOutcome {
        let index = self.calls.fetch_add(1, Ordering::SeqCst);
        let call = Execute {
            worker: self.worker.id(),
            call: CallRef { task: TaskId::new(1, [1; 10]), call: format!("ask[{index}]").parse().unwrap() },
            attempt: 1,
            epoch: 1,
            not_after: SystemClock.now().after(Duration::from_secs(60)),
            timeout: Duration::from_secs(20),
            namespace: Namespace::default(),
            tool: "http_request".parse().unwrap(),
            args: Payload::Json(args),
            key: Key::try_new("default/http_request/call/1").unwrap(),
            token: 1,
            side_effect: None,
        };
        let mut events = self.worker.tools().execute(call).await.unwrap();
        loop {
            if let ExecuteEvent::Finished(outcome) = events.next().await.unwrap().unwrap() {
                return outcome;
            }
        }
    }

    async fn ok(&self, args: Value) -> Value {
        self.call(args).await.unwrap().result.as_json().unwrap().clone()
    }
}

#[tokio::test]
async fn an_answer_has_status_headers_and_a_body() {
    let (server, caller) = (Server::start().await, Caller::new());
    let json = caller.ok(json!({"method": "get", "url": server.url("/json")})).await;
    assert_eq!(json["json"]["n"], json!(9_007_199_254_740_993_u64), "integers keep their digits");
    let text = caller.ok(json!({"method": "GET", "url": server.url("/text")})).await;
    assert_eq!((&text["status"], &text["body"]), (&json!(200), &json!("hello")));
    assert_eq!(text["headers"]["x-a"], "1, 2");
    assert!(!server.asked()[0].contains("idempotency-key"), "a read has no key");
}

#[tokio::test]
async fn a_write_carries_its_key_headers_and_secrets_and_is_sent_once() {
    let (server, caller) = (Server::start().await, Caller::new());
    let args = json!({
        "method": "POST", "url": server.url("/json"), "json": {"cents": 5},
        "headers": {"Authorization": {"$secret": "TOKEN"}},
    });
    caller.ok(args.clone()).await;
    let asked = server.asked();
    let request = asked[0].to_ascii_lowercase();
    for part in [
        "idempotency-key: default/http_request/call/1",
        "authorization: hunter2",
        "content-type: application/json",
        "{\"cents\":5}",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
    let lost = caller.call(json!({"method": "POST", "url": server.url("/lost")})).await.unwrap_err();
    assert_eq!((lost.class, lost.effect), (Class::Ambiguous, Effect::Unknown));
    let lost = caller.call(json!({"method": "GET", "url": server.url("/lost")})).await.unwrap_err();
    assert_eq!((lost.class, lost.effect), (Class::Transient, Effect::NotExecuted));
    assert_eq!(server.asked().len(), 3, "nothing is retried below the orchestrator");
}

#[tokio::test]
async fn a_status_means_what_the_method_lets_it_mean() {
    let (server, caller) = (Server::start().await, Caller::new());
    let cases = [
        ("POST", "/broken", false, Class::Ambiguous, Effect::Unknown),
        ("POST", "/broken", true, Class::Transient, Effect::Unknown),
        ("PUT", "/broken", false, Class::Transient, Effect::Unknown),
        ("GET", "/broken", false, Class::Transient, Effect::NotExecuted),
        ("POST", "/refused", false, Class::Semantic, Effect::NotExecuted),
        ("POST", "/busy", false, Class::RateLimited, Effect::NotExecuted),
        ("GET", "/large", false, Class::Semantic, Effect::NotExecuted),
        ("POST", "/large", false, Class::Semantic, Effect::Executed),
    ];
    for (method, path, honours_key, class, effect) in cases {
        let args = json!({"method": method, "url": server.url(path), "honours_key": honours_key});
        let failure = caller.call(args).await.unwrap_err();
        assert_eq!((failure.class, failure.effect), (class, effect), "{method} {path} {failure}");
    }
    let busy = caller.call(json!({"method": "GET", "url": server.url("/busy")})).await.unwrap_err();
    assert_eq!(busy.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn only_granted_hosts_are_called_redirects_included() {
    let (server, caller) = (Server::start().await, Caller::new());
    let elsewhere = caller.call(json!({"method": "GET", "url": "http://localhost:1/"})).await.unwrap_err();
    assert_eq!((elsewhere.reason, elsewhere.effect), (Reason::NotGranted, Effect::NotExecuted));
    let here = caller.ok(json!({"method": "GET", "url": server.url("/here")})).await;
    assert_eq!(here["body"], "hello");
    let away = caller.call(json!({"method": "GET", "url": server.url("/away")})).await.unwrap_err();
    assert_eq!(away.class, Class::Semantic, "{away}");
    let before = server.asked().len();
    caller.call(json!({"method": "POST", "url": server.url("/here")})).await.unwrap_err();
    assert_eq!(server.asked().len(), before + 1, "a write is never sent somewhere else");
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_sent() {
    let caller = Caller::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/");
    let refused = caller.call(json!({"method": "POST", "url": url})).await.unwrap_err();
    assert_eq!((refused.reason, refused.effect), (Reason::ConnectFailed, Effect::NotExecuted));
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let caller = Caller::new();
    for args in [
        json!({"method": "BREW", "url": "http://127.0.0.1/"}),
        json!({"method": "GET", "url": "no url"}),
        json!({"method": "GET", "url": "file:///etc/passwd"}),
        json!({"method": "POST", "url": "http://127.0.0.1/", "body": "a", "json": 1}),
        json!({"method": "POST", "url": "http://127.0.0.1/", "headers": {"a b": "c"}}),
        json!({"method": "POST", "url": "http://127.0.0.1/", "headers": {"a": "b\r\nc: d"}}),
    ] {
        let refused = caller.call(args.clone()).await.unwrap_err();
        assert_eq!((refused.class, refused.effect), (Class::Semantic, Effect::NotExecuted), "{args}");
    }
}
