//! The suite of the storage ports, through the remote clients, over a real socket.

use std::time::Duration;

use crate::common::World;
use holdfast_checkpoint::Config;
use holdfast_rpc::clients::{RemoteStore, Replicas};
use holdfast_store::suite::Fixture;

async fn fixture() -> Fixture {
    // The clock stands still between a test's steps: a stream that is replaced would look like the last sign of life.
    let config = Config { session_grace: Duration::from_secs(3_600), ..Config::default() };
    let world = World::with(config).await;
    let service = Replicas::new([&world.address], &holdfast_rpc::client::Config::default());
    Fixture::new(RemoteStore::new(service), world.clock.clone(), world)
}

holdfast_store::suite!(crate::remote_suite::fixture);
