//! What Redis answers: the hint, fast and forgetful.

use crate::protocol::{LeaseEnd, Protocol, Release, Tokens};
use crate::state::{Before, Entry, EntryState, Holder, State, Token};

/// Tokens that restart do so after this one too: it keeps the space finite, and makes equal tokens likelier.
const LAST_TOKEN: Token = 3;

/// The answer to a Begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Acquired(Token, Before),
    Completed,
    /// Another holds it, or left it in doubt.
    InProgress,
    InDoubt,
}

/// Asks for the right to run.
pub fn begin(protocol: &Protocol, state: &mut State, asker: Holder, epoch: u8) -> Answer {
    let Some(entry) = state.redis else {
        return take(protocol, state, asker, epoch, Before::Nobody);
    };
    let again = entry.holder == asker;
    match entry.state {
        EntryState::Completed => Answer::Completed,
        EntryState::Held | EntryState::Left if again && epoch < entry.epoch => Answer::InProgress,
        EntryState::Held if again && epoch == entry.epoch => Answer::Acquired(entry.token, Before::Nobody),
        EntryState::Held | EntryState::Left if again => take(protocol, state, asker, epoch, Before::Nobody),
        EntryState::Held => Answer::InProgress,
        EntryState::Left if protocol.lease_end == LeaseEnd::InDoubt => Answer::InDoubt,
        EntryState::Left => take(protocol, state, asker, epoch, Before::Others),
    }
}

/// Gives the key to a caller, over whatever stands there.
pub fn take(protocol: &Protocol, state: &mut State, by: Holder, epoch: u8, before: Before) -> Answer {
    let token = match protocol.tokens {
        Tokens::Grow => state.unused_token(),
        Tokens::Restart => state.redis.map_or(1, |entry| entry.token % LAST_TOKEN + 1),
    };
    let (first, attempts) = state.redis.map_or((by, 1), |entry| (entry.first, entry.attempts + 1));
    state.redis = Some(Entry { holder: by, first, epoch, token, attempts, state: EntryState::Held });
    Answer::Acquired(token, before)
}

/// Records that the call happened.
pub fn complete(state: &mut State, token: Token) {
    if let Some(entry) = state.redis.as_mut().filter(|entry| entry.token == token) {
        entry.state = EntryState::Completed;
    }
}

/// Takes one attempt back.
pub fn release(protocol: &Protocol, state: &mut State, token: Token) {
    let Some(entry) = state.redis.as_mut() else { return };
    if entry.token != token || entry.state == EntryState::Completed {
        return;
    }
    if protocol.release == Release::Forgets || entry.attempts == 1 {
        state.redis = None;
    } else {
        entry.attempts -= 1;
        entry.holder = entry.first;
        entry.state = EntryState::Left;
    }
}
