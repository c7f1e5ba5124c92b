//! A call is ready to be sent: its intent, with key, class and undo (DESIGN section 5, PROTOCOL 1, 3).

use holdfast_resilience::keys;
use holdfast_types::key::KeyScope;
use holdfast_types::plan::Undo;
use holdfast_types::{
    CallId, Class, Direction, Effect, Failure, Key, Payload, Reason, SideEffect, ToolName, Variant,
};

use crate::event::{AttemptStarted, CallFailed, UndoIntent};
use crate::input::{Prepared, PreparedArgs};
use crate::state::{Busy, Call, Phase};
use crate::{Env, Event, Grant, Task};

/// What the first attempt of a call settles for all of them.
struct Identity {
    side_effect: SideEffect,
    key: Key,
    generation: u32,
    fingerprint: String,
    args: Option<Payload>,
    undo: Option<UndoIntent>,
}

impl Task {
    pub(super) fn record_prepared(&mut self, prepared: Prepared, env: &mut Env<'_>) -> Vec<Event> {
        let id = prepared.call.clone();
        let Some(busy @ (Busy::Preparing | Busy::Hedging)) = self.busy(&id) else { return Vec::new() };
        self.doing.calls.remove(&id);
        self.doing.look.insert(id.clone());
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        let fits = match busy {
            Busy::Hedging => self.may_hedge(call).is_some(),
            _ => matches!(call.phase, Phase::Ready { .. }),
        };
        if !fits || !self.wants(call) {
            return Vec::new();
        }
        // Paid for only where there is a place; a spent budget is no failure: there is no hedge.
        if busy == Busy::Hedging && env.dependencies.retry(self.dependency(call)) == Grant::Refused {
            return Vec::new();
        }
        let (tool, attempt) = (call.tool.clone(), call.next_attempt());
        let lost = self.restored.filter(|_| call.pinned.is_none());
        let identity = match (&call.pinned, prepared.args) {
            (Some(pinned), _) => Ok(Identity {
                side_effect: pinned.side_effect,
                key: pinned.key.clone(),
                generation: self.generation_of(call, pinned.generation),
                fingerprint: pinned.fingerprint.clone(),
                args: None,
                undo: pinned.undo.clone(),
            }),
            (None, Some(args)) => self.identify(&id, &tool, args),
            (None, None) => Err(internal("a first attempt came without arguments")),
        };
        match identity {
            Err(failure) => vec![Event::CallFailed(CallFailed { call: id, failure })],
            Ok(identity) => vec![Event::AttemptStarted(Box::new(AttemptStarted {
                call: id,
                attempt,
                epoch: self.epoch,
                tool,
                side_effect: identity.side_effect,
                args: identity.args,
                key: identity.key,
                key_generation: identity.generation,
                fingerprint: identity.fingerprint,
                worker: prepared.worker,
                lifetime: prepared.lifetime,
                not_after: prepared.not_after,
                timeout: prepared.timeout,
                undo: identity.undo,
                lost: lost.filter(|_| identity.side_effect != SideEffect::ReadOnly),
            }))],
        }
    }

    /// The generation that the next attempt claims. The claim of a call of which nothing was executed was given back,
    /// and what another has done under the key since may have been undone.
    fn generation_of(&self, call: &Call, pinned: u32) -> u32 {
        match self.doing.generations.get(&call.id) {
            Some(generation) if call.effect == Effect::NotExecuted => pinned.max(*generation),
            _ => pinned,
        }
    }

    pub(super) fn record_no_hedge(&mut self, call: &CallId) -> Vec<Event> {
        if self.busy(call) == Some(Busy::Hedging) {
            self.doing.calls.remove(call);
            self.doing.look.insert(call.clone());
        }
        Vec::new()
    }

    pub(super) fn record_prepare_failed(
        &mut self,
        call: CallId,
        failure: Failure,
        env: &mut Env<'_>,
    ) -> Vec<Event> {
        if self.busy(&call) != Some(Busy::Preparing) {
            return Vec::new();
        }
        self.doing.calls.remove(&call);
        self.doing.look.insert(call.clone());
        match failure.reason {
            Reason::ToolGone if self.may_wait(&call, env.now) => {
                return self.wait_for_tool(call, failure, env.now);
            }
            Reason::CircuitOpen => return self.record_circuit_open(call, failure, env),
            _ => {}
        }
        if failure.class == Class::RateLimited {
            return self.hold_back(call, failure, env.now);
        }
        let failure = match self.calls.get(&call).and_then(|known| known.failure.clone()) {
            // No time is left for another attempt: what went wrong is what is told.
            Some(before) if failure.class == Class::Deadline => {
                before.detail("not_tried_again", failure.message)
            }
            _ => failure,
        };
        vec![Event::CallFailed(CallFailed { call, failure })]
    }

    fn identify(&self, id: &CallId, tool: &ToolName, args: PreparedArgs) -> Result<Identity, Failure> {
        let Some(manifest) = self.manifests.get(tool) else {
            return Err(Failure::new(
                Class::Permanent,
                Effect::NotExecuted,
                Reason::ToolGone,
                format!("the task was submitted without a manifest of {tool}"),
            ));
        };
        let spec = self.step_index(&id.step).and_then(|position| self.plan().steps[position].call());
        let own = spec.filter(|_| id.variant == Variant::Primary && id.direction == Direction::Forward);
        let side_effect =
            own.and_then(|spec| spec.side_effect).unwrap_or_else(|| manifest.class_of(&args.args));
        let namespace = &self.spec.namespace;
        let key = match &args.key {
            Some(value) => keys::business_key(namespace, tool, value),
            // In a plan every step is an intent of its own: the tool's key counts only where it spans tasks.
            None if manifest.key.scope == KeyScope::Namespace => {
                keys::derive(&manifest.key, namespace, tool, self.id, id, &args.args)
            }
            None => keys::call_key(namespace, tool, self.id, id),
        };
        let key = key.map_err(|error| bad_key(&error.to_string()))?;
        let generation = self.doing.generations.get(id).copied().unwrap_or(1);
        keys::of_generation(&key, generation).map_err(|error| bad_key(&error.to_string()))?;
        let fingerprint = keys::fingerprint(&args.args).map_err(|error| bad_key(&error.to_string()))?;
        let undo = match (id.direction, own.map(|spec| &spec.undo)) {
            (Direction::Undo, _) | (_, Some(Undo::None | Undo::Irreversible)) => None,
            (Direction::Forward, Some(Undo::Tool { tool, args })) => {
                Some(UndoIntent { tool: tool.clone(), args: args.value().clone() })
            }
            (Direction::Forward, Some(Undo::Manifest) | None) => manifest
                .undo
                .as_ref()
                .map(|undo| UndoIntent { tool: undo.tool.clone(), args: undo.args.clone() }),
        };
        let undo = undo.filter(|_| side_effect != SideEffect::ReadOnly);
        Ok(Identity { side_effect, key, generation, fingerprint, args: Some(args.payload), undo })
    }
}

fn bad_key(why: &str) -> Failure {
    Failure::new(
        Class::Semantic,
        Effect::NotExecuted,
        Reason::BadArguments,
        format!("no key can be made: {why}"),
    )
}

fn internal(why: &str) -> Failure {
    Failure::new(Class::Permanent, Effect::NotExecuted, Reason::Internal, why)
}
