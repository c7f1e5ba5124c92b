//! Measures durable appends: `cargo run --profile ci -p holdfast-store --example append_bench -- [DIR] [SECONDS]`.
//!
//! Each caller drives one task: two events of 1 KB an append, the next one when the last is answered. Once without
//! keys, and once with a claim and a settled key in each append, as a step with a side effect has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use holdfast_ports::{Journal, Leases};
use holdfast_store::{SqliteConfig, SqliteStore};
use holdfast_types::journal::{
    Append, Appended, Claimant, Created, Hold, NewEvent, NewTask, Progress, RowUpdate,
};
use holdfast_types::key::{Key, KeyChange, KeyOp};
use holdfast_types::{
    AppendId, CallId, InstanceId, Namespace, OwnerId, Payload, StepId, TaskId, TaskStatus, Timestamp,
};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3);
    println!(
        "{:<6} {:>8} {:>10} {:>8} {:>8} {:>14}",
        "keys", "callers", "appends/s", "p50 us", "p99 us", "cpu us/append"
    );
    for keys in [false, true] {
        for callers in [1, 16, 64, 256] {
            let path = folder.join(format!("append-bench-{}.db", std::process::id()));
            let store = SqliteStore::open(SqliteConfig::new(&path), clock()).await.unwrap();
            let before = cpu();
            let mut waits = drive(&store, callers, Duration::from_secs(seconds), keys).await;
            let cpu = (cpu() - before).as_micros() / waits.len() as u128;
            store.close().await;
            waits.sort_unstable();
            let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_micros();
            let rate = waits.len() as u64 / seconds;
            println!("{keys:<6} {callers:>8} {rate:>10} {:>8} {:>8} {cpu:>14}", at(50), at(99));
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{end}", path.display()));
            }
        }
    }
}

/// The processor time of this process, where the system tells it: a figure that other load does not change.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    // User and system time, in hundredths of a second.
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn clock() -> holdfast_store::Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    })
}

async fn drive(store: &SqliteStore, callers: usize, length: Duration, keys: bool) -> Vec<Duration> {
    let instance = InstanceId::new(1, [1; 10]);
    store.open(instance).await.unwrap();
    let end = Instant::now() + length;
    let callers: Vec<_> = (0..callers)
        .map(|caller| tokio::spawn(call(store.clone(), instance, id(caller as u64, 0), end, keys)))
        .collect();
    let mut waits = Vec::new();
    for caller in callers {
        waits.extend(caller.await.unwrap());
    }
    waits
}

fn id(caller: u64, turn: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&u16::try_from(caller).unwrap().to_be_bytes());
    bytes[2..].copy_from_slice(&turn.to_be_bytes());
    bytes
}

fn event() -> NewEvent {
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(1000));
    NewEvent {
        at: Timestamp::from_micros(1),
        kind: "call_finished".to_owned(),
        v: 1,
        body,
        blobs: Vec::new(),
    }
}

async fn call(
    store: SqliteStore,
    instance: InstanceId,
    random: [u8; 10],
    end: Instant,
    keys: bool,
) -> Vec<Duration> {
    let millis =
        u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let task = TaskId::new(millis, random);
    let owner = OwnerId::new(millis, random);
    let created = store.create(NewTask {
        id: task,
        namespace: Namespace::default(),
        name: "bench".to_owned(),
        labels: BTreeMap::new(),
        digest: "0".repeat(64),
        events: vec![event()],
        submitted_at: Timestamp::from_micros(1),
        claimant: Some(Claimant { instance, owner }),
        queue_limit: 10_000,
        priority: holdfast_types::Priority::default(),
    });
    assert!(matches!(created.await.unwrap(), Created::New { epoch: 1, .. }));
    let mut waits = Vec::new();
    let mut seq = 1;
    let mut turn = 1_u64;
    while Instant::now() < end {
        let append = Append {
            id: AppendId::new(turn, random),
            task,
            epoch: 1,
            owner,
            expected_seq: seq,
            events: vec![event(), event()],
            keys: if keys { changes(task, turn) } else { Vec::new() },
            last_good: Vec::new(),
            handled: Vec::new(),
            row: RowUpdate { status: TaskStatus::Running, outcome: None, waits_for: None, wake_at: None },
            progress: Progress::Outcome,
            hold: Hold::Keep,
        };
        let start = Instant::now();
        let answer = store.append(append).await.unwrap();
        waits.push(start.elapsed());
        assert!(matches!(answer, Appended::Ok { last_seq, .. } if last_seq == seq + 2));
        seq += 2;
        turn += 1;
    }
    waits
}

/// The result of the last step, and the claim of the next.
fn changes(task: TaskId, turn: u64) -> Vec<KeyChange> {
    let key = |turn| Key::try_new(format!("default/charge/{task}/{turn:064}")).unwrap();
    let change = |turn, op| KeyChange {
        key: key(turn),
        generation: 1,
        call: CallId::forward(StepId::try_new("charge").unwrap(), u32::try_from(turn).ok()),
        op,
    };
    vec![
        change(turn, KeyOp::Done { result: Payload::null() }),
        change(turn + 1, KeyOp::Claim { fingerprint: "f".repeat(64) }),
    ]
}
