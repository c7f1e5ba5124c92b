//! A service that another process serves: requests go on to it as they are, and its answers come back.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use holdfast_types::{Class, Effect, Reason};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};

use super::route::Answer;
use crate::clients::Replicas;
use crate::status::Problem;

/// Forwards every verb of the service that `S` names, such as `HealthServiceServer<()>`, so that whoever knows one
/// address of a platform can ask this of it too: at whichever of its replicas can be reached.
pub struct Forward<S> {
    replicas: Replicas,
    // A name only: nothing of it is held.
    service: PhantomData<fn() -> S>,
}

impl<S> Forward<S> {
    /// Forwards to the service at these addresses.
    #[must_use]
    pub const fn new(replicas: Replicas) -> Self {
        Self { replicas, service: PhantomData }
    }
}

impl<S> Clone for Forward<S> {
    fn clone(&self) -> Self {
        Self::new(self.replicas.clone())
    }
}

impl<S: NamedService> NamedService for Forward<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> tower::Service<Request<Incoming>> for Forward<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Answer {
        let replicas = self.replicas.clone();
        let mut request = request.map(Body::new);
        // The caller's token is meant for this server alone; the channel attaches its own.
        request.headers_mut().remove(AUTHORIZATION);
        Box::pin(async move {
            let Some(mut channel) = replicas.reached().await else {
                return Ok(away(&replicas.names(), Effect::NotExecuted).into_http());
            };
            Ok(match tower::Service::call(&mut channel, request).await {
                Ok(response) => response.map(Body::new),
                Err(error) => {
                    tracing::debug!(%error, "a request is not forwarded");
                    away(channel.address(), Effect::Unknown).into_http()
                }
            })
        })
    }
}

fn away(address: &str, effect: Effect) -> Status {
    let message = format!("the service at {address} does not answer");
    Problem::refused(Code::Unavailable, Reason::ConnectFailed.as_str(), message)
        .class(Class::Transient)
        .effect(effect)
        .into()
}
