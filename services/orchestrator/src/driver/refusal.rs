//! What follows where an append is refused (PROTOCOL 9, 13, 20).

use holdfast_engine::Input;
use holdfast_types::journal::Refusal;
use holdfast_types::key::KeyOp;

use super::writer::{Answer, InFlight, Retracted};
use super::{Driver, Ended, Error};

impl Driver {
    pub(super) async fn refused(
        &mut self,
        refusal: Refusal,
        answer: Answer,
        in_flight: InFlight,
    ) -> Result<Option<Ended>, Error> {
        let task_id = self.claim.task;
        match refusal {
            Refusal::StaleEpoch { epoch } => {
                tracing::warn!(%task_id, own = self.claim.epoch, current = epoch, "task has another driver; stopping");
                self.shared.deps.metrics.stale_write_refused();
                self.abort_calls().await;
                Ok(Some(Ended::Lost))
            }
            Refusal::SeqMismatch { last_seq } => {
                tracing::warn!(%task_id, last_seq, "journal is further than known; reading it again");
                self.shared.deps.metrics.stale_write_refused();
                Ok(Some(Ended::Reload))
            }
            Refusal::NoSuchTask => {
                tracing::warn!(%task_id, "task is gone");
                Ok(Some(Ended::Lost))
            }
            Refusal::KeyHeld(row) => {
                let id = self.shared.deps.ids.append();
                // An undo's intent brings a tombstone too, which a row that others rely on refuses (PROTOCOL 7).
                let claims_it = |change: &holdfast_types::key::KeyChange| {
                    change.key == row.key && matches!(change.op, KeyOp::Claim { .. } | KeyOp::Tombstone)
                };
                match self.writer.without_claim(id, answer, in_flight, claims_it) {
                    Retracted::Intent(call) => {
                        tracing::info!(%task_id, %call, state = row.state.name(), "key is held; not sent");
                        self.claim_refused(&call);
                        self.task.retract(&call);
                        self.feed(Input::KeyHeld { call, row }, None)?;
                        Ok(None)
                    }
                    Retracted::Entangled => Ok(Some(Ended::Reload)),
                }
            }
            Refusal::BlobMissing { sha256 } => {
                if !self.payloads.put_again(&sha256).await {
                    return Err(Error::BlobMissing { sha256 });
                }
                self.writer.again(answer, in_flight);
                Ok(None)
            }
        }
    }
}
