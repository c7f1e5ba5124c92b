//! A worker in a process of its own, to be killed by a test: `guard_host PROGRAM ARGS…` runs one call of
//! `process_exec` and prints its outcome; `guard_host guard …` is its guard.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use holdfast_runtime::{Clock, Ids, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_types::worker::{CallRef, Execute, ExecuteEvent};
use holdfast_types::{Key, Namespace, Payload};
use holdfast_worker::config::Grants;
use holdfast_worker::{Config, Deps, GuardCommand, Worker, guard};
use serde_json::json;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|arg| arg == "guard").is_some() {
        return Ok(guard::main(args));
    }
    let args: Vec<String> = args.filter_map(|arg| arg.into_string().ok()).collect();
    tokio::runtime::Runtime::new()?.block_on(run(&args))?;
    Ok(ExitCode::SUCCESS)
}

async fn run(args: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let (program, args) = args.split_first().ok_or("usage: guard_host PROGRAM ARGS…")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Ids::system();
    let deps = Deps {
        clock: clock.clone(),
        ids: ids.clone(),
        blobs: None,
        keys: None,
        guard: GuardCommand::default(),
        metrics: Metrics::no_op(),
    };
    let grants = Grants { exec: vec![program.clone()], ..Grants::default() };
    let worker = Worker::new(Config { grants, ..Config::default() }, deps, Vec::new())?;
    let call = Execute {
        worker: worker.id(),
        call: CallRef { task: ids.task(), call: "run".parse()? },
        attempt: 1,
        epoch: 1,
        not_after: clock.now().after(Duration::from_secs(60)),
        timeout: Duration::from_secs(600),
        namespace: Namespace::default(),
        tool: "process_exec".parse()?,
        args: Payload::Json(json!({ "program": program, "args": args })),
        key: Key::try_new("default/process_exec/call/1")?,
        token: 1,
        side_effect: None,
    };
    let mut events = worker.tools().execute(call).await?;
    while let Some(event) = events.next().await {
        if let ExecuteEvent::Finished(outcome) = event? {
            println!("{outcome:?}");
        }
    }
    Ok(())
}
