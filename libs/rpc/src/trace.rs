//! Which calls have spans, how they end, and the trace context in their headers (W3C).

use std::str::FromStr;

use holdfast_telemetry::rpc::{RpcSpan, Verdict};
use holdfast_telemetry::{TraceParent, propagation};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tonic::Code;

/// What begins a trace of its own where its caller sent no context. Everything else is the platform's own upkeep
/// (sessions, claims, reports of workers), and has spans only in a trace that somebody else has begun. A submission
/// begins none either: the task that it makes is the root of its own trace.
const BEGIN_TRACES: [&str; 3] = [
    "holdfast.v1.OrchestratorService/",
    "holdfast.v1.IdempotencyService/",
    "holdfast.v1.WorkerService/Execute",
];
const SUBMIT: &str = "holdfast.v1.OrchestratorService/SubmitTask";

/// The call whose client's side has a span already: that of the attempt for which it is made.
const EXECUTE: &str = "holdfast.v1.WorkerService/Execute";

const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Which side of a call, and so what it takes for an error.
#[derive(Debug, Clone, Copy)]
enum Side {
    Client,
    Server,
}

impl Side {
    /// A client takes all that is not OK for an error, except that it called the call off itself; a server what is not
    /// its caller's doing.
    fn judge(self, code: Code) -> Verdict {
        let fine = match self {
            Self::Client => matches!(code, Code::Ok | Code::Cancelled),
            Self::Server => !matches!(
                code,
                Code::Unknown
                    | Code::DeadlineExceeded
                    | Code::Unimplemented
                    | Code::Internal
                    | Code::Unavailable
                    | Code::DataLoss
            ),
        };
        if fine { Verdict::Fine } else { Verdict::Failed }
    }
}

/// A call under way, ended by its status; dropped without one it was called off.
#[derive(Debug)]
pub(crate) struct Under {
    span: Option<RpcSpan>,
    side: Side,
}

impl Under {
    pub(crate) fn end(&mut self, code: Code) {
        if let Some(span) = self.span.take() {
            span.end(name(code), self.side.judge(code));
        }
    }

    /// Ends it where these headers, or trailers, have a status.
    pub(crate) fn end_by(&mut self, headers: &HeaderMap) {
        if self.span.is_some()
            && let Some(status) = headers.get(STATUS)
        {
            self.end(Code::from_bytes(status.as_bytes()));
        }
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// A call that comes in: its span, and the place under which what it leads to hangs. That is the caller's own, as the
/// server's span is a leaf.
pub(crate) fn incoming(path: &str, headers: &HeaderMap) -> (Under, Option<TraceParent>) {
    let method = path.trim_start_matches('/');
    let get = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let sent = propagation::extract(&get);
    let begins = BEGIN_TRACES.iter().any(|beginning| method.starts_with(beginning)) && method != SUBMIT;
    let span = (sent.is_some() || begins).then(|| RpcSpan::server(method, &get));
    let place = sent.or_else(|| span.as_ref().and_then(RpcSpan::place));
    (Under { span, side: Side::Server }, place)
}

/// A call that goes out: its span, and the context in its headers. Without a place it has neither.
pub(crate) fn outgoing<B>(address: &str, request: &mut Request<B>) -> Under {
    let Some(place) = propagation::place() else { return Under { span: None, side: Side::Client } };
    propagation::inject(&place, &mut |name, value| {
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(&value)) {
            request.headers_mut().insert(name, value);
        }
    });
    let method = request.uri().path().trim_start_matches('/');
    let seen = place.is_sampled() && method != EXECUTE;
    Under { span: seen.then(|| RpcSpan::client(method, address, &place)), side: Side::Client }
}

/// A status code's name, as gRPC writes it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(propagation::TRACEPARENT, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_a_call_leads_to_hangs_where_the_call_does() {
        let (_, place) = incoming("/holdfast.v1.CheckpointService/PutBlob", &headers(&[SENT]));
        assert_eq!(place.map(|place| place.to_string()).as_deref(), Some(SENT));
        // Sent twice: the first counts.
        let other = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (_, place) = incoming("/holdfast.v1.WorkerService/Execute", &headers(&[SENT, other]));
        assert_eq!(place.map(|place| place.to_string()).as_deref(), Some(SENT));
    }

    #[test]
    fn without_a_context_only_what_serves_others_begins_a_trace() {
        let began = |path: &str, sent: &[&'static str]| incoming(path, &headers(sent)).0.span.is_some();
        for none in [&[][..], &["nonsense"], &["00-00000000000000000000000000000000-b7ad6b7169203331-01"]] {
            assert!(began("/holdfast.v1.WorkerService/Execute", none));
            assert!(began("/holdfast.v1.OrchestratorService/GetTask", none));
            assert!(!began("/holdfast.v1.OrchestratorService/SubmitTask", none));
            assert!(!began("/holdfast.v1.CheckpointService/Claim", none));
            assert!(!began("/grpc.health.v1.Health/Check", none));
        }
        assert!(began("/holdfast.v1.OrchestratorService/SubmitTask", &[SENT]));
    }

    fn request(path: &str) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = path.parse().unwrap();
        request
    }

    #[tokio::test]
    async fn a_call_carries_the_place_that_it_is_made_for() {
        let mut append = request("/holdfast.v1.CheckpointService/Append");
        let mut execute = request("/holdfast.v1.WorkerService/Execute");
        propagation::under(Some(SENT.parse().unwrap()), async {
            assert!(outgoing("127.0.0.1:7423", &mut append).span.is_some());
            let attempt = outgoing("127.0.0.1:7421", &mut execute);
            assert!(attempt.span.is_none(), "the attempt's span is the client's");
        })
        .await;
        for request in [append, execute] {
            let sent = request.headers().get(propagation::TRACEPARENT);
            assert_eq!(sent, Some(&HeaderValue::from_static(SENT)));
        }
        let mut upkeep = request("/x.Y/Z");
        assert!(outgoing("127.0.0.1:1", &mut upkeep).span.is_none());
        assert!(upkeep.headers().is_empty());
    }

    #[test]
    fn a_call_that_was_called_off_is_no_error() {
        for side in [Side::Client, Side::Server] {
            assert_eq!(side.judge(Code::Cancelled), Verdict::Fine);
            assert_eq!(side.judge(Code::Unavailable), Verdict::Failed);
        }
        assert_eq!(Side::Server.judge(Code::NotFound), Verdict::Fine);
        assert_eq!(Side::Client.judge(Code::NotFound), Verdict::Failed);
    }
}
