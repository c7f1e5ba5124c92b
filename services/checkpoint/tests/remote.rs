//! The remote clients where connections break and replicas go (PROTOCOL 9, 18).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{GUARD, World, service_over};
use futures::StreamExt;
use holdfast_checkpoint::Config;
use holdfast_ports::{Blobs, Error, Journal, Leases, Renewal, Renewed, Tasks};
use holdfast_proto::v1;
use holdfast_rpc::Server;
use holdfast_rpc::clients::{RemoteStore, Replicas};
use holdfast_store::suite::{event, ids};
use holdfast_types::journal::{Append, Appended, Claimed};
use holdfast_types::{InstanceId, OwnerId, TaskId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How long tests here let an instance be away.
const GRACE: Duration = Duration::from_millis(100);

fn config() -> Config {
    Config { session_grace: GRACE, ..Config::default() }
}

fn remote(addresses: &[&str]) -> RemoteStore {
    RemoteStore::new(Replicas::new(addresses, &holdfast_rpc::client::Config::default()))
}

/// A wire between a client and a server that a test cuts.
struct Wire {
    address: String,
    /// Answers are lost from now on.
    mute: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Wire {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mute = Arc::<AtomicBool>::default();
        let (server, muted) = (server.to_owned(), mute.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                connections.spawn(carry(client, server, muted.clone()));
            }
        });
        Self { address, mute, task }
    }

    /// Closes all connections, as the death of the client's process does, and takes no new one.
    fn cut(&self) {
        self.task.abort();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn carry(client: TcpStream, server: TcpStream, mute: Arc<AtomicBool>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let asks = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let answers = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let read = from_server.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            if !mute.load(Ordering::SeqCst) {
                to_client.write_all(&bytes[..read]).await?;
            }
        }
    };
    let _: Result<(), std::io::Error> = tokio::select! { end = asks => end, end = answers => end };
}

/// Another replica over a world's store; its server ends with the handle.
async fn replica(world: &World) -> (String, JoinHandle<()>) {
    let service = service_over(&world.store, &world.clock, config());
    let (listener, address) = holdfast_rpc::server::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(holdfast_rpc::server::Config::default()).add(service.grpc());
    let server = tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() });
    (address.to_string(), server)
}

async fn until<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GUARD, looking).await.expect("what is waited for does not come")
}

/// A task that an instance drives through a client.
async fn driven(world: &World, remote: &RemoteStore) -> (InstanceId, Claimed) {
    let instance = ids::instance();
    remote.open(instance).await.unwrap();
    let task = world.queued().await;
    (instance, remote.claim_one(instance, ids::owner(), task).await.unwrap().unwrap())
}

fn append(claimed: &Claimed, expected_seq: u64) -> Append {
    let wire = crate::common::append((claimed.task, claimed.owner), expected_seq, vec![event("x")]);
    Append::try_from(wire).unwrap()
}

fn renewal(instance: InstanceId, owner: OwnerId) -> Renewal {
    let half = u64::from_be_bytes(owner.bytes()[..8].try_into().unwrap());
    Renewal { instance, driving: 1, digest: half }
}

/// What another instance gets of the store.
async fn other_claims(world: &World) -> Option<TaskId> {
    let other = ids::instance();
    world.store.open(other).await.unwrap();
    world.store.claim(other, vec![ids::owner()], 1).await.unwrap().first().map(|claimed| claimed.task)
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_asked_again_and_is_one() {
    let world = World::with(config()).await;
    let wire = Wire::to(&world.address).await;
    let remote = remote(&[&wire.address, &world.address]);
    let task = world.queued().await;
    let instance = ids::instance();
    world.store.open(instance).await.unwrap();
    let claimed = world.store.claim_one(instance, ids::owner(), task).await.unwrap().unwrap();
    Tasks::get(&remote, task).await.unwrap();

    wire.mute.store(true, Ordering::SeqCst);
    let asked = tokio::spawn({
        let (remote, append) = (remote.clone(), append(&claimed, 1));
        async move { remote.append(append).await }
    });
    until(|| async { (Tasks::get(&world.store, task).await.unwrap().last_seq == 2).then_some(()) }).await;
    wire.cut();
    assert_eq!(asked.await.unwrap().unwrap(), Appended::at(2));
    assert_eq!(remote.load(task).await.unwrap().events.len(), 2);
}

#[tokio::test]
async fn what_no_replica_answers_is_unavailable_and_another_is_asked_first() {
    let world = World::with(config()).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = free.local_addr().unwrap().to_string();
    drop(free);
    let task = world.queued().await;
    assert_eq!(Tasks::get(&remote(&[&dead, &world.address]), task).await.unwrap().id, task);
    let error = Tasks::get(&remote(&[&dead]), task).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(Tasks::get(&remote(&[]), task).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn appends_of_many_tasks_go_together_and_each_is_answered_alone() {
    let world = World::with(config()).await;
    let remote = remote(&[&world.address]);
    let instance = ids::instance();
    remote.open(instance).await.unwrap();
    for _ in 0..50 {
        world.queued().await;
    }
    let owners = (0..50).map(|_| ids::owner()).collect();
    let claims = remote.claim(instance, owners, 50).await.unwrap();
    assert_eq!(claims.len(), 50);
    let appends = claims.iter().enumerate().map(|(position, claimed)| {
        // Every fifth is in the wrong place.
        let expected = if position % 5 == 0 { 7 } else { 1 };
        remote.append(append(claimed, expected))
    });
    for (position, answer) in futures::future::join_all(appends).await.into_iter().enumerate() {
        let is_ok = matches!(answer.unwrap(), Appended::Ok { last_seq: 2, .. });
        assert_eq!(is_ok, position % 5 != 0, "{position}");
    }
    let large = Append { events: vec![event(&"x".repeat(5_000_000))], ..append(&claims[0], 1) };
    assert!(matches!(remote.append(large).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn a_follower_goes_on_after_its_last_event_at_another_replica() {
    let world = World::with(config()).await;
    let (address, server) = replica(&world).await;
    let remote = remote(&[&address, &world.address]);
    let (_, claimed) = driven(&world, &remote).await;
    let mut events = remote.follow(claimed.task, 0).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().seq, 1);
    server.abort();
    let _ = server.await;
    world.store.append(append(&claimed, 1)).await.unwrap();
    world.store.append(append(&claimed, 2)).await.unwrap();
    for seq in 2..=3 {
        let event = tokio::time::timeout(GUARD, events.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(event.seq, seq);
    }
}

#[tokio::test]
async fn the_death_of_an_instance_frees_its_tasks_after_the_grace() {
    let world = World::with(config()).await;
    let wire = Wire::to(&world.address).await;
    let remote = remote(&[&wire.address]);
    let (_, claimed) = driven(&world, &remote).await;
    assert_eq!(other_claims(&world).await, None);
    wire.cut();
    // The store's clock stands still: no lease ends here.
    assert_eq!(until(|| other_claims(&world)).await, claimed.task);
}

#[tokio::test]
async fn an_instance_that_comes_back_within_the_grace_keeps_its_tasks() {
    let world = World::with(config()).await;
    let wire = Wire::to(&world.address).await;
    let remote = remote(&[&wire.address, &world.address]);
    let (instance, claimed) = driven(&world, &remote).await;
    world.clock.advance(Duration::from_millis(1));
    wire.cut();
    let renewed = remote.renew(renewal(instance, claimed.owner)).await.unwrap();
    assert!(matches!(renewed, Renewed::Ok(_)), "{renewed:?}");
    // Nothing tells that the grace has passed without an end.
    tokio::time::sleep(GRACE * 5).await;
    let renewed = remote.renew(renewal(instance, claimed.owner)).await.unwrap();
    assert!(matches!(renewed, Renewed::Ok(_)), "{renewed:?}");
    assert_eq!(other_claims(&world).await, None);
}

#[tokio::test]
async fn a_server_that_ends_ends_no_session() {
    for graceful in [true, false] {
        let world = World::with(config()).await;
        let service = service_over(&world.store, &world.clock, config());
        let (listener, address) = holdfast_rpc::server::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(holdfast_rpc::server::Config::default()).add(service.grpc());
        let server =
            tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() });
        let remote = remote(&[&address.to_string()]);
        driven(&world, &remote).await;
        if graceful {
            service.run(std::future::ready(())).await;
        }
        server.abort();
        let _ = server.await;
        // Nothing tells that the grace has passed without an end.
        tokio::time::sleep(GRACE * 5).await;
        assert_eq!(other_claims(&world).await, None, "graceful: {graceful}");
    }
}

#[tokio::test]
async fn retention_is_driven_from_afar_and_bounded() {
    let world = World::with(config()).await;
    let blobs = remote(&[&world.address]);
    blobs.put(b"nobody's".to_vec(), "text/plain").await.unwrap();
    assert_eq!(blobs.collect(5_000).await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(24 * 3_600 + 1));
    assert_eq!(blobs.collect(5_000).await.unwrap(), 1);
    let without_time = v1::PruneRequest { tasks: 1, ..Default::default() };
    let refused = world.client.clone().prune(without_time).await.unwrap_err();
    assert_eq!(crate::common::field(&refused), "finished_before");
    let too_many = v1::PruneRequest { keys: 1_001, ..Default::default() };
    assert_eq!(crate::common::field(&world.client.clone().prune(too_many).await.unwrap_err()), "keys");
}
