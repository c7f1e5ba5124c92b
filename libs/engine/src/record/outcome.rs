//! Attempts that ended, were lost, or were fenced; probes (PROTOCOL 1, 12).

use std::time::Duration;

use holdfast_types::worker::{CallOutcome, FenceAnswer, ProbeAnswer};
use holdfast_types::{CallId, Class, Effect, Failure, SideEffect};

use crate::event::{
    AttemptAdopted, AttemptClosed, AttemptEnded, AttemptNotStarted, Closed, Ended, LateOutcome, Probe, Probed,
};
use crate::input::Fenced;
use crate::state::{Busy, Phase};
use crate::{Env, Event, Task};

/// How long to wait before a probe that could not be asked is asked again.
const PROBE_AGAIN: Duration = Duration::from_secs(1);

impl Task {
    pub(super) fn record_attempt_ended(
        &mut self,
        id: &CallId,
        number: u32,
        outcome: CallOutcome,
        env: &mut Env<'_>,
    ) -> Vec<Event> {
        self.doing.attempts.remove(&(id.clone(), number));
        let Some(call) = self.calls.get(id) else { return Vec::new() };
        let Some(attempt) = call.attempt(number) else { return Vec::new() };
        if call.is_ended() || !attempt.is_open() {
            let lost =
                (call.is_ended() && call.hedge.is_some()).then(|| (id.clone(), number, attempt.worker));
            let late = self.late(id, number, outcome);
            self.doing.ack.extend(lost);
            return late;
        }
        let ended = match outcome {
            Ok(success) => {
                Ended::Succeeded { result: success.result, replayed_downstream: success.replayed_downstream }
            }
            Err(mut failure) => {
                let next = self.next_of(call, number, &mut failure, env);
                Ended::Failed { failure, next }
            }
        };
        vec![Event::AttemptEnded(AttemptEnded { call: id.clone(), attempt: number, ended })]
    }

    /// The evidence isn't fenced: an outcome of an attempt that the journal names closes an unsettled call, and
    /// is noted where the call is over (PROTOCOL 12).
    fn late(&self, id: &CallId, number: u32, outcome: CallOutcome) -> Vec<Event> {
        let Some(call) = self.calls.get(id) else { return Vec::new() };
        match outcome {
            Ok(success) if !call.is_ended() => vec![Event::Probed(Probed {
                call: id.clone(),
                answer: Probe::Done { result: success.result },
            })],
            Ok(success) => vec![Event::LateOutcome(LateOutcome {
                call: id.clone(),
                attempt: number,
                ended: Ended::Succeeded {
                    result: success.result,
                    replayed_downstream: success.replayed_downstream,
                },
            })],
            // A late failure says nothing that the journal does not know.
            Err(_) => Vec::new(),
        }
    }

    pub(super) fn record_attempt_lost(
        &mut self,
        id: &CallId,
        number: u32,
        mut failure: Failure,
        env: &mut Env<'_>,
    ) -> Vec<Event> {
        self.doing.attempts.remove(&(id.clone(), number));
        let Some(call) = self.calls.get(id) else { return Vec::new() };
        if call.attempt(number).is_none_or(|attempt| !attempt.is_open()) {
            return Vec::new();
        }
        if failure.effect == Effect::NotExecuted {
            let next = self.next_of(call, number, &mut failure, env);
            let not_started = AttemptNotStarted { call: id.clone(), attempt: number, failure, next };
            return vec![Event::AttemptNotStarted(not_started)];
        }
        self.doing.lost.insert((id.clone(), number));
        self.doing.look.insert(id.clone());
        Vec::new()
    }

    pub(super) fn record_fenced(
        &mut self,
        id: &CallId,
        number: u32,
        answer: Fenced,
        env: &mut Env<'_>,
    ) -> Vec<Event> {
        self.doing.attempts.remove(&(id.clone(), number));
        let Some(call) = self.calls.get(id) else { return Vec::new() };
        if call.attempt(number).is_none_or(|attempt| !attempt.is_open()) {
            return Vec::new();
        }
        let closed =
            |how| vec![Event::AttemptClosed(AttemptClosed { call: id.clone(), attempt: number, how })];
        match answer {
            Fenced::Answer(FenceAnswer::Finished(outcome)) => {
                self.record_attempt_ended(id, number, outcome, env)
            }
            Fenced::Answer(FenceAnswer::Running) => {
                vec![Event::AttemptAdopted(AttemptAdopted {
                    call: id.clone(),
                    attempt: number,
                    epoch: self.epoch,
                })]
            }
            Fenced::Answer(FenceAnswer::NeverSeen) => closed(Closed::NeverSeen),
            Fenced::Answer(FenceAnswer::StoppedBeforeEffect) => closed(Closed::StoppedBeforeEffect),
            Fenced::Answer(FenceAnswer::Interrupted) => closed(Closed::Interrupted),
            Fenced::WorkerDead => closed(Closed::WorkerDead),
            Fenced::NotAfterPassed => closed(Closed::NotAfterPassed),
        }
    }

    pub(super) fn record_probed(
        &mut self,
        id: &CallId,
        answer: Result<ProbeAnswer, Failure>,
        env: &mut Env<'_>,
    ) -> Vec<Event> {
        if self.busy(id) != Some(Busy::Probing) {
            return Vec::new();
        }
        self.doing.calls.remove(id);
        self.doing.look.insert(id.clone());
        let Some(call) = self.calls.get(id) else { return Vec::new() };
        let answer = match answer {
            Ok(ProbeAnswer::Done { result }) => Probe::Done { result },
            Ok(ProbeAnswer::Unknown) => Probe::Unknown,
            Ok(ProbeAnswer::NotDone) => {
                // "Not done" counts only when nothing can be under way any more (PROTOCOL 1).
                let settles = self.manifests.get(&call.tool).map(|manifest| manifest.settles_within());
                let settled_at = call.quiet_at().unwrap_or(env.now).after(settles.unwrap_or_default());
                if env.now >= settled_at {
                    Probe::NotDone
                } else {
                    Probe::NotYet { ask_again_at: settled_at }
                }
            }
            Err(failure) if failure.class == Class::Permanent => Probe::Unknown,
            Err(_) if env.now >= self.settling_ends(call) => Probe::Unknown,
            Err(_) => {
                // A question that could not be asked is no event: it is asked again.
                let ask_at = env.now.after(PROBE_AGAIN);
                if let Some(call) = self.calls.get_mut(id) {
                    call.phase = Phase::Settling { ask_at };
                }
                return Vec::new();
            }
        };
        vec![Event::Probed(Probed { call: id.clone(), answer })]
    }

    /// Until when it is tried to find out what happened before a person is asked.
    fn settling_ends(&self, call: &crate::state::Call) -> holdfast_types::Timestamp {
        self.compensation_deadline().unwrap_or_else(|| self.step_deadline(call.step))
    }

    /// Says whether an orphaned attempt need not be waited for (PROTOCOL 1): READ_ONLY, and tools that honour a key.
    pub(crate) fn is_superseded_freely(
        &self,
        call: &crate::state::Call,
        now: holdfast_types::Timestamp,
    ) -> bool {
        let honours_key =
            self.manifests.get(&call.tool).is_some_and(|manifest| manifest.key.valid_for.is_some());
        match call.side_effect() {
            Some(SideEffect::ReadOnly) => true,
            Some(SideEffect::Idempotent) => honours_key && self.is_repeatable(call, now),
            Some(SideEffect::Verifiable | SideEffect::Unsafe) | None => false,
        }
    }
}
