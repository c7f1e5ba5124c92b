//! Real signals to a real process. One test in this file: a signal reaches every test of a process.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use holdfast_runtime::shutdown::{Shutdown, Stage, obey_signals};
use rustix::process::{Signal, getpid, kill_process};

#[tokio::test]
async fn the_first_signal_drains_and_the_second_aborts() {
    let shutdown = Shutdown::new();
    let obeying = tokio::spawn(obey_signals(shutdown.clone()));
    // On this single-threaded runtime the task runs until its first wait: the handlers are installed then.
    tokio::task::yield_now().await;

    let guard = Duration::from_secs(30);
    kill_process(getpid(), Signal::TERM).unwrap();
    tokio::time::timeout(guard, shutdown.draining()).await.unwrap();
    assert_eq!(shutdown.stage(), Stage::Draining);

    kill_process(getpid(), Signal::INT).unwrap();
    tokio::time::timeout(guard, shutdown.aborting()).await.unwrap();
    tokio::time::timeout(guard, obeying).await.unwrap().unwrap().unwrap();
}
