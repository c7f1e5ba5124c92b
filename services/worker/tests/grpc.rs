//! A worker behind a real socket: the same rules, and its life from registration to drain.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::{Rig, call_ref, end, failure, recorded};
use holdfast_ports::Tools;
use holdfast_rpc::client::{Channel, Config as ClientConfig};
use holdfast_rpc::clients::RemoteTools;
use holdfast_runtime::Shutdown;
use holdfast_types::worker::{Execute, FenceAnswer, ProbeAnswer, WorkerInfo};
use holdfast_types::{Effect, Failure, Reason};
use holdfast_worker::Config;
use holdfast_worker::registration::{Registrar, Standing};
use serde_json::json;
use tokio::net::TcpListener;

/// A directory that calls the worker back before it takes its registration.
#[derive(Default)]
struct CallsBack(Mutex<Vec<Standing>>);

#[async_trait]
impl Registrar for CallsBack {
    async fn register(&self, info: &WorkerInfo, standing: Standing) -> Result<Duration, Failure> {
        if standing == Standing::Open {
            remote(&info.address).check(info.id).await?;
        }
        self.0.lock().unwrap().push(standing);
        Ok(Duration::from_millis(20))
    }
}

fn remote(address: &str) -> RemoteTools {
    RemoteTools::new(Channel::new(address, ClientConfig::default()))
}

struct Served {
    rig: Rig,
    tools: RemoteTools,
    directory: Arc<CallsBack>,
    shutdown: Shutdown,
    server: tokio::task::JoinHandle<Result<(), holdfast_worker::Error>>,
}

impl Served {
    async fn start() -> Self {
        let rig = Rig::with(Config::default(), |_| {});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tools = remote(&listener.local_addr().unwrap().to_string());
        let (directory, shutdown) = (Arc::new(CallsBack::default()), Shutdown::new());
        let worker = rig.worker.clone();
        let server = holdfast_rpc::Server::new(holdfast_rpc::server::Config::default());
        let server = tokio::spawn(worker.run(server, listener, vec![directory.clone()], shutdown.clone()));
        Self { rig, tools, directory, shutdown, server }
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for {what}");
    }

    async fn run(&self, execute: Execute) -> Result<holdfast_types::worker::Success, Failure> {
        end(self.tools.execute(execute).await.unwrap()).await
    }
}

#[tokio::test]
async fn the_verbs_mean_the_same_over_a_socket() {
    let served = Served::start().await;
    let (rig, tools, me) = (&served.rig, &served.tools, served.rig.worker.id());
    let request = rig.request("book", "a", json!({}));
    let first = served.run(request.clone()).await.unwrap();
    assert_eq!(served.run(request.clone()).await.unwrap(), first);
    assert_eq!(rig.world.effects(), 1);
    assert_eq!(tools.fence(me, call_ref("a"), 6).await.unwrap(), FenceAnswer::Finished(Ok(first)));
    let stale = tools.execute(request.clone()).await.err().unwrap();
    assert_eq!((stale.reason, stale.effect), (Reason::StaleEpoch, Effect::NotExecuted));
    tools.ack(me, recorded("a", 1, 6)).await.unwrap();
    let probed = tools.reconcile(me, &request.tool, &request.key, &json!({})).await.unwrap();
    assert!(matches!(probed, ProbeAnswer::Done { .. }));
    let elsewhere = Rig::new().worker.id();
    assert_eq!(tools.check(elsewhere).await.unwrap_err().reason, Reason::WrongIncarnation);

    let hanging = tools.execute(rig.request("fire", "b", json!({"after_ms": 600_000}))).await.unwrap();
    tools.cancel(me, call_ref("b"), 5, "enough").await.unwrap();
    let cancelled = failure(end(hanging).await);
    assert_eq!(cancelled.reason, Reason::CancelledByCaller);
    served.shutdown.drain();
    served.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lost_connection_leaves_the_work_running_to_be_attached_to() {
    let served = Served::start().await;
    let request = served.rig.request("fire", "a", json!({"after_ms": 1500}));
    let lost = served.tools.execute(request.clone()).await.unwrap();
    served.until("the effect", |served| served.rig.world.effects() == 1).await;
    drop(lost);
    served.run(Execute { epoch: 6, ..request }).await.unwrap();
    assert_eq!(served.rig.world.effects(), 1);
    served.shutdown.abort();
    served.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_registers_renews_says_goodbye_and_drains() {
    let served = Served::start().await;
    let registered = |served: &Served| served.directory.0.lock().unwrap().len() >= 3;
    served.until("two renewals", registered).await;
    let running = served.rig.request("fire", "a", json!({"after_ms": 300}));
    let running = served.tools.execute(running).await.unwrap();
    served.shutdown.drain();
    end(running).await.expect("a running call ends by itself");
    assert!(served.server.await.unwrap().is_ok());
    assert_eq!(served.directory.0.lock().unwrap().last(), Some(&Standing::Draining));
}
