//! What the journal's store says of a key: it decides, where it is asked.

use crate::protocol::{Index, Protocol};
use crate::state::{Append, Holder, Row, RowState, State};

/// An intent asks for its key, in the transaction of its append.
pub fn claim(protocol: &Protocol, state: &mut State, by: Holder) -> Append {
    if protocol.index == Index::Absent {
        return Append::Ok;
    }
    match state.index {
        None => {
            state.index = Some(Row { holder: by, state: RowState::Open });
            Append::Ok
        }
        Some(row) if row.state == RowState::Done => Append::Answered,
        Some(row) if row.holder == by || protocol.index == Index::Records => Append::Ok,
        Some(_) => Append::Claimed,
    }
}

/// An outcome: the call happened.
pub fn settle(state: &mut State, by: Holder) {
    if let Some(row) = state.index.as_mut().filter(|row| row.holder == by) {
        row.state = RowState::Done;
    }
}

/// Every attempt is proven not executed: another may claim the key.
pub fn give_back(state: &mut State, by: Holder) {
    if state.index.is_some_and(|row| row.holder == by && row.state == RowState::Open) {
        state.index = None;
    }
}
