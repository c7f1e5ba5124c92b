//! Replicas of the service that share the breakers over a real Redis.

use std::sync::Arc;
use std::time::Duration;

use crate::grpc::{Client, failed, instance, serve};
use futures::StreamExt;
use holdfast_health::{Config, Deps, Health, Sharing};
use holdfast_ports::BreakerShare;
use holdfast_proto::v1;
use holdfast_proto::v1::call_report::Verdict;
use holdfast_proto::v1::watch_response::Change;
use holdfast_resilience::breaker::Policy;
use holdfast_runtime::{SystemClock, SystemEntropy};
use holdfast_store::{RedisBreakers, RedisConfig};
use holdfast_telemetry::Metrics;
use holdfast_testkit::Redis;
use tokio::task::JoinHandle;

/// A bound that only a test that hangs meets.
const GUARD: Duration = Duration::from_secs(60);

/// A dependency is left alone for longer than a lease, so that its owner can be lost meanwhile.
fn policy() -> Policy {
    Policy { open: Duration::from_secs(3), open_jitter_percent: 0, ..Policy::default() }
}

struct Replica {
    client: Client,
    running: JoinHandle<()>,
    serving: JoinHandle<()>,
    reports: u64,
    number: u8,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.running.abort();
        self.serving.abort();
    }
}

impl Replica {
    async fn start(redis: &Redis, number: u8, metrics: Arc<Metrics>) -> Self {
        let config = RedisConfig { timeout: Duration::from_secs(2), ..RedisConfig::new(redis.url()) };
        let share: Arc<dyn BreakerShare> = Arc::new(RedisBreakers::new(&config).unwrap());
        let deps = Deps {
            dial: Arc::new(|_| unreachable!("no worker is registered here")),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            share: Some(share),
            metrics,
        };
        let sharing = Sharing { lease: Duration::from_secs(1), every: Duration::from_millis(50) };
        let health = Health::new(Config { breakers: policy().into(), sharing, ..Config::default() }, deps);
        let (client, serving) = serve(&health).await;
        let running = tokio::spawn(async move { health.run(std::future::pending()).await });
        Self { client, running, serving, reports: 0, number }
    }

    /// Its instance reports calls of `pay`.
    async fn report(&mut self, calls: Vec<v1::CallReport>) {
        self.reports += 1;
        let request = v1::ReportRequest {
            instance_id: instance(self.number),
            report: self.reports,
            calls,
            ..Default::default()
        };
        self.client.report(request).await.unwrap();
    }

    async fn failures(&mut self, count: usize) {
        let generation = self.pay().await.and_then(|breaker| breaker.generation);
        self.report(vec![v1::CallReport { generation, ..failed("pay") }; count]).await;
    }

    async fn pay(&mut self) -> Option<v1::Breaker> {
        let request = v1::ListBreakersRequest { dependencies: vec!["pay".into()] };
        self.client.list_breakers(request).await.unwrap().into_inner().breakers.pop()
    }

    /// Waits until it shows the breaker as wanted.
    async fn shows(&mut self, what: &str, wanted: impl Fn(&v1::Breaker) -> bool) -> v1::Breaker {
        let look = async {
            loop {
                if let Some(breaker) = self.pay().await.filter(&wanted) {
                    return breaker;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(GUARD, look).await.unwrap_or_else(|_| panic!("no {what}"))
    }

    async fn shows_open(&mut self) -> v1::Breaker {
        self.shows("open breaker", |breaker| breaker.state() == v1::BreakerState::Open).await
    }

    async fn watch(&mut self) -> tonic::Streaming<v1::WatchResponse> {
        let request = v1::WatchRequest { instance_id: instance(self.number), ..Default::default() };
        self.client.watch(request).await.unwrap().into_inner()
    }
}

/// The permits that a watch gets, one after the other.
async fn permit(watch: &mut tonic::Streaming<v1::WatchResponse>) -> v1::TrialPermit {
    loop {
        if let Some(Change::Trial(permit)) = watch.next().await.unwrap().unwrap().change {
            return permit;
        }
    }
}

fn trial(permit: &v1::TrialPermit, verdict: Verdict) -> Vec<v1::CallReport> {
    let generation = permit.generation.clone();
    vec![v1::CallReport { verdict: verdict.into(), trial: true, generation, ..failed("pay") }]
}

#[tokio::test]
async fn failures_told_to_two_replicas_trip_once_and_the_other_goes_on_without_the_owner() {
    let redis = Redis::start().unwrap();
    let telemetry = [holdfast_telemetry::scraped().unwrap(), holdfast_telemetry::scraped().unwrap()];
    let scrapes = telemetry.each_ref().map(|telemetry| telemetry.scrape().unwrap());
    let trips = |at: usize| {
        let series = "holdfast_breaker_transitions_total{from=\"closed\",to=\"open\"}";
        scrapes[at].value(series).unwrap_or_default()
    };
    let mut first = Replica::start(&redis, 1, telemetry[0].metrics()).await;
    let mut second = Replica::start(&redis, 2, telemetry[1].metrics()).await;
    first.failures(3).await;
    second.failures(2).await;
    let shown = (first.shows_open().await, second.shows_open().await);
    assert_eq!(shown.0.generation, shown.1.generation);
    assert_eq!(trips(0) + trips(1), 1.0);

    // The one that decided dies without a word: open stays open, under a new incarnation.
    let (lost, mut left) = if trips(0) > 0.0 { (first, second) } else { (second, first) };
    drop(lost);
    let incarnation = |breaker: &v1::Breaker| breaker.generation.as_ref().map(|of| of.incarnation.clone());
    let before = incarnation(&shown.0);
    let mut watch = left.watch().await;
    let taken = left.shows("new owner", |breaker| incarnation(breaker) != before).await;
    assert_ne!(taken.state(), v1::BreakerState::Closed);
    for _ in 0..2 {
        let permit = tokio::time::timeout(GUARD, permit(&mut watch)).await.unwrap();
        left.report(trial(&permit, Verdict::Alive)).await;
    }
    left.shows("closed breaker", |breaker| breaker.state() == v1::BreakerState::Closed).await;
}

#[tokio::test]
async fn one_trial_goes_out_over_both_replicas_and_its_end_is_heard_at_either() {
    let redis = Redis::start().unwrap();
    let mut first = Replica::start(&redis, 1, Metrics::no_op()).await;
    let mut second = Replica::start(&redis, 2, Metrics::no_op()).await;
    let (mut at_first, mut at_second) = (first.watch().await, second.watch().await);
    first.failures(3).await;
    second.failures(2).await;
    first.shows_open().await;
    second.shows_open().await;
    let both = async {
        tokio::select! {
            permit = permit(&mut at_first) => (permit, true),
            permit = permit(&mut at_second) => (permit, false),
        }
    };
    let (given, to_first) = tokio::time::timeout(GUARD, both).await.unwrap();
    // While it may be begun, nobody else gets one.
    let other = async { if to_first { permit(&mut at_second).await } else { permit(&mut at_first).await } };
    assert!(tokio::time::timeout(Duration::from_millis(700), other).await.is_err());
    let holder = if to_first { &mut first } else { &mut second };
    holder.report(trial(&given, Verdict::Begun)).await;
    holder.report(trial(&given, Verdict::Failed)).await;
    let again = |breaker: &v1::Breaker| {
        breaker.state() == v1::BreakerState::Open && breaker.generation != given.generation
    };
    first.shows("failed trial", again).await;
    second.shows("failed trial", again).await;
}

#[tokio::test]
async fn an_emptied_redis_and_one_that_is_gone_close_nothing() {
    let mut redis = Redis::start().unwrap();
    let mut first = Replica::start(&redis, 1, Metrics::no_op()).await;
    let mut second = Replica::start(&redis, 2, Metrics::no_op()).await;
    let order = |reason: &str, replica: &Replica| {
        let request = v1::ForceBreakerRequest {
            dependency: "pay".into(),
            force: v1::BreakerForce::Open.into(),
            reason: reason.into(),
            valid_for: None,
        };
        let mut client = replica.client.clone();
        async move { client.force_breaker(request).await.map(|answer| answer.into_inner().breaker.unwrap()) }
    };
    first.failures(1).await;
    first.shows("word of the dependency", |_| true).await;
    second.shows("word of the dependency", |_| true).await;
    // Whichever of them follows, it answers when the other has obeyed.
    for (reason, at_first) in [("one", true), ("two", false), ("three", true)] {
        let asked = if at_first { order(reason, &first).await } else { order(reason, &second).await };
        assert_eq!(asked.unwrap().force_reason, reason);
    }
    let held = |breaker: &v1::Breaker| breaker.force_reason == "three";
    first.shows("order", held).await;
    second.shows("order", held).await;

    redis.flush().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(first.pay().await.is_some_and(|breaker| held(&breaker)));
    assert!(second.pay().await.is_some_and(|breaker| held(&breaker)));

    // Gone: each goes on with what it saw, and takes orders of its own.
    redis.kill().unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(first.pay().await.is_some_and(|breaker| held(&breaker)));
    assert!(second.pay().await.is_some_and(|breaker| held(&breaker)));
    assert_eq!(order("alone", &second).await.unwrap().force_reason, "alone");
    assert!(first.pay().await.is_some_and(|breaker| held(&breaker)));

    // Back, empty: the later word is heard by both.
    redis.restart_empty().unwrap();
    let alone = |breaker: &v1::Breaker| breaker.force_reason == "alone";
    first.shows("later order", alone).await;
    second.shows("later order", alone).await;
}
