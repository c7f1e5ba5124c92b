//! The presence of an instance on its stream, and what the stream's end says about it (PROTOCOL 18).

use holdfast_ports::Session;
use holdfast_rpc::server::{ConnectionEnd, Ender};
use holdfast_types::{InstanceId, Timestamp};

use crate::Checkpoint;

/// An instance whose session is open on a stream. Dropped with the stream; where that was the instance's own end its
/// session ends after the grace, unless it is heard of again at any replica.
pub(crate) struct Presence {
    service: Checkpoint,
    pub(crate) instance: InstanceId,
    connection: Option<ConnectionEnd>,
    /// When it was heard of last, by the store's clock.
    heard: Timestamp,
    whose: Whose,
}

/// Whose end of the stream it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The instance's, as far as the connection does not say otherwise.
    Instances,
    /// Nobody's that matters: closed in order, over already, or broken off by this side.
    Settled,
}

impl Presence {
    pub(crate) fn new(
        service: Checkpoint,
        instance: InstanceId,
        connection: Option<ConnectionEnd>,
        session: Session,
    ) -> Self {
        Self { service, instance, connection, heard: session.store_time, whose: Whose::Instances }
    }

    /// It has given a sign of life.
    pub(crate) fn heard(&mut self, session: Session) {
        self.heard = session.store_time;
    }

    /// The stream's end says nothing about the instance.
    pub(crate) fn settle(&mut self) {
        self.whose = Whose::Settled;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.whose == Whose::Settled || self.service.ended.is_cancelled() {
            return;
        }
        // Outside of a runtime the process is at its end.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(end_after_grace(self.service.clone(), self.instance, connection, self.heard));
    }
}

async fn end_after_grace(
    service: Checkpoint,
    instance: InstanceId,
    connection: ConnectionEnd,
    heard: Timestamp,
) {
    tokio::select! {
        () = tokio::time::sleep(service.config.session_grace) => {}
        // Its streams end with this service: no instance can be blamed.
        () = service.ended.cancelled() => return,
    }
    // On a connection that lives the instance itself has ended its stream.
    if connection.ender() == Some(Ender::Other) {
        return;
    }
    match service.deps.leases.end_if_silent_since(instance, heard).await {
        Ok(true) => tracing::warn!(%instance, "session ended: the instance's own side has ended its stream"),
        Ok(false) => {}
        Err(error) => tracing::warn!(%instance, %error, "session is left to its lease"),
    }
}
