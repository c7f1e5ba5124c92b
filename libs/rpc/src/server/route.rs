//! Services by name.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::NamedService;

pub(super) type Answer = BoxFuture<'static, Result<Response<Body>, Infallible>>;

/// A service as tonic generates it.
pub trait GrpcService:
    tower::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = Answer>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> GrpcService for S where
    S: tower::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = Answer>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

trait Route: Send + Sync {
    fn call(&self, request: Request<Incoming>) -> Answer;
}

struct Held<S>(S);

impl<S: GrpcService> Route for Held<S> {
    fn call(&self, request: Request<Incoming>) -> Answer {
        // Generated services are always ready; a clone is a reference count.
        tower::Service::call(&mut self.0.clone(), request)
    }
}

/// The service that a path (`/package.Service/Method`) names.
pub(super) fn service(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split_once('/').map(|(name, _)| name)
}

/// The services of a server, by full name.
#[derive(Clone, Default)]
pub(super) struct Routes(HashMap<&'static str, Arc<dyn Route>>);

impl Routes {
    pub(super) fn add<S: GrpcService>(&mut self, service: S) {
        self.0.insert(S::NAME, Arc::new(Held(service)));
    }

    /// Calls the service that a path (`/package.Service/Method`) names; none where there is no such service.
    pub(super) fn call(&self, request: Request<Incoming>) -> Option<Answer> {
        let route = self.0.get(service(request.uri().path())?)?;
        Some(route.call(request))
    }
}
