use std::sync::Mutex;

use async_trait::async_trait;
use futures::FutureExt;
use holdfast_ports::{ExecuteStream, Result, Tools};
use holdfast_runtime::Ids;
use holdfast_types::worker::{CallRef, Execute, FenceAnswer, ProbeAnswer, Recorded, WorkerInfo};
use holdfast_types::{Failure, Key, Priority, Reason, TaskId, Timestamp, ToolName};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::limits::{Calls, Limit};

/// Nobody is called here.
struct Nobody;

#[async_trait]
impl Tools for Nobody {
    async fn execute(&self, _: Execute) -> std::result::Result<ExecuteStream, Failure> {
        Err(no())
    }
    async fn fence(&self, _: WorkerId, _: CallRef, _: u64) -> std::result::Result<FenceAnswer, Failure> {
        Err(no())
    }
    async fn cancel(&self, _: WorkerId, _: CallRef, _: u64, _: &str) -> std::result::Result<(), Failure> {
        Err(no())
    }
    async fn ack(&self, _: WorkerId, _: Vec<Recorded>) -> std::result::Result<(), Failure> {
        Err(no())
    }
    async fn reconcile(
        &self,
        _: WorkerId,
        _: &ToolName,
        _: &Key,
        _: &Value,
    ) -> std::result::Result<ProbeAnswer, Failure> {
        Err(no())
    }
    async fn check(&self, _: WorkerId) -> std::result::Result<(), Failure> {
        Err(no())
    }
}

fn no() -> Failure {
    let (class, effect) = (holdfast_types::Class::Permanent, holdfast_types::Effect::NotExecuted);
    Failure::new(class, effect, Reason::Internal, "nobody is called here")
}

struct World {
    places: Arc<Places>,
    view: Arc<watch::Sender<Arc<DirectoryView>>>,
    tool: Arc<ToolManifest>,
    ids: Mutex<u8>,
}

struct Seen(Arc<watch::Sender<Arc<DirectoryView>>>);

#[async_trait]
impl Directory for Seen {
    fn view(&self) -> Arc<DirectoryView> {
        self.0.borrow().clone()
    }
    async fn changed(&self, version: u64) -> Arc<DirectoryView> {
        let mut seen = self.0.subscribe();
        seen.wait_for(|view| view.version > version).await.unwrap().clone()
    }
    async fn report_failed_dial(&self, _: WorkerId) -> Result<()> {
        Ok(())
    }
}

fn tool(name: &str) -> ToolManifest {
    ToolManifest::new(ToolName::try_new(name).unwrap(), json!({"type": "object"}))
}

fn worker(slots: u32) -> LiveWorker {
    let info = WorkerInfo {
        id: Ids::system().worker(),
        address: "here:0".into(),
        slots,
        tools: vec![tool("look"), tool("other")],
    };
    LiveWorker {
        info: Arc::new(info),
        proven_at: Timestamp::from_micros(1),
        standing: holdfast_ports::Standing::Taking,
        tools: Arc::new(Nobody),
    }
}

impl World {
    /// Workers with so many places each.
    fn new(slots: &[u32], limits: Limits) -> Self {
        let workers = slots.iter().map(|slots| worker(*slots)).collect();
        let view = Arc::new(watch::Sender::new(Arc::new(DirectoryView { version: 1, workers })));
        let directory = Arc::new(Seen(Arc::clone(&view)));
        let places = Places::new(directory, Metrics::no_op(), limits, Duration::from_secs(2));
        let keeper = Arc::clone(&places);
        tokio::spawn(async move { keeper.keep().await });
        Self { places, view, tool: Arc::new(tool("look")), ids: Mutex::new(0) }
    }

    fn caller(&self, namespace: &str) -> Caller {
        let mut ids = self.ids.lock().unwrap();
        *ids += 1;
        let task = TaskId::new(1, [*ids; 10]);
        Caller { namespace: namespace.parse().unwrap(), priority: Priority::default(), task, beside: None }
    }

    fn take(&self, caller: &Caller) -> Place {
        match self.places.ask(&self.tool, caller.clone()) {
            Asked::Now(place) => place,
            Asked::Later(_) => panic!("it has to wait"),
            Asked::Away(why) => panic!("{why:?}"),
        }
    }

    fn queue(&self, caller: &Caller) -> Waiting {
        match self.places.ask(&self.tool, caller.clone()) {
            Asked::Later(waiting) => waiting,
            Asked::Now(_) => panic!("there was a place"),
            Asked::Away(why) => panic!("{why:?}"),
        }
    }
}

fn in_an_hour() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}

async fn wait(waiting: Waiting) -> std::result::Result<Place, NoPlace> {
    waiting.wait(in_an_hour(), Duration::ZERO).await
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_the_worker_with_the_most_free_places_also_out_of_the_queue() {
    let world = World::new(&[2, 3], Limits::default());
    let caller = world.caller("a");
    let ids: Vec<_> = world.view.borrow().workers.iter().map(|worker| worker.info.id).collect();
    let mut held: Vec<Place> = (0..5).map(|_| world.take(&caller)).collect();
    let taken = |held: &[Place], id| held.iter().filter(|place| place.worker.info.id == id).count();
    assert_eq!(held[0].worker.info.id, ids[1]);
    assert_eq!((taken(&held, ids[0]), taken(&held, ids[1])), (2, 3));
    let waiting: Vec<_> = (0..2).map(|_| world.queue(&caller)).collect();
    // One place of each worker is given back: both calls in the queue get one.
    held.remove(held.iter().position(|place| place.worker.info.id == ids[0]).unwrap());
    held.remove(held.iter().position(|place| place.worker.info.id == ids[1]).unwrap());
    for waiting in waiting {
        held.push(wait(waiting).await.unwrap());
    }
    assert_eq!((taken(&held, ids[0]), taken(&held, ids[1])), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_huge_fan_out_keeps_no_place_from_another_namespace() {
    let world = World::new(&[1], Limits::default());
    let (big, small) = (world.caller("big"), world.caller("small"));
    let held = world.take(&big);
    let crowd: Vec<_> = (0..5_000).map(|_| world.queue(&big)).collect();
    let one = world.queue(&small);
    drop(held);
    // The big one came first and was served: now it is the small one's turn, before 4,999 that came before it.
    let mut crowd = crowd.into_iter();
    drop(wait(crowd.next().unwrap()).await.unwrap());
    let place = wait(one).now_or_never().expect("it has a place").unwrap();
    assert!(crowd.all(|mut waiting| waiting.granted().is_none()));
    drop(place);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_takes_nothing_and_the_next_one_is_served() {
    let world = World::new(&[1], Limits::default());
    let caller = world.caller("a");
    let held = world.take(&caller);
    let (first, second, third) = (world.queue(&caller), world.queue(&caller), world.queue(&caller));
    drop(second);
    drop(held);
    // It was given the place, and is dropped before it knows.
    drop(first);
    drop(wait(third).now_or_never().expect("it has a place").unwrap());
    drop(world.take(&caller));
    assert!(world.places.gate().lanes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_served_by_then_is_told_what_was_missing() {
    let limits = Limits { namespaces: [("b".to_owned(), limit(1, ""))].into(), ..Limits::default() };
    let world = World::new(&[2], limits);
    let (a, b) = (world.caller("a"), world.caller("b"));
    let held = world.take(&b);
    let soon = || Instant::now() + Duration::from_secs(1);
    let answer = world.queue(&b).wait(soon(), Duration::ZERO).await;
    assert_eq!(answer.unwrap_err(), NoPlace::NamespaceLimit);
    let other = world.take(&a);
    let answer = world.queue(&a).wait(soon(), Duration::ZERO).await;
    assert_eq!(answer.unwrap_err(), NoPlace::Busy);
    drop((held, other));
}

fn limit(concurrency: u32, rate: &str) -> Limit {
    Limit { concurrency, rate: rate.parse::<Calls>().unwrap() }
}

#[tokio::test(start_paused = true)]
async fn a_tool_s_limit_is_a_cluster_s_and_a_call_that_waits_for_it_takes_no_place() {
    let limits = Limits { tools: [("look".to_owned(), limit(3, ""))].into(), ..Limits::default() };
    let mut world = World::new(&[4], limits);
    let caller = world.caller("a");
    let held: Vec<_> = (0..3).map(|_| world.take(&caller)).collect();
    let waiting = world.queue(&caller);
    // Three are under way: the worker's fourth place is another tool's.
    let look = std::mem::replace(&mut world.tool, Arc::new(tool("other")));
    drop(world.take(&caller));
    world.tool = look;
    // A second orchestrator has come: two of three are this one's.
    world.places.share_among(2);
    let mut held = held.into_iter();
    drop(held.next());
    assert!(world.places.why(&world.tool, &caller.namespace) == NoPlace::ToolLimit);
    drop(held.next());
    drop(wait(waiting).now_or_never().expect("it has a place").unwrap());
    // It is gone again.
    world.places.share_among(0);
    let all: Vec<_> = (0..2).map(|_| world.take(&caller)).collect();
    drop((all, held));
}

#[tokio::test(start_paused = true)]
async fn a_rate_lets_the_queue_through_by_time() {
    let limits = Limits { tool_default: limit(0, "2/s"), ..Limits::default() };
    let world = World::new(&[25], limits);
    let caller = world.caller("a");
    let began = Instant::now();
    drop((world.take(&caller), world.take(&caller)));
    let waiting: Vec<_> = (0..4).map(|_| world.queue(&caller)).collect();
    let mut at = Vec::new();
    for waiting in waiting {
        drop(wait(waiting).await.unwrap());
        at.push(began.elapsed().as_millis());
    }
    assert!(at.iter().zip([500, 1_000, 1_500, 2_000]).all(|(at, due)| at.abs_diff(due) <= 2), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_no_call_leaves_before_the_hint_is_over_and_then_one_by_one() {
    let world = World::new(&[3], Limits::default());
    let caller = world.caller("a");
    let held: Vec<_> = (0..3).map(|_| world.take(&caller)).collect();
    let queued = world.queue(&caller);
    let began = Instant::now();
    world.places.refused("look", Duration::from_millis(1), Some(Duration::from_secs(10)));
    // Also the one that stood in the queue already: it comes back in its time.
    let NoPlace::RateLimited { wait: first } = wait(queued).await.unwrap_err() else {
        panic!("it is held back")
    };
    assert!(first >= Duration::from_secs(10), "{first:?}");
    drop(held);
    let other = world.caller("b");
    let Asked::Away(NoPlace::RateLimited { wait: second }) = world.places.ask(&world.tool, other.clone())
    else {
        panic!("first attempts of other tasks are held back too");
    };
    assert!(second > first, "each has a turn of its own");
    assert!(world.places.try_take_beside(&world.tool, &other.namespace, Ids::system().worker()).is_none());
    // Another dependency is none of it.
    drop(match world.places.ask(&Arc::new(tool("other")), other.clone()) {
        Asked::Now(place) => place,
        Asked::Later(_) | Asked::Away(_) => panic!("another dependency is held back"),
    });
    tokio::time::sleep_until(began + Duration::from_secs(9)).await;
    // Less than two seconds are left: they may stand in the queue.
    let (first, second) = (world.queue(&caller), world.queue(&other));
    drop(wait(first).await.unwrap());
    let left_at = began.elapsed();
    assert!(left_at >= Duration::from_secs(10), "{left_at:?}");
    // The next one has to wait for its own turn.
    drop(wait(second).await.unwrap());
    assert!(began.elapsed() >= left_at + Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slowed_dependency_recovers_and_nobody_is_stuck() {
    let world = World::new(&[25], Limits::default());
    let caller = world.caller("a");
    drop(world.take(&caller));
    world.places.refused("look", Duration::ZERO, None);
    let (mut left, began) = (0, Instant::now());
    while left < 200 {
        let place = match world.places.ask(&world.tool, caller.clone()) {
            Asked::Now(place) => place,
            Asked::Later(waiting) => wait(waiting).await.unwrap(),
            Asked::Away(NoPlace::RateLimited { wait }) => {
                tokio::time::sleep(wait).await;
                continue;
            }
            Asked::Away(why) => panic!("{why:?}"),
        };
        drop(place);
        left += 1;
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_comes_serves_those_who_wait_for_one() {
    let world = World::new(&[], Limits::default());
    let caller = world.caller("a");
    let gone = world.queue(&caller).wait(in_an_hour(), Duration::from_secs(1)).await;
    assert_eq!(gone.unwrap_err(), NoPlace::Gone);
    let waiting = world.queue(&caller);
    let come = Arc::new(DirectoryView { version: 2, workers: vec![worker(1)] });
    let (place, ()) = tokio::join!(waiting.wait(in_an_hour(), Duration::from_secs(5)), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.view.send_replace(come);
    });
    // It goes away, and whoever waits for it has no more patience than for one that never was.
    let held = place.unwrap();
    let waiting = world.queue(&caller);
    let (left, ()) = tokio::join!(waiting.wait(in_an_hour(), Duration::from_secs(1)), async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.view.send_replace(Arc::new(DirectoryView { version: 3, workers: Vec::new() }));
    });
    assert_eq!(left.unwrap_err(), NoPlace::Gone);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_goes_to_another_worker_while_one_has_a_place() {
    let world = World::new(&[3, 1], Limits::default());
    let first = world.take(&world.caller("a"));
    let failed_at = first.worker.info.id;
    let again = Caller { beside: Some(failed_at), ..world.caller("a") };
    drop(first);
    let elsewhere = world.take(&again);
    assert_ne!(elsewhere.worker.info.id, failed_at, "however many places are free where it failed");
    let here = world.take(&again);
    assert_eq!(here.worker.info.id, failed_at, "where nobody else has a place it is better than none");
    // Those who wait are served in the same way.
    let more = [world.take(&again), world.take(&again)];
    let waiting = world.queue(&again);
    drop(elsewhere);
    assert_ne!(wait(waiting).await.unwrap().worker.info.id, failed_at);
    drop((here, more));
}
