//! Events as rows: kind, version and JSON body. Readers know all older versions; a newer one is refused.

use holdfast_types::Timestamp;
use holdfast_types::journal::{EventRow, NewEvent};
use holdfast_types::payload::Payload;

use crate::event::{Ended, Event, Next, Probe, Replayed};

/// A row that this binary can't read: it releases the task untouched and does not claim it again.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The kind is of a newer binary.
    #[error("event {seq} has the unknown kind '{kind}' (version {v}): written by a newer Holdfast")]
    UnknownKind {
        /// The event.
        seq: u64,
        /// Its kind.
        kind: String,
        /// Its version.
        v: u16,
    },
    /// The body does not read.
    #[error("event {seq} of kind '{kind}' does not read")]
    Body {
        /// The event.
        seq: u64,
        /// Its kind.
        kind: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// An event does not write.
    #[error("an event of kind '{kind}' does not write")]
    Write {
        /// Its kind.
        kind: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

macro_rules! kinds {
    ($($variant:ident = $kind:literal v $version:literal $boxed:ident,)+) => {
        impl Event {
            /// Every kind, with the version that this binary writes.
            pub const KINDS: &'static [(&'static str, u16)] = &[$(($kind, $version),)+];

            /// Returns the kind's text.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Event::$variant(_) => $kind,)+ }
            }

            /// Returns the newest version of the kind that this binary writes.
            const fn newest_version(&self) -> u16 {
                match self { $(Event::$variant(_) => $version,)+ }
            }

            fn read(kind: &str, v: u16, body: &str) -> Option<Result<Self, serde_json::Error>> {
                match kind {
                    $($kind if v <= $version => Some(serde_json::from_str(body).map(|body| Event::$variant(kinds!(@wrap $boxed body)))),)+
                    _ => None,
                }
            }
        }
    };
    (@wrap boxed $body:ident) => { Box::new($body) };
    (@wrap plain $body:ident) => { $body };
}

kinds! {
    Submitted = "submitted" v 1 boxed,
    LifeStarted = "life_started" v 1 plain,
    Restored = "restored" v 1 plain,
    StepEntered = "step_entered" v 1 plain,
    StepFailed = "step_failed" v 1 plain,
    StepInherited = "step_inherited" v 1 plain,
    AttemptStarted = "attempt_started" v 2 boxed,
    AttemptNotStarted = "attempt_not_started" v 2 plain,
    AttemptAdopted = "attempt_adopted" v 1 plain,
    AttemptClosed = "attempt_closed" v 1 plain,
    AttemptEnded = "attempt_ended" v 2 plain,
    LateOutcome = "late_outcome" v 1 plain,
    CallReplayed = "call_replayed" v 1 plain,
    CallFailed = "call_failed" v 1 plain,
    CallWaits = "call_waits" v 1 plain,
    Probed = "probed" v 1 plain,
    StoodIn = "stood_in" v 1 plain,
    QuestionAsked = "question_asked" v 1 plain,
    MessageHandled = "message_handled" v 1 boxed,
    VerdictReached = "verdict_reached" v 1 plain,
    SettlingBegan = "settling_began" v 1 plain,
    UndoSkipped = "undo_skipped" v 1 plain,
    ModelAnswered = "model_answered" v 1 plain,
    NoteAdded = "note_added" v 1 plain,
    LoopDetected = "loop_detected" v 1 plain,
    Quarantined = "quarantined" v 1 plain,
    Finished = "finished" v 1 boxed,
}

impl Event {
    /// Returns the version of the row that this binary writes: the oldest whose readers know all that is in it.
    #[must_use]
    pub fn version(&self) -> u16 {
        match self {
            // Version 2 may be one that a lost window holds.
            Self::AttemptStarted(e) if e.lost.is_none() => 1,
            // Version 2 may await another attempt.
            Self::AttemptNotStarted(e) if e.next != Next::Await => 1,
            Self::AttemptEnded(e) if !matches!(&e.ended, Ended::Failed { next: Next::Await, .. }) => 1,
            _ => self.newest_version(),
        }
    }
}

/// Writes an event as a row's content, with the blobs that it refers to.
///
/// # Errors
/// [`CodecError::Write`], which no value of the domain causes.
pub fn encode(event: &Event, at: Timestamp) -> Result<NewEvent, CodecError> {
    let body =
        serde_json::to_string(event).map_err(|source| CodecError::Write { kind: event.kind(), source })?;
    Ok(NewEvent { at, kind: event.kind().to_owned(), v: event.version(), body, blobs: blobs(event) })
}

/// Reads an event.
///
/// # Errors
/// [`CodecError::UnknownKind`] for a kind or version of a newer binary, [`CodecError::Body`] for a broken one.
pub fn decode(row: &EventRow) -> Result<Event, CodecError> {
    match Event::read(&row.kind, row.v, &row.body) {
        Some(Ok(event)) => Ok(event),
        Some(Err(source)) => Err(CodecError::Body { seq: row.seq, kind: row.kind.clone(), source }),
        None => Err(CodecError::UnknownKind { seq: row.seq, kind: row.kind.clone(), v: row.v }),
    }
}

fn blobs(event: &Event) -> Vec<String> {
    payloads(event).into_iter().filter_map(Payload::as_blob).map(|blob| blob.sha256.clone()).collect()
}

fn payloads(event: &Event) -> Vec<&Payload> {
    match event {
        Event::AttemptStarted(e) => e.args.iter().collect(),
        Event::AttemptEnded(e) => ended_payload(&e.ended),
        Event::LateOutcome(e) => ended_payload(&e.ended),
        Event::CallReplayed(e) => match &e.outcome {
            Replayed::Result(result) => vec![result],
            Replayed::Failure(_) => Vec::new(),
        },
        Event::Probed(e) => match &e.answer {
            Probe::Done { result } => vec![result],
            Probe::NotDone | Probe::NotYet { .. } | Probe::Unknown => Vec::new(),
        },
        Event::StoodIn(e) => vec![&e.result],
        Event::ModelAnswered(e) => vec![&e.answer],
        Event::Finished(e) => vec![&e.output],
        _ => Vec::new(),
    }
}

fn ended_payload(ended: &Ended) -> Vec<&Payload> {
    match ended {
        Ended::Succeeded { result, .. } => vec![result],
        Ended::Failed { .. } => Vec::new(),
    }
}
