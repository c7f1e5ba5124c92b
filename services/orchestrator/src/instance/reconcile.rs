//! Who drives what: the instance's view and the store's are compared at every renewal (PROTOCOL 9).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_ports::Renewal;
use holdfast_types::journal::Claimed;
use holdfast_types::{InstanceId, OwnerId, TaskId};

use super::{Driven, Instance};
use crate::driver::Claim;
use crate::lease::Lease;

/// What an instance drives at one moment.
#[derive(Debug)]
pub(super) struct Owned {
    instance: InstanceId,
    claims: Vec<(TaskId, OwnerId)>,
}

impl Owned {
    pub(super) fn renewal(&self) -> Renewal {
        let digest = self.claims.iter().map(|(_, owner)| first_half(*owner)).fold(0, |a, b| a ^ b);
        Renewal { instance: self.instance, driving: self.claims.len() as u64, digest }
    }
}

fn first_half(owner: OwnerId) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&owner.bytes()[..8]);
    u64::from_be_bytes(half)
}

impl Instance {
    pub(super) fn owned(&self, lease: &Arc<Lease>) -> Owned {
        let state = self.state();
        let own = state.driven.values().filter(|driven| Arc::ptr_eq(&driven.lease, lease));
        Owned {
            instance: lease.instance(),
            claims: own.map(|driven| (driven.claim.task, driven.claim.owner)).collect(),
        }
    }

    /// Releases claims that nobody here knows of, and stops drivers whose claim is gone. `before` is what was driven
    /// when the renewal was sent: what has begun since is none of the store's list.
    pub(super) fn reconcile(&self, before: &Owned, stored: Vec<Claimed>) {
        for (task, owner) in &before.claims {
            if stored.iter().any(|claimed| claimed.owner == *owner) {
                continue;
            }
            let state = self.state();
            // One that gives its task back has no claim from the commit on, and hears of that only after it.
            let lost = |driven: &&Driven| {
                driven.claim.owner == *owner && !driven.control.gives_back.load(Ordering::Acquire)
            };
            if let Some(driven) = state.driven.get(task).filter(lost) {
                tracing::warn!(task_id = %task, "claim is gone; stopping its driver");
                driven.control.stale.cancel();
            }
        }
        for claimed in stored {
            let Claimed { task, epoch, owner, last_seq, .. } = claimed;
            let known = {
                let state = self.state();
                let driven = state.driven.get(&task).is_some_and(|driven| driven.claim.owner == owner);
                driven || state.claiming.contains(&owner) || before.claims.contains(&(task, owner))
            };
            if !known {
                tracing::warn!(task_id = %task, "claim has no driver; giving it back");
                self.release_soon(Claim { task, epoch, owner, last_seq });
            }
        }
    }
}
