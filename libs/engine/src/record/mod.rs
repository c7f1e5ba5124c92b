//! What each input means: the events that follow from it. Nothing here changes a fact; `on` does.

mod circuit;
mod entered;
mod finished;
mod key;
mod last_good;
mod message;
mod outcome;
mod prepared;
mod retry;
mod wait;
mod withheld;

pub(crate) use circuit::waited;
pub(crate) use last_good::none_good;

use crate::{Env, Event, Input, Task};

impl Task {
    /// Turns an input into events. Marks of this process (what is under way) change here at once.
    pub(crate) fn record(&mut self, input: Input, env: &mut Env<'_>) -> Vec<Event> {
        match input {
            Input::Entered { step, result } => self.record_entered(&step, result),
            Input::Prepared(prepared) => self.record_prepared(prepared, env),
            Input::NoHedge { call } => self.record_no_hedge(&call),
            Input::PrepareFailed { call, failure } => self.record_prepare_failed(call, failure, env),
            Input::AttemptEnded { call, attempt, outcome } => {
                self.record_attempt_ended(&call, attempt, outcome, env)
            }
            Input::AttemptLost { call, attempt, failure } => {
                self.record_attempt_lost(&call, attempt, failure, env)
            }
            Input::Fenced { call, attempt, answer } => self.record_fenced(&call, attempt, answer, env),
            Input::Probed { call, answer } => self.record_probed(&call, answer, env),
            Input::KeyHeld { call, row } => self.record_key_held(&call, *row, env),
            Input::KeyChanged { call, row } => self.record_key_changed(&call, row.map(|row| *row), env),
            Input::Withheld { call, attempt, row } => self.record_withheld(&call, attempt, *row, env),
            Input::StoodIn { call, result } => self.record_stood_in(call, result),
            Input::LastGood { call, result } => self.record_last_good(call, result, env),
            Input::Output(result) => self.record_output(result),
            Input::Message(message) => self.record_message(message),
            Input::ToolsChanged => {
                self.look_for_tools(env.now);
                Vec::new()
            }
            Input::Tick => Vec::new(),
        }
    }
}
