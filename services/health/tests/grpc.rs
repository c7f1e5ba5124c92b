//! The service over gRPC, on a real socket.

use std::time::Duration;

use crate::common::{health, health_measured, health_with, worker};
use futures::StreamExt;
use holdfast_health::Health;
use holdfast_ports::Directory;
use holdfast_proto::v1;
use holdfast_proto::v1::call_report::Verdict;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_proto::v1::tool_note::Availability;
use holdfast_proto::v1::watch_response::Change;
use holdfast_rpc::Server;
use holdfast_rpc::client::{Channel, Config};
use holdfast_runtime::Clock;
use holdfast_types::InstanceId;
use tokio::task::JoinHandle;
use tonic::Code;

pub type Client = HealthServiceClient<Channel>;

pub async fn serve(health: &Health) -> (Client, JoinHandle<()>) {
    let (listener, address) = holdfast_rpc::server::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(holdfast_rpc::server::Config::default()).add(health.grpc());
    let task = tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() });
    (HealthServiceClient::new(Channel::new(&address.to_string(), Config::default())), task)
}

pub fn register(number: u8, tools: &[&str]) -> v1::RegisterWorkerRequest {
    v1::RegisterWorkerRequest { worker: Some(worker(number, tools).into()), draining: false }
}

pub fn instance(number: u8) -> String {
    InstanceId::new(u64::from(number), [number; 10]).to_string()
}

pub fn failed(dependency: &str) -> v1::CallReport {
    v1::CallReport {
        dependency: dependency.into(),
        verdict: Verdict::Failed.into(),
        ..v1::CallReport::default()
    }
}

async fn break_it(client: &mut Client, dependency: &str) {
    let calls = vec![failed(dependency); 5];
    let report = v1::ReportRequest { instance_id: instance(1), report: 1, calls, ..Default::default() };
    client.report(report).await.unwrap();
}

#[tokio::test]
async fn workers_come_and_go_and_watchers_hear_it() {
    let (health, answers, _) = health();
    let (mut client, server) = serve(&health).await;
    let mut watch = client.watch(v1::WatchRequest::default()).await.unwrap().into_inner();
    let Some(Change::View(view)) = watch.next().await.unwrap().unwrap().change else {
        panic!("no view first")
    };
    assert!(view.workers.is_empty());

    let lease = client.register_worker(register(1, &["charge"])).await.unwrap().into_inner();
    assert_eq!(lease.lease.unwrap().seconds, 10);
    let message = watch.next().await.unwrap().unwrap();
    let Some(Change::Worker(live)) = message.change else { panic!("{message:?}") };
    assert_eq!(live.info.unwrap().address, "127.0.0.1:7001");
    let got = client.get(v1::HealthServiceGetRequest::default()).await.unwrap().into_inner();
    assert_eq!((got.version, got.view.unwrap().workers.len()), (message.version, 1));

    client
        .register_worker(v1::RegisterWorkerRequest { draining: true, ..register(1, &["charge"]) })
        .await
        .unwrap();
    let message = watch.next().await.unwrap().unwrap();
    assert_eq!(message.change, Some(Change::WorkerGone(worker(1, &[]).id.to_string())));

    answers.refused();
    let refused = client.register_worker(register(2, &["charge"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("127.0.0.1:7002"), "{refused}");
    let twice = client.register_worker(register(2, &["charge", "charge"])).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);

    health.run(std::future::ready(())).await;
    assert!(watch.next().await.is_none(), "the service's end ends the watches");
    server.abort();
}

#[tokio::test]
async fn a_worker_sees_only_itself_and_the_end_of_its_stream_has_it_called_back_at_once() {
    // Within the test only the end of its stream has a worker called back.
    let hour = Duration::from_secs(3_600);
    let (health, answers, _) = health_with(holdfast_health::Config { lease: hour, ..Default::default() });
    let (mut client, server) = serve(&health).await;
    client.register_worker(register(2, &["search"])).await.unwrap();
    let me = worker(1, &[]).id;
    let request = v1::WatchRequest { worker_id: me.to_string(), ..Default::default() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    let Some(Change::View(view)) = watch.next().await.unwrap().unwrap().change else {
        panic!("no view first")
    };
    assert_eq!(view, v1::View::default());
    client.register_worker(register(1, &["charge"])).await.unwrap();
    client.register_worker(register(3, &["search"])).await.unwrap();
    health.leave(worker(3, &[]).id);
    let message = watch.next().await.unwrap().unwrap();
    let Some(Change::Worker(live)) = message.change else { panic!("{message:?}") };
    assert_eq!(live.info.unwrap().worker_id, me.to_string());
    health.leave(me);
    let message = watch.next().await.unwrap().unwrap();
    assert_eq!(message.change, Some(Change::WorkerGone(me.to_string())));

    client.register_worker(register(1, &["charge"])).await.unwrap();
    let proven = health.view();
    answers.refused();
    drop(watch);
    let gone = tokio::time::timeout(Duration::from_secs(20), health.changed(proven.version)).await.unwrap();
    assert_eq!((proven.workers.len(), gone.workers.len(), gone.worker(me).is_none()), (2, 1, true));
    server.abort();
}

#[tokio::test]
async fn five_failures_open_a_breaker_a_trial_is_pushed_and_its_success_closes_it() {
    let (health, _, clock) = health();
    let (mut client, server) = serve(&health).await;
    let request = v1::WatchRequest { instance_id: instance(1), ..Default::default() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();
    break_it(&mut client, "pay").await;
    let Some(Change::Breaker(breaker)) = watch.next().await.unwrap().unwrap().change else {
        panic!("no breaker")
    };
    assert_eq!((breaker.dependency.as_str(), breaker.state()), ("pay", v1::BreakerState::Open));
    assert!(breaker.retry_at.is_some() && breaker.failure.is_some());

    // The clock says that its time is over; each report lets time do its part.
    clock.advance(Duration::from_secs(8));
    let answered =
        |report, calls| v1::ReportRequest { instance_id: instance(1), report, calls, ..Default::default() };
    client.report(answered(2, vec![failed("other")])).await.unwrap();
    let timers = tokio::spawn({
        let health = health.clone();
        async move { health.run(std::future::pending()).await }
    });
    for report in [3, 4] {
        let generation = permit(&mut watch).await;
        let trial =
            v1::CallReport { verdict: Verdict::Alive.into(), trial: true, generation, ..failed("pay") };
        client.report(answered(report, vec![trial])).await.unwrap();
    }
    let list =
        client.list_breakers(v1::ListBreakersRequest { dependencies: vec!["pay".into()] }).await.unwrap();
    assert_eq!(list.into_inner().breakers[0].state(), v1::BreakerState::Closed);
    timers.abort();
    server.abort();
}

/// Waits for a permit for a trial.
async fn permit(watch: &mut tonic::Streaming<v1::WatchResponse>) -> Option<v1::BreakerGeneration> {
    let permit = async {
        loop {
            if let Some(Change::Trial(trial)) = watch.next().await.unwrap().unwrap().change {
                return trial.generation;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), permit).await.unwrap()
}

#[tokio::test]
async fn an_operator_forces_a_breaker_and_lets_it_go() {
    let (health, _, _) = health();
    let (mut client, server) = serve(&health).await;
    let force = |force: v1::BreakerForce| v1::ForceBreakerRequest {
        dependency: "charge".into(),
        force: force.into(),
        reason: "maintenance".into(),
        valid_for: None,
    };
    let unknown = client.force_breaker(force(v1::BreakerForce::Open)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    client.register_worker(register(1, &["charge"])).await.unwrap();
    let forced =
        client.force_breaker(force(v1::BreakerForce::Open)).await.unwrap().into_inner().breaker.unwrap();
    assert_eq!((forced.state(), forced.force()), (v1::BreakerState::Open, v1::BreakerForce::Open));
    assert_eq!((forced.force_reason.as_str(), forced.forced_until), ("maintenance", None));
    let released =
        client.force_breaker(force(v1::BreakerForce::Auto)).await.unwrap().into_inner().breaker.unwrap();
    assert_eq!((released.state(), released.force()), (v1::BreakerState::Closed, v1::BreakerForce::Auto));
    let unsaid = client.force_breaker(force(v1::BreakerForce::Unspecified)).await.unwrap_err();
    assert_eq!(unsaid.code(), Code::InvalidArgument);
    server.abort();
}

#[tokio::test]
async fn an_order_with_an_end_is_over_by_itself_and_all_see_why_and_until_when() {
    let (health, _, clock) = health();
    let (mut client, server) = serve(&health).await;
    client.register_worker(register(1, &["charge"])).await.unwrap();
    let mut watch = client.watch(v1::WatchRequest::default()).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();
    let order = |seconds| v1::ForceBreakerRequest {
        dependency: "charge".into(),
        force: v1::BreakerForce::Closed.into(),
        reason: "the vendor says it is back".into(),
        valid_for: Some(holdfast_proto::convert::time::duration(Duration::from_secs(seconds))),
    };
    for (request, field) in [
        (order(0), "valid_for"),
        (order(31 * 24 * 3_600), "valid_for"),
        (v1::ForceBreakerRequest { force: v1::BreakerForce::Auto.into(), ..order(5) }, "valid_for"),
        (v1::ForceBreakerRequest { reason: "y".repeat(501), ..order(5) }, "reason"),
        (v1::ForceBreakerRequest { reason: " ".into(), ..order(5) }, "reason"),
        (v1::ForceBreakerRequest { dependency: "d".repeat(201), ..order(5) }, "dependency"),
    ] {
        let refused = client.force_breaker(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field) && refused.message().len() < 300, "{refused}");
    }
    client.force_breaker(order(600)).await.unwrap();
    let Some(Change::Breaker(told)) = watch.next().await.unwrap().unwrap().change else {
        panic!("no breaker")
    };
    assert_eq!(
        (told.force(), told.force_reason.as_str()),
        (v1::BreakerForce::Closed, "the vendor says it is back")
    );
    assert_eq!(told.forced_until.unwrap().seconds, 1_700_000_600);
    clock.advance(Duration::from_secs(600));
    let timers = tokio::spawn({
        let health = health.clone();
        async move { health.run(std::future::pending()).await }
    });
    let Some(Change::Breaker(over)) = watch.next().await.unwrap().unwrap().change else {
        panic!("no breaker")
    };
    assert_eq!((over.force(), over.state()), (v1::BreakerForce::Auto, v1::BreakerState::Closed));
    assert_eq!((over.force_reason.as_str(), over.forced_until), ("", None));
    timers.abort();
    server.abort();
}

#[tokio::test]
async fn a_model_is_told_what_is_gone_what_to_use_instead_and_what_came_back_and_each_only_once() {
    let (health, answers, clock) = health();
    let (mut client, server) = serve(&health).await;
    client.register_worker(register(1, &["search_a"])).await.unwrap();
    client.register_worker(register(2, &["search_b"])).await.unwrap();
    let ask = |since_version| v1::DescribeForModelRequest {
        tools: vec!["search_a".into(), "search_b".into(), "dance".into()],
        since_version,
    };
    let first = client.describe_for_model(ask(0)).await.unwrap().into_inner();
    assert_eq!(first.tools.len(), 1, "{first:?}");
    assert_eq!((first.tools[0].tool.as_str(), first.tools[0].availability()), ("dance", Availability::Gone));

    clock.advance(Duration::from_secs(60));
    health.leave(worker(1, &[]).id);
    clock.advance(Duration::from_secs(90));
    let second = client.describe_for_model(ask(first.version)).await.unwrap().into_inner();
    assert_eq!(second.tools.len(), 1, "{second:?}");
    assert_eq!(second.tools[0].use_instead, ["search_b"]);
    assert_eq!(
        second.text,
        "Tool availability has changed:\n- search_a is not available (for 1m30s): no worker hosts it. Use instead: search_b."
    );
    let quiet = client.describe_for_model(ask(second.version)).await.unwrap().into_inner();
    assert_eq!((quiet.text.as_str(), quiet.tools.len()), ("", 0));

    clock.advance(Duration::from_secs(1));
    answers.well();
    client.register_worker(register(1, &["search_a"])).await.unwrap();
    let back = client.describe_for_model(ask(quiet.version)).await.unwrap().into_inner();
    assert_eq!(back.tools[0].availability(), Availability::Available);

    clock.advance(Duration::from_secs(1));
    break_it(&mut client, "search_b").await;
    let broken = client.describe_for_model(ask(back.version)).await.unwrap().into_inner();
    assert_eq!(broken.tools[0].availability(), Availability::Unavailable);
    assert!(broken.tools[0].expected_back_at.is_some());
    assert_eq!(broken.tools[0].use_instead, ["search_a"]);
    assert!(clock.now().micros() > 0);
    server.abort();
}

#[tokio::test]
async fn an_instance_that_reports_first_is_asked_for_its_breakers_and_believed() {
    let (health, _, clock) = health();
    let (mut client, server) = serve(&health).await;
    let report = v1::ReportRequest { instance_id: instance(3), report: 1, ..Default::default() };
    let answer = client.report(report.clone()).await.unwrap().into_inner();
    assert!(answer.wants_breakers);
    let retry_at = clock.now().after(Duration::from_secs(40));
    let open = v1::Breaker {
        dependency: "pay".into(),
        state: v1::BreakerState::Open.into(),
        retry_at: Some(holdfast_proto::convert::time::timestamp(retry_at)),
        ..Default::default()
    };
    let answer =
        client.report(v1::ReportRequest { report: 2, breakers: vec![open], ..report }).await.unwrap();
    assert!(!answer.into_inner().wants_breakers);
    let list = client.list_breakers(v1::ListBreakersRequest::default()).await.unwrap().into_inner();
    assert_eq!(list.breakers[0].state(), v1::BreakerState::Open);
    assert_eq!(list.breakers[0].retry_at.unwrap().seconds, 1_700_000_040);
    server.abort();
}

#[tokio::test]
async fn each_move_of_a_breaker_is_counted_once_and_its_state_agrees() {
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let (health, _, _) = health_measured(holdfast_health::Config::default(), telemetry.metrics());
    let (mut client, server) = serve(&health).await;
    let scrape = telemetry.scrape().unwrap();
    let moves = |from: &str, to: &str| {
        let series = format!("holdfast_breaker_transitions_total{{from=\"{from}\",to=\"{to}\"}}");
        scrape.value(&series).unwrap_or_default()
    };
    let states = || {
        let text = scrape.text().unwrap();
        let on =
            text.lines().filter(|line| line.starts_with("holdfast_breaker_state{") && line.ends_with(" 1"));
        on.map(str::to_owned).collect::<Vec<_>>()
    };
    client.register_worker(register(1, &["charge"])).await.unwrap();
    break_it(&mut client, "charge").await;
    assert_eq!(moves("closed", "open"), 1.0);
    assert_eq!(states(), ["holdfast_breaker_state{dependency=\"charge\",state=\"open\"} 1"]);
    for (force, state) in
        [(v1::BreakerForce::Closed, "forced_closed"), (v1::BreakerForce::Open, "forced_open")]
    {
        let request = v1::ForceBreakerRequest {
            dependency: "charge".into(),
            force: force.into(),
            reason: "a test".into(),
            valid_for: None,
        };
        client.force_breaker(request).await.unwrap();
        assert_eq!(
            states(),
            [format!("holdfast_breaker_state{{dependency=\"charge\",state=\"{state}\"}} 1")]
        );
    }
    assert_eq!((moves("open", "forced_closed"), moves("forced_closed", "forced_open")), (1.0, 1.0));
    // What an orchestrator has seen before this service began is taken over, and told.
    let open = v1::Breaker {
        dependency: "post".into(),
        state: v1::BreakerState::Open.into(),
        ..v1::Breaker::default()
    };
    let report =
        v1::ReportRequest { instance_id: instance(2), report: 1, breakers: vec![open], ..Default::default() };
    client.report(report).await.unwrap();
    assert_eq!(states().len(), 2, "{:?}", states());
    let gone = v1::RegisterWorkerRequest { draining: true, ..register(1, &["charge"]) };
    assert_eq!(scrape.value("holdfast_workers{tool=\"charge\"}"), Some(1.0));
    client.register_worker(gone).await.unwrap();
    assert_eq!(scrape.value("holdfast_workers{tool=\"charge\"}"), Some(0.0));
    server.abort();
}
