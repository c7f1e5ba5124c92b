//! What every server answers besides its own services: reflection (v1 and v1alpha) and `grpc.health.v1`.

use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;

use super::error::Error;
use super::readiness::Readiness;
use super::route::{Routes, service};

/// The services by name.
const NAMES: [&str; 3] = [
    tonic_health::pb::health_server::SERVICE_NAME,
    tonic_reflection::pb::v1::server_reflection_server::SERVICE_NAME,
    tonic_reflection::pb::v1alpha::server_reflection_server::SERVICE_NAME,
];

/// Says whether a path leads to a standard service.
pub(super) fn answers(path: &str) -> bool {
    service(path).is_some_and(|name| NAMES.contains(&name))
}

/// Adds the standard services; the reporter tells the health of the named ones.
pub(super) async fn add(routes: &mut Routes, names: &[&'static str]) -> Result<HealthReporter, Error> {
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(holdfast_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    routes.add(reflection().build_v1().map_err(Error::Reflection)?);
    routes.add(reflection().build_v1alpha().map_err(Error::Reflection)?);
    let (reporter, health) = health_reporter();
    for name in names {
        reporter.set_service_status(name, ServingStatus::Serving).await;
    }
    routes.add(health);
    Ok(reporter)
}

/// Tells what is so now, and every change of it. Ends never: without anybody who changes it, it stays.
pub(super) async fn follow(
    reporter: &HealthReporter,
    names: &[&'static str],
    readiness: Option<watch::Receiver<Readiness>>,
) {
    if let Some(mut readiness) = readiness {
        loop {
            let now = *readiness.borrow_and_update();
            tell(reporter, names, now).await;
            if readiness.changed().await.is_err() {
                break;
            }
        }
    }
    std::future::pending().await
}

/// Tells whoever asks or watches whether calls are welcome, the server's own name (the empty one) included.
async fn tell(reporter: &HealthReporter, names: &[&'static str], readiness: Readiness) {
    let status = match readiness {
        Readiness::Ready => ServingStatus::Serving,
        Readiness::NotReady => ServingStatus::NotServing,
    };
    for name in names.iter().copied().chain([""]) {
        reporter.set_service_status(name, status).await;
    }
}

/// Tells whoever asks or watches that nothing is served any more, and ends the watches: they would hold the drain.
pub(super) async fn end(mut reporter: HealthReporter, names: &[&'static str]) {
    tell(&reporter, names, Readiness::NotReady).await;
    for name in names.iter().copied().chain([""]) {
        reporter.clear_service_status(name).await;
    }
}
