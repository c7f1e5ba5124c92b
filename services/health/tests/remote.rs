//! The remote directory, over a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{health, worker};
use holdfast_health::Health;
use holdfast_ports::{Directory, DirectoryView, Tools};
use holdfast_rpc::Server;
use holdfast_rpc::client::{Channel, Config};
use holdfast_rpc::clients::{RemoteDirectory, RemoteTools, Replicas};
use holdfast_types::InstanceId;
use holdfast_types::worker::WorkerInfo;
use tokio::task::JoinHandle;

const GUARD: Duration = Duration::from_secs(30);

pub async fn serve(health: &Health) -> (String, JoinHandle<()>) {
    let (listener, address) = holdfast_rpc::server::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(holdfast_rpc::server::Config::default()).add(health.grpc());
    let server = tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() });
    (address.to_string(), server)
}

fn directory(addresses: &[&str]) -> (RemoteDirectory, Arc<AtomicUsize>) {
    let dials = Arc::<AtomicUsize>::default();
    let counted = dials.clone();
    let dial = move |info: &WorkerInfo| {
        counted.fetch_add(1, Ordering::SeqCst);
        Arc::new(RemoteTools::new(Channel::new(&info.address, Config::default()))) as Arc<dyn Tools>
    };
    let service = Replicas::new(addresses, &Config::default());
    let instance = InstanceId::new(1, [1; 10]);
    (RemoteDirectory::start_with(service, instance, Arc::new(dial)), dials)
}

/// Waits for a view with so many workers.
async fn with(directory: &RemoteDirectory, workers: usize) -> Arc<DirectoryView> {
    let seen = async {
        let mut view = directory.view();
        while view.workers.len() != workers {
            view = directory.changed(view.version).await;
        }
        view
    };
    tokio::time::timeout(GUARD, seen).await.unwrap()
}

#[tokio::test]
async fn workers_come_and_go_and_each_is_dialled_once() {
    let (health, answers, _) = health();
    let (address, server) = serve(&health).await;
    let (directory, dials) = directory(&[&address]);
    health.register(worker(1, &["charge"])).await.unwrap();
    with(&directory, 1).await;
    // It says something else of itself, and is the same worker at the same address.
    health.register(worker(1, &["charge", "refund"])).await.unwrap();
    let changed = async {
        let mut view = directory.view();
        while view.workers.iter().all(|worker| worker.info.tools.len() != 2) {
            view = directory.changed(view.version).await;
        }
    };
    tokio::time::timeout(GUARD, changed).await.unwrap();
    health.register(worker(2, &["search"])).await.unwrap();
    let view = with(&directory, 2).await;
    assert_eq!(dials.load(Ordering::SeqCst), 2);
    assert_eq!(view.worker(worker(2, &[]).id).unwrap().info.address, "127.0.0.1:7002");

    let before = answers.count();
    directory.report_failed_dial(worker(1, &[]).id).await.unwrap();
    let called_back = async {
        while answers.count() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GUARD, called_back).await.unwrap();
    health.leave(worker(1, &[]).id);
    with(&directory, 1).await;
    server.abort();
}

#[tokio::test]
async fn the_last_view_stands_while_the_service_is_away_and_while_workers_register_anew() {
    let (first, _, _) = health();
    let (address, server) = serve(&first).await;
    let (second, _, _) = health();
    let (other, other_server) = serve(&second).await;
    let (directory, dials) = directory(&[&address, &other]);
    first.register(worker(1, &["charge"])).await.unwrap();
    with(&directory, 1).await;
    server.abort();
    let _ = server.await;
    assert_eq!(directory.view().workers.len(), 1);
    // The other one knows nobody yet: a new worker comes, the known one stays.
    second.register(worker(2, &["search"])).await.unwrap();
    let view = with(&directory, 2).await;
    assert!(view.manifest(&worker(1, &["charge"]).tools[0].name).is_some());
    second.register(worker(1, &["charge"])).await.unwrap();
    assert_eq!(dials.load(Ordering::SeqCst), 2);
    other_server.abort();
}

#[tokio::test]
async fn a_directory_that_is_not_there_has_an_empty_view_and_nobody_waits() {
    let (directory, _) = directory(&["127.0.0.1:1"]);
    assert!(directory.view().workers.is_empty());
    assert!(directory.report_failed_dial(worker(1, &[]).id).await.unwrap_err().is_transient());
}
