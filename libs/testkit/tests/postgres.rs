//! Servers of tests end with their tests.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use holdfast_testkit::{Flush, Postgres, PostgresDatabase, running_with};

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
    assert!(!std::path::Path::new(&folder).exists());
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
