//! Sessions of instances.

use holdfast_ports::{Renewed, Session};
use holdfast_proto::convert::fields::each;
use holdfast_proto::convert::time;
use holdfast_proto::v1::instance_session_response as wire;
use holdfast_proto::{Invalid, v1};

/// Writes a session.
#[must_use]
pub fn session(session: Session) -> wire::Session {
    wire::Session {
        lease: Some(time::duration(session.lease)),
        store_time: Some(time::timestamp(session.store_time)),
        instances: session.instances,
    }
}

/// Reads a session.
///
/// # Errors
/// [`Invalid`] where a field is missing or malformed.
pub fn read_session(wire: wire::Session) -> Result<Session, Invalid> {
    Ok(Session {
        lease: time::required_duration("lease", wire.lease)?,
        store_time: time::required_timestamp("store_time", wire.store_time)?,
        instances: wire.instances,
    })
}

/// Writes what became of the renewal with a number.
#[must_use]
pub fn renewed(renewal: u64, renewed: Renewed) -> wire::Message {
    let message = |of: Session, differs, claims: Vec<v1::ClaimedTask>| {
        wire::Message::Renewed(wire::Renewed { renewal, session: Some(session(of)), differs, claims })
    };
    match renewed {
        Renewed::Ok(session) => message(session, false, Vec::new()),
        Renewed::Differs { session, claims } => {
            message(session, true, claims.into_iter().map(Into::into).collect())
        }
        Renewed::Ended => wire::Message::Ended(wire::Ended {}),
    }
}

/// Reads what became of a renewal.
///
/// # Errors
/// [`Invalid`] where a field is missing or malformed.
pub fn read_renewed(wire: wire::Renewed) -> Result<Renewed, Invalid> {
    let session = wire.session.ok_or_else(|| Invalid::missing("session", "a session"))?;
    let session = read_session(session)?;
    match wire.differs {
        false => Ok(Renewed::Ok(session)),
        true => Ok(Renewed::Differs { session, claims: each("claims", wire.claims)? }),
    }
}
