//! The last good result of a step's tool and arguments: looked for when its fallback's turn has come.

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Input;
use holdfast_engine::action::{FindLastGood, SameArgs};
use holdfast_resilience::keys;
use holdfast_types::last_good::{LastGood, LastGoodKey};
use holdfast_types::{Class, Effect, Failure, Reason, Source, Variant};

use super::evaluate::Part;
use super::prepare::with_item;
use super::{Done, Driver};
use crate::shared::Shared;

/// The pauses between the tries of a read that the store does not answer: a fallback is not waited for for long.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

impl Driver {
    /// Evaluates the arguments where no attempt did, and reads what is recorded for them.
    pub(super) fn last_good(&mut self, find: FindLastGood) {
        let FindLastGood { call, tool, args } = find;
        let steps = self.steps_for(&call.step);
        let (evaluation, payloads) = (Arc::clone(&self.evaluation), self.payloads.clone());
        let (shared, namespace) = (Arc::clone(&self.shared), self.task.spec().namespace.clone());
        self.evaluate(async move {
            let found = async {
                let fingerprint = match args {
                    SameArgs::Fingerprint(fingerprint) => fingerprint,
                    SameArgs::Template { args, item } => {
                        let scope = with_item(evaluation.scope(), &call, item);
                        let part = Part::Args(call.step.clone(), Variant::Primary);
                        let args = evaluation.template(part, args, scope, &steps).await?;
                        keys::fingerprint(&args).map_err(|error| no_fingerprint(&error.to_string()))?
                    }
                };
                let key = LastGoodKey { namespace, tool, fingerprint };
                let Some(found) = read(&shared, &key).await? else { return Ok(None) };
                // It is stored anew, so that this task has it whatever becomes of the row.
                let result = payloads.store(payloads.value(&found.result).await?).await?;
                Ok(Some(LastGood { result, ..found }))
            };
            let result = found.await;
            Done::Evaluated(Input::LastGood { call, result })
        });
    }
}

async fn read(shared: &Shared, key: &LastGoodKey) -> Result<Option<LastGood>, Failure> {
    let mut pauses = PAUSES.into_iter();
    loop {
        match (shared.deps.journal.last_good(key).await, pauses.next()) {
            (Ok(found), _) => return Ok(found),
            (Err(error), Some(pause)) if error.is_transient() => {
                tracing::warn!(tool = %key.tool, %error, "last good result is not read; trying again");
                tokio::time::sleep(pause).await;
            }
            (Err(error), _) => {
                let message = format!("the last good result could not be read: {error}");
                let (class, reason) = (Class::Unavailable, Reason::StoreUnavailable);
                return Err(
                    Failure::new(class, Effect::NotExecuted, reason, message).from_source(Source::Store)
                );
            }
        }
    }
}

fn no_fingerprint(why: &str) -> Failure {
    let message = format!("the arguments have no canonical form: {why}");
    Failure::new(Class::Semantic, Effect::NotExecuted, Reason::BadArguments, message)
        .from_source(Source::Platform)
}
