//! A worker whose calls fail where others' do not is taken out of the choice for a while.

use std::time::Duration;

use crate::common::{health_measured, worker};
use crate::grpc::{Client, failed, instance, register, serve};
use futures::StreamExt;
use holdfast_ports::{Directory, Standing};
use holdfast_proto::v1;
use holdfast_proto::v1::call_report::Verdict;
use holdfast_proto::v1::watch_response::Change;

fn call(worker_number: u8, verdict: Verdict) -> v1::CallReport {
    let worker_id = worker(worker_number, &[]).id.to_string();
    v1::CallReport { worker_id, verdict: verdict.into(), ..failed("charge") }
}

async fn report(client: &mut Client, number: u64, calls: Vec<v1::CallReport>) {
    let request = v1::ReportRequest { instance_id: instance(1), report: number, calls, ..Default::default() };
    client.report(request).await.unwrap();
}

async fn state(client: &mut Client) -> v1::BreakerState {
    let list = client.list_breakers(v1::ListBreakersRequest::default()).await.unwrap().into_inner();
    list.breakers.iter().find(|breaker| breaker.dependency == "charge").unwrap().state()
}

#[tokio::test]
async fn a_bad_worker_is_ejected_before_its_tool_is_broken_and_comes_back() {
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let (health, _, clock) = health_measured(holdfast_health::Config::default(), telemetry.metrics());
    let scrape = telemetry.scrape().unwrap();
    let (mut client, server) = serve(&health).await;
    for number in [1, 2, 3] {
        client.register_worker(register(number, &["charge"])).await.unwrap();
    }
    let mut watch = client.watch(v1::WatchRequest::default()).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();

    // The worst order for the breaker: all calls since the last good one were the bad worker's.
    report(&mut client, 1, vec![call(2, Verdict::Alive)]).await;
    report(&mut client, 2, vec![call(1, Verdict::Failed); 4]).await;
    report(&mut client, 2, vec![call(1, Verdict::Failed); 4]).await;
    assert!(
        health.view().workers.iter().all(|live| live.standing == Standing::Taking),
        "a repeat counts once"
    );
    report(&mut client, 3, vec![call(1, Verdict::Failed); 3]).await;
    assert_eq!(state(&mut client).await, v1::BreakerState::Closed);
    let told = loop {
        if let Some(Change::Worker(told)) = watch.next().await.unwrap().unwrap().change {
            break told;
        }
    };
    assert_eq!(told.info.unwrap().worker_id, worker(1, &[]).id.to_string());
    let left = told.ejected_until.unwrap().seconds - 1_700_000_000;
    assert!((27..=33).contains(&left), "{left} s");
    let view = health.view();
    let standings: Vec<_> = view.workers.iter().map(|live| live.standing == Standing::Taking).collect();
    assert_eq!(standings, [false, true, true]);
    assert_eq!(scrape.value("holdfast_workers_ejected"), Some(1.0));
    assert_eq!(scrape.value("holdfast_worker_ejections_total"), Some(1.0));

    // What fails everywhere is the tool's, and nobody else is ejected: one in ten, and one at least.
    report(&mut client, 4, vec![call(2, Verdict::Failed); 5]).await;
    assert_eq!(state(&mut client).await, v1::BreakerState::Open);
    assert_eq!(scrape.value("holdfast_workers_ejected"), Some(1.0));

    clock.advance(Duration::from_secs(33));
    let version = health.view().version;
    let timers = tokio::spawn({
        let health = health.clone();
        async move { health.run(std::future::pending()).await }
    });
    let back = health.changed(version).await;
    assert!(back.workers.iter().all(|live| live.standing == Standing::Taking));
    assert_eq!(scrape.value("holdfast_workers_ejected"), Some(0.0));
    timers.abort();
    server.abort();
}

#[tokio::test]
async fn the_only_worker_of_a_tool_stays() {
    let (health, _, _) = crate::common::health();
    let (mut client, server) = serve(&health).await;
    client.register_worker(register(1, &["charge"])).await.unwrap();
    report(&mut client, 1, vec![call(1, Verdict::Failed); 50]).await;
    assert_eq!(health.view().workers[0].standing, Standing::Taking);
    assert_eq!(state(&mut client).await, v1::BreakerState::Open);
    server.abort();
}
