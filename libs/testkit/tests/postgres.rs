//! Servers of tests end with their tests.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};
use holdfast_testkit::{ChildGuard, Flush, Postgres, PostgresDatabase, running_with};

const CHILD: &str = "HOLDFAST_TEST_POSTGRES_CHILD";
const WAIT: Duration = Duration::from_secs(120);

/// Asks a server for one value.
fn ask(url: &str, statement: &str) -> Option<String> {
    let output = Command::new("psql").args(["-X", "-tA", "-c", statement, url]).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn a_killed_server_starts_again_with_its_data_and_ends_with_its_test() {
    let mut server = Postgres::start(Flush::EveryCommit).unwrap();
    let url = server.url();
    ask(&url, "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    for _ in 0..2 {
        server.kill().unwrap();
        assert_eq!(ask(&url, "SELECT n FROM t"), None);
        server.start_again().unwrap();
        assert_eq!(ask(&url, "SELECT n FROM t").unwrap(), "7");
    }
    server.stop().unwrap();
    server.start_again().unwrap();
    let folder = ask(&url, "SHOW data_directory").unwrap();
    assert!(!running_with(&folder).unwrap().is_empty());
    drop(server);
    assert_eq!(running_with(&folder).unwrap(), Vec::<u32>::new());
    assert!(!Path::new(&folder).exists());
}

#[test]
fn each_test_has_a_database_of_its_own() {
    let (a, b) = (PostgresDatabase::create().unwrap(), PostgresDatabase::create().unwrap());
    ask(&a.url(), "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    assert_eq!(ask(&b.url(), "SELECT n FROM t"), None);
    let gone = a.url();
    drop(a);
    assert_eq!(ask(&gone, "SELECT 1"), None);
    assert_eq!(ask(&b.url(), "SELECT 1").unwrap(), "1");
}

/// The process that is killed: says where its server's data is, and waits for its end.
#[test]
#[ignore = "the child of the test below"]
fn child_that_holds_a_server_until_it_is_killed() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let server = Postgres::start(Flush::Never).unwrap();
    println!("\nserver {}", ask(&server.url(), "SHOW data_directory").unwrap());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_server_ends_though_its_process_is_killed() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "child_that_holds_a_server_until_it_is_killed", "--nocapture"]);
    command.env(CHILD, "1");
    let mut child = ChildGuard::start(command).unwrap();
    let data = child.line("server", WAIT, |line| line.strip_prefix("server ").map(str::to_owned)).unwrap();
    let folder = Path::new(&data).parent().unwrap().to_string_lossy().into_owned();
    assert!(!running_with(&folder).unwrap().is_empty());
    child.kill().unwrap();
    let deadline = SystemClock.boot().after(WAIT);
    while !running_with(&folder).unwrap().is_empty() || Path::new(&folder).exists() {
        assert!(!deadline.since(SystemClock.boot()).is_zero(), "it still runs");
        std::thread::yield_now();
    }
}
