//! The question of `grpc.health.v1`, which every server of the platform answers.

use std::time::Duration;

use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Channel;
use crate::clients::unary;

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It takes calls.
    Serving,
    /// It takes none, or no more: it is about to end.
    NotServing,
}

/// Asks a server whether it takes calls, and waits at most so long for its word.
///
/// # Errors
/// The server's status; where it can't be reached, one made of [`super::Error`].
pub async fn health(channel: &Channel, within: Duration) -> Result<Health, Status> {
    let mut client = HealthClient::new(channel.clone());
    let answer = unary::within(within, client.check(unary::request(HealthCheckRequest::default(), within)));
    Ok(match answer.await?.status() {
        ServingStatus::Serving => Health::Serving,
        ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
            Health::NotServing
        }
    })
}
