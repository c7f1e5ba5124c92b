//! The breakers as orchestrators see them over a real socket: one stream each, reports in batches.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{health, health_with};
use crate::remote::serve;
use holdfast_health::Config as Settings;
use holdfast_ports::{
    BreakerBoard, BreakerReport, Breakers, CallKind, CallReport, CallVerdict, Owner, Tools, TrialPermit,
};
use holdfast_resilience::breaker::Policy;
use holdfast_rpc::client::{Channel, Config};
use holdfast_rpc::clients::{RemoteDirectory, RemoteTools, Replicas};
use holdfast_types::InstanceId;
use holdfast_types::breaker::{Generation, Position, View};
use holdfast_types::worker::WorkerInfo;

const GUARD: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

fn instance(number: u8, addresses: &[&str]) -> RemoteDirectory {
    let dial = |info: &WorkerInfo| {
        Arc::new(RemoteTools::new(Channel::new(&info.address, Config::default()))) as Arc<dyn Tools>
    };
    let service = Replicas::new(addresses, &Config::default());
    RemoteDirectory::start_with(service, InstanceId::new(1, [number; 10]), Arc::new(dial))
}

/// Waits until the board is so.
async fn sees(of: &dyn Breakers, holds: impl Fn(&BreakerBoard) -> bool) -> Arc<BreakerBoard> {
    let seen = async {
        let mut board = of.board();
        while !holds(&board) {
            board = of.changed(board.version).await;
        }
        board
    };
    tokio::time::timeout(GUARD, seen).await.expect("the board never says so")
}

fn position(board: &BreakerBoard) -> Option<Position> {
    board.breakers.get("pay").map(|told| told.view.position)
}

fn is_open(board: &BreakerBoard) -> bool {
    matches!(position(board), Some(Position::Open { .. }))
}

fn call(verdict: CallVerdict, kind: CallKind, generation: Option<Generation>) -> CallReport {
    CallReport { dependency: "pay".into(), worker: None, verdict, elapsed: SECOND, generation, kind }
}

async fn report(from: &dyn Breakers, calls: Vec<CallReport>) {
    from.report(BreakerReport { calls, breakers: Vec::new() }).await.unwrap();
}

const FAILED: CallVerdict = CallVerdict::Failed { retry_after: None };

fn even() -> Settings {
    let breakers = Policy { open_jitter_percent: 0, ..Policy::default() }.into();
    Settings { breakers, ..Settings::default() }
}

/// A permit of the generation that the board shows.
fn permit(board: &BreakerBoard) -> Option<TrialPermit> {
    let generation = board.breakers.get("pay")?.view.generation;
    board.permits.get("pay").copied().filter(|permit| permit.generation == generation)
}

#[tokio::test]
async fn one_instance_s_report_shuts_the_circuit_for_all() {
    let (health, _, _) = health_with(even());
    let (address, server) = serve(&health).await;
    let all: Vec<_> = (1..=3).map(|number| instance(number, &[&address])).collect();
    for one in &all {
        sees(one, |board| board.owner != Owner::Away).await;
    }
    report(&all[0], vec![call(FAILED, CallKind::Plain, None); 5]).await;
    for one in &all {
        let board = sees(one, is_open).await;
        assert_eq!(position(&board), Some(Position::Open { left: SECOND * 5 }));
    }
    // Who comes later is told, too, with what is left by then.
    let late = instance(4, &[&address]);
    sees(&late, is_open).await;
    server.abort();
}

#[tokio::test]
async fn one_trial_is_out_over_all_instances_until_its_verdict() {
    let (health, _, clock) = health_with(even());
    let (address, server) = serve(&health).await;
    let all: Vec<_> = (1..=3).map(|number| instance(number, &[&address])).collect();
    for one in &all {
        report(one, vec![call(FAILED, CallKind::Plain, None)]).await;
    }
    let told = sees(&all[0], |board| board.breakers.contains_key("pay")).await;
    let closed = Some(told.breakers["pay"].view.generation);
    report(&all[0], vec![call(FAILED, CallKind::Plain, closed); 2]).await;
    sees(&all[0], is_open).await;

    // Its time is over: one of them gets the trial.
    clock.advance(SECOND * 5);
    let noise = || call(CallVerdict::Nothing, CallKind::Plain, closed);
    report(&all[2], vec![noise()]).await;
    let half_open = |board: &BreakerBoard| matches!(position(board), Some(Position::HalfOpen { .. }));
    for one in &all {
        sees(one, half_open).await;
    }
    let first = sees(&all[0], |board| permit(board).is_some()).await;
    let holders = || all.iter().filter(|one| permit(&one.board()).is_some()).count();
    assert_eq!(holders(), 1);

    // It begins: past the lease, and whoever reports, nobody else gets one.
    let generation = Some(permit(&first).unwrap().generation);
    report(&all[0], vec![call(CallVerdict::Begun, CallKind::Trial, generation)]).await;
    clock.advance(SECOND * 6);
    for one in &all {
        report(one, vec![noise()]).await;
    }
    assert_eq!(holders(), 1);

    // Its verdict frees the next one, of another instance; that one's closes it for all.
    report(&all[0], vec![call(CallVerdict::Alive, CallKind::Trial, generation)]).await;
    sees(&all[1], |board| permit(board).is_some()).await;
    report(&all[1], vec![call(CallVerdict::Alive, CallKind::Trial, generation)]).await;
    for one in &all {
        sees(one, |board| position(board) == Some(Position::Closed)).await;
    }
    server.abort();
}

#[tokio::test]
async fn a_service_that_starts_anew_asks_and_is_told_and_lets_the_teller_try() {
    let (first, _, _) = health_with(even());
    let (address, server) = serve(&first).await;
    let (second, _, clock) = health_with(even());
    let (other, other_server) = serve(&second).await;
    let instance = instance(1, &[&address, &other]);
    report(&instance, vec![call(FAILED, CallKind::Plain, None); 5]).await;
    let before = sees(&instance, is_open).await;
    server.abort();
    let _ = server.await;
    // Away, and there again: it has forgotten everything, and wants to hear of it.
    let anew = sees(&instance, |board| match board.owner {
        Owner::Present { asks } => Owner::Present { asks } != before.owner && position(board).is_none(),
        Owner::Away => false,
    });
    anew.await;
    let view =
        View { generation: Generation::default(), position: Position::Open { left: SECOND * 4 }, level: 1 };
    let own = BreakerReport { calls: Vec::new(), breakers: vec![("pay".to_owned(), view)] };
    instance.report(own).await.unwrap();
    let board = sees(&instance, is_open).await;
    assert_eq!(position(&board), Some(Position::Open { left: SECOND * 4 }));
    // Who told of it is who gets the trial, though it made no call here yet.
    clock.advance(SECOND * 4);
    report(&instance, vec![call(CallVerdict::Nothing, CallKind::Plain, None)]).await;
    sees(&instance, |board| permit(board).is_some()).await;
    other_server.abort();
}

#[tokio::test]
async fn the_first_report_to_a_service_is_answered_with_a_question() {
    let (health, _, _) = health();
    let (address, server) = serve(&health).await;
    let instance = instance(1, &[&address]);
    let came = sees(&instance, |board| board.owner != Owner::Away).await;
    report(&instance, vec![call(CallVerdict::Alive, CallKind::Plain, None)]).await;
    sees(&instance, |board| board.owner != came.owner).await;
    server.abort();
}

#[tokio::test]
async fn an_instance_of_the_same_process_sees_the_same() {
    let (health, _, clock) = health_with(even());
    let local = health.breakers_for(InstanceId::new(1, [1; 10]));
    assert_eq!(local.board().owner, Owner::Present { asks: 0 });
    report(&local, vec![call(FAILED, CallKind::Plain, None); 5]).await;
    let board = sees(&local, is_open).await;
    clock.advance(SECOND * 5);
    report(&local, vec![call(CallVerdict::Nothing, CallKind::Plain, None)]).await;
    let half_open = local.changed(board.version).await;
    let generation = Some(permit(&half_open).unwrap().generation);
    report(&local, vec![call(CallVerdict::Begun, CallKind::Trial, generation)]).await;
    clock.advance(SECOND * 6);
    report(&local, vec![call(CallVerdict::Alive, CallKind::Trial, generation)]).await;
    let again = sees(&local, |board| permit(board) != permit(&half_open)).await;
    assert!(permit(&again).is_some(), "the next trial");
    report(&local, vec![call(CallVerdict::Alive, CallKind::Trial, generation)]).await;
    sees(&local, |board| position(board) == Some(Position::Closed)).await;
}
