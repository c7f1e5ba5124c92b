//! What the driver's futures bring.

use holdfast_engine::Input;
use holdfast_engine::input::Prepared;
use holdfast_types::CallId;
use holdfast_types::inbox::InboxMessage;

use super::front::Begun;
use super::prepare::Evaluated;
use crate::places::Place;

/// What a future of the driver has brought.
#[derive(Debug)]
pub(super) enum Done {
    /// An answer for the engine.
    Answer(Input),
    /// An evaluation is over; an answer for the engine.
    Evaluated(Input),
    /// A call's arguments are known: a place comes next.
    Args(Evaluated),
    /// A call has its place.
    Placed(Prepared, Place),
    /// An attempt of a call is over; an answer for the engine.
    Attempt((CallId, u32), Input),
    /// It is known whether an attempt may be sent.
    Begun(Begun),
    /// The inbox was read.
    Inbox(holdfast_ports::Result<Vec<InboxMessage>>),
    /// Nothing that the engine needs to know.
    Nothing,
}
