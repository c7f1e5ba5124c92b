//! The table of calls: which this worker was shown, under which epoch, and what became of them (PROTOCOL 1, 12).

mod attempt;
mod outcome;
mod refusal;
mod stop;
mod stream;
mod table;

pub(crate) use attempt::Attempt;
pub(crate) use outcome::{Ended, judge};
pub(crate) use refusal::Refusal;
pub(crate) use stop::{Cause, When};
pub(crate) use stream::attach;
pub(crate) use table::{Admission, Fenced, Retention, Running, Table, answer_of};
