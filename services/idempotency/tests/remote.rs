//! The key table's cases, through the remote client of this service, over a real socket.

use std::any::Any;
use std::sync::Arc;

use holdfast_idempotency::{Config, Deps, Idempotency};
use holdfast_ports::Durability;
use holdfast_rpc::Server;
use holdfast_rpc::clients::{RemoteKeys, Replicas};
use holdfast_store::suite::{Fixture, ManualClock};
use holdfast_store::{Fsync, SqliteConfig, SqliteStore};
use holdfast_telemetry::Metrics;
use tokio::task::JoinHandle;

struct Serving(JoinHandle<()>, #[allow(dead_code)] tempfile::TempDir);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let config = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("test.db")) };
    let store = SqliteStore::open(config, clock.source()).await.unwrap();
    let service = Idempotency::new(
        Config::default(),
        Deps { keys: Arc::new(store.clone()), metrics: Metrics::no_op() },
    );
    let (listener, address) = holdfast_rpc::server::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(holdfast_rpc::server::Config::default()).add(service.grpc());
    let server = tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() });
    let service = Replicas::new([address.to_string()], &holdfast_rpc::client::Config::default());
    let guard: Box<dyn Any + Send + Sync> = Box::new(Serving(server, folder));
    let mut fixture = Fixture::new(store, clock, guard);
    fixture.keys = Arc::new(RemoteKeys::new(service));
    fixture
}

// Without the two that prune: retention is the matter of the table behind the service.
holdfast_store::suite_cases! { crate::remote::fixture;
    key_verbs {
        a_completed_key_is_replayed,
        other_arguments_are_a_mismatch,
        a_permanent_failure_is_replayed,
        a_concurrent_caller_waits_for_the_result,
        a_lease_that_ends_leaves_doubt,
        a_release_never_takes_back_an_earlier_attempt,
        a_released_first_attempt_leaves_the_key_free,
        an_old_token_is_fenced_and_its_result_kept,
        a_lease_is_prolonged,
        tokens_grow_though_the_clock_steps_back,
        a_task_is_not_robbed_by_a_foreign_caller,
        a_foreign_lease_is_not_robbed_by_a_task,
        a_worker_offers_evidence_and_settles_nothing,
        the_same_call_goes_on_under_a_higher_epoch,
        an_operator_removes_keys_that_are_not_open,
        keys_are_listed_by_prefix,
        an_unknown_key_has_no_token,
    }
}

#[tokio::test]
async fn the_durability_is_that_of_the_last_answer() {
    let fixture = fixture().await;
    assert_eq!(fixture.keys.durability(), Durability::RedisOnly);
    fixture.keys.list("default/", None, 1).await.unwrap();
    assert_eq!(fixture.keys.durability(), Durability::Index);
}
