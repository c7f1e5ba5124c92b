//! A process killed in the middle of heavy appends: what it was told is there, and nothing is half there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use holdfast_ports::{Journal, Keys, Leases};
use holdfast_store::suite::{Driver, ManualClock, driven, event, ids, key};
use holdfast_store::{SqliteConfig, SqliteStore};
use holdfast_types::journal::{Append, Appended, PreviousLife};
use holdfast_types::key::KeyOp;
use holdfast_types::{Payload, TaskId};

const FOLDER: &str = "CRASH_TEST_FOLDER";
const TASKS: usize = 16;

async fn open(folder: &Path) -> SqliteStore {
    let config = SqliteConfig::new(folder.join("holdfast.db"));
    SqliteStore::open(config, ManualClock::default().source()).await.unwrap()
}

fn fixture(store: SqliteStore) -> holdfast_store::suite::Fixture {
    holdfast_store::suite::Fixture::new(store, ManualClock::default(), ())
}

/// The killed process: appends from many tasks, and says each answer on its standard output.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the test below"]
async fn child_that_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let fixture = std::sync::Arc::new(fixture(open(Path::new(&folder)).await));
    let mut drivers = Vec::new();
    for _ in 0..TASKS {
        drivers.push(driven(&fixture).await);
    }
    let tasks = drivers.into_iter().map(|driver| tokio::spawn(append_for_ever(fixture.clone(), driver)));
    futures::future::join_all(tasks).await;
}

async fn append_for_ever(fixture: std::sync::Arc<holdfast_store::suite::Fixture>, mut driver: Driver) {
    loop {
        // Two events and a key that says so: all of it, or nothing.
        let key = key(&format!("{}-{}", driver.task, driver.seq + 2));
        let mut append = driver.change(&key, 1, KeyOp::Done { result: Payload::null() });
        append.events = vec![event("a"), event("b")];
        driver.append(&fixture, append).await;
        // One write a line, so that lines of several tasks do not mix.
        let line = format!("acknowledged {} {}\n", driver.task, driver.seq);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    for lines in [1, 40, 400] {
        let folder = tempfile::tempdir().unwrap();
        let acknowledged = run_and_kill(folder.path(), lines);
        let store = open(folder.path()).await;
        let closed = store.close_former_sessions().await.unwrap();
        assert_eq!(closed as usize, TASKS);
        for (task, seq) in &acknowledged {
            let loaded = store.load(*task).await.unwrap();
            let last = loaded.events.last().unwrap().seq;
            assert!(last >= *seq, "{task} was told {seq} and has {last}");
            // Gapless, whole appends only, and each with its key.
            assert_eq!(loaded.events.len() as u64, last);
            assert_eq!(last % 2, 1, "half an append of {task}");
            for end in (3..=last).step_by(2) {
                assert!(store.get(&key(&format!("{task}-{end}"))).await.unwrap().is_some());
            }
            assert!(store.get(&key(&format!("{task}-{}", last + 2))).await.unwrap().is_none());
        }
        goes_on(&store).await;
    }
}

/// Runs the child until it has said so many lines, and kills it. Returns the last it said of each task.
fn run_and_kill(folder: &Path, lines: usize) -> BTreeMap<TaskId, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_appends_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeMap::new();
    let mut note = |line: String| {
        let mut words = line.split(' ').skip_while(|word| !word.ends_with("acknowledged"));
        if let (Some(_), Some(task), Some(seq)) = (words.next(), words.next(), words.next()) {
            acknowledged.insert(task.parse().unwrap(), seq.parse().unwrap());
            return true;
        }
        false
    };
    let mut seen = 0;
    while seen < lines {
        seen += usize::from(note(output.next().expect("the child ended by itself").unwrap()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died is still in the pipe; the last line may be cut.
    for line in output.map_while(Result::ok).filter(|line| line.len() > 60) {
        note(line);
    }
    acknowledged
}

/// Another process takes the tasks over at once.
async fn goes_on(store: &SqliteStore) {
    let instance = ids::instance();
    Leases::open(store, instance).await.unwrap();
    let owners = (0..TASKS * 2).map(|_| ids::owner()).collect();
    let claims = store.claim(instance, owners, 100).await.unwrap();
    assert_eq!(claims.len(), TASKS);
    for claim in claims {
        assert_eq!((claim.epoch, claim.previous), (2, PreviousLife::Lost));
        let driver = Driver::of(instance, &claim);
        let append: Append = driver.request();
        assert_eq!(store.append(append).await.unwrap(), Appended::at(claim.last_seq + 1));
    }
}
