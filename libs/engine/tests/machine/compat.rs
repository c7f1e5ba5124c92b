//! Journals of every released version still fold (DESIGN section 3). A fixture is never edited: a new version adds
//! files of its own, with `UPDATE=1` in a folder that has none yet.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use holdfast_engine::Task;
use holdfast_types::journal::EventRow;
use holdfast_types::{TaskId, Timestamp};
use serde_json::{Value, json};

use crate::scenarios::{trip, with_faults};
use crate::sim::Crash;
use crate::world::{EVERY, Fault};

const VERSION: &str = "0.1";

type Scenario = (&'static str, &'static [(&'static str, u32, Fault)], Crash);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn write_row(row: &EventRow) -> String {
    json!({
        "seq": row.seq, "epoch": row.epoch, "at": row.at.micros(), "kind": row.kind, "v": row.v, "body": row.body,
    })
    .to_string()
}

fn read_row(line: &str) -> EventRow {
    let row: Value = serde_json::from_str(line).unwrap();
    EventRow {
        seq: row["seq"].as_u64().unwrap(),
        epoch: row["epoch"].as_u64().unwrap(),
        at: Timestamp::from_micros(row["at"].as_i64().unwrap()),
        kind: row["kind"].as_str().unwrap().to_owned(),
        v: row["v"].as_u64().unwrap().try_into().unwrap(),
        body: row["body"].as_str().unwrap().to_owned(),
    }
}

/// What a reader must get out of a journal, whatever version reads it.
fn account(task: &Task) -> String {
    let summary = task.summary();
    let mut text = format!("{} {:?}\n", summary.status, summary.outcome);
    for step in task.steps() {
        writeln!(text, "{} {} after {} attempts", step.id, step.status, step.attempts).unwrap();
    }
    for call in task.calls().filter(|call| call.attempts > 0) {
        writeln!(text, "{} {} by {}", call.call, call.status, call.tool).unwrap();
    }
    text
}

fn write_fixtures(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let scenarios: [Scenario; 4] = [
        ("plain", &[], Crash::Never),
        ("retried_and_crashed", &[("charge", 1, Fault::Transient)], Crash::Before(11)),
        ("undone", &[("hotel", EVERY, Fault::Permanent)], Crash::Never),
        ("unknown", &[("flight", 1, Fault::Ambiguous), ("hotel", 1, Fault::Ambiguous)], Crash::Never),
    ];
    for (name, faults, crash) in scenarios {
        let mut sim = with_faults(trip(), faults);
        sim.crash = crash;
        let _ = sim.run();
        let lines: Vec<String> = sim.journal.iter().map(write_row).collect();
        std::fs::write(folder.join(format!("{name}.jsonl")), lines.join("\n") + "\n").unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), account(&sim.task)).unwrap();
    }
}

#[test]
fn journals_of_every_version_fold_to_what_they_meant() {
    let own = fixtures().join(VERSION);
    if std::env::var_os("UPDATE").is_some() && !own.exists() {
        write_fixtures(&own);
    }
    let mut read = 0;
    for version in std::fs::read_dir(fixtures()).unwrap() {
        for entry in std::fs::read_dir(version.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let rows: Vec<EventRow> = text.lines().map(read_row).collect();
            let task = Task::fold(TaskId::new(1, [1; 10]), &rows).unwrap();
            let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap();
            assert_eq!(account(&task), expected, "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 4, "only {read} fixtures");
}
