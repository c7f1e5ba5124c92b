//! The gate that asks for tokens.

use std::collections::HashMap;

use holdfast_types::Reason;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tonic::{Code, Status};

use super::gate::Gate;
use super::standard;
use crate::status::Problem;
use crate::token::{self, Token};

/// What opens a verb.
#[derive(Debug, Clone)]
pub enum Lock {
    /// Nothing is asked for.
    Open,
    /// Any of some tokens.
    Tokens {
        /// The tokens.
        any_of: Vec<Token>,
        /// A sentence that tells callers without one where to find it.
        hint: &'static str,
    },
}

/// A gate of locks: one for a whole port, and others for some verbs of it. Health and reflection need no token.
///
/// No token goes further than this: neither a service nor what it forwards to sees it.
#[derive(Debug)]
pub struct Locks {
    port: Lock,
    /// By path: `/package.Service/Method`. Paths that are written otherwise lead to no verb.
    verbs: HashMap<&'static str, Lock>,
}

impl Locks {
    /// One lock for every verb.
    #[must_use]
    pub fn new(port: Lock) -> Self {
        Self { port, verbs: HashMap::new() }
    }

    /// Puts another lock on a verb, which `/package.Service/Method` names.
    #[must_use]
    pub fn with(mut self, verb: &'static str, lock: Lock) -> Self {
        self.verbs.insert(verb, lock);
        self
    }
}

impl Gate for Locks {
    fn admit(&self, call: &mut Parts) -> Result<(), Status> {
        let shown = call.headers.remove(AUTHORIZATION);
        let path = call.uri.path();
        if standard::answers(path) {
            return Ok(());
        }
        self.verbs.get(path).unwrap_or(&self.port).admit(shown.as_ref())
    }
}

impl Lock {
    fn admit(&self, header: Option<&HeaderValue>) -> Result<(), Status> {
        let (any_of, hint) = match self {
            Self::Open => return Ok(()),
            Self::Tokens { any_of, hint } => (any_of, hint),
        };
        let (reason, what) = match header.and_then(token::shown) {
            Some(shown) if any_of.iter().any(|token| token.is(shown)) => return Ok(()),
            Some(_) => (Reason::WrongToken, "this token does not open this"),
            None => (Reason::MissingToken, "this asks for a token"),
        };
        let message = format!("{what}: {hint}");
        Err(Problem::refused(Code::Unauthenticated, reason.as_str(), message).into())
    }
}
