//! One call: the gate, its deadline, its span, its service.

use std::convert::Infallible;
use std::sync::Arc;

use futures::future::BoxFuture;
use holdfast_telemetry::propagation;
use holdfast_types::{Class, Effect, Reason};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};

use super::body::Bounded;
use super::config::Config;
use super::deadline;
use super::ending::ConnectionEnd;
use super::gate::Gate;
use super::route::Routes;
use crate::status::Problem;
use crate::trace::{self, Under};

/// What every connection shares.
pub(super) struct Dispatch {
    pub(super) routes: Routes,
    pub(super) gate: Option<Arc<dyn Gate>>,
    pub(super) config: Config,
}

/// The service that one connection runs.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) end: ConnectionEnd,
}

impl hyper::service::Service<Request<Incoming>> for Calls {
    type Response = Response<Bounded>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Bounded>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (under, place) = trace::incoming(request.uri().path(), request.headers());
        request.extensions_mut().insert(self.end.clone());
        let call = self.dispatch.clone().answer(request, under);
        match place {
            Some(place) => Box::pin(propagation::under(Some(place), call)),
            None => Box::pin(call),
        }
    }
}

impl Dispatch {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        mut under: Under,
    ) -> Result<Response<Bounded>, Infallible> {
        let (response, deadline) = match self.call(request).await {
            Ok(answered) => answered,
            Err(status) => (status.into_http::<Body>(), None),
        };
        under.end_by(response.headers());
        Ok(response.map(|body| Bounded::new(body, deadline, under)))
    }

    /// Answers, with the deadline that still binds the answer's body.
    async fn call(&self, request: Request<Incoming>) -> Result<(Response<Body>, Option<Instant>), Status> {
        let (mut parts, body) = request.into_parts();
        let asked = deadline::take(&mut parts.headers)?.map(|timeout| Instant::now() + timeout);
        if let Some(gate) = &self.gate {
            gate.admit(&mut parts)?;
        }
        let answer = self.routes.call(Request::from_parts(parts, body)).ok_or_else(unknown_service)?;
        let latest = asked.unwrap_or_else(|| Instant::now() + self.config.default_deadline);
        match timeout_at(latest, answer).await {
            Ok(Ok(response)) => Ok((response, asked)),
            Ok(Err(never)) => match never {},
            Err(_) => Err(too_late()),
        }
    }
}

fn unknown_service() -> Status {
    Problem::refused(Code::Unimplemented, Reason::Unimplemented.as_str(), "no such service here").into()
}

/// The status of a call that is not answered in time. It may have had its effect.
pub(super) fn too_late() -> Status {
    Problem::refused(
        Code::DeadlineExceeded,
        Reason::AttemptTimeout.as_str(),
        "the call's deadline has passed",
    )
    .class(Class::Transient)
    .effect(Effect::Unknown)
    .into()
}
