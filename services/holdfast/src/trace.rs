//! A task's trace as a tree for people, and as a list for programs.

use std::collections::BTreeMap;

use holdfast_orchestrator::timeline::{Fate, Record, What};
use holdfast_proto::convert::time::timestamp;
use holdfast_telemetry::Coordinates;
use holdfast_types::{TaskId, Timestamp};
use serde_json::{Map, Value, json};

use crate::output::table;

/// The records of a trace, each under its parent, in the order in which they began.
pub(crate) struct Tree {
    task: TaskId,
    began: Timestamp,
    below: BTreeMap<Option<Coordinates>, Vec<Record>>,
}

impl Tree {
    pub(crate) fn of(task: TaskId, records: Vec<Record>) -> Self {
        let began = records.iter().map(|record| record.began).min().unwrap_or_default();
        let mut below: BTreeMap<Option<Coordinates>, Vec<Record>> = BTreeMap::new();
        for record in records {
            below.entry(record.place.parent()).or_default().push(record);
        }
        for children in below.values_mut() {
            children.sort_by(|one, other| (one.began, &one.place).cmp(&(other.began, &other.place)));
        }
        Self { task, began, below }
    }

    fn children(&self, of: Option<&Record>) -> &[Record] {
        self.below.get(&of.map(|record| record.place.clone())).map_or(&[], Vec::as_slice)
    }

    /// One object a span, parents before children.
    pub(crate) fn json(&self) -> Vec<Value> {
        let mut spans = Vec::new();
        self.visit(None, &mut |record, _| spans.push(self.object(record)));
        spans
    }

    fn object(&self, record: &Record) -> Value {
        let id = |place: &Coordinates| hex::encode(place.span_id(self.task));
        let mut object = Map::new();
        object.insert("span_id".to_owned(), json!(id(&record.place)));
        object.insert("parent_id".to_owned(), json!(record.place.parent().as_ref().map(id)));
        object.insert("name".to_owned(), json!(record.name()));
        object.insert("started_at".to_owned(), json!(timestamp(record.began).to_string()));
        object.insert("ended_at".to_owned(), json!(record.ended.map(|at| timestamp(at).to_string())));
        let took = record.ended.map(|ended| ended.since(record.began).as_micros());
        object.insert("duration_us".to_owned(), json!(took.map(|took| took.to_string())));
        object.insert("ended".to_owned(), json!(record.how()));
        object.insert("error".to_owned(), json!(record.fate.error()));
        if let What::Call { recorded_by: Some(by), .. } = &record.what {
            object.insert("recorded_by".to_owned(), json!(by));
        }
        Value::Object(object)
    }

    fn visit<'a>(&'a self, of: Option<&'a Record>, see: &mut dyn FnMut(&'a Record, &[Branch])) {
        self.descend(of, &mut Vec::new(), see);
    }

    fn descend<'a>(
        &'a self,
        of: Option<&'a Record>,
        branches: &mut Vec<Branch>,
        see: &mut dyn FnMut(&'a Record, &[Branch]),
    ) {
        let children = self.children(of);
        for (position, child) in children.iter().enumerate() {
            let last = position + 1 == children.len();
            branches.push(if last { Branch::Last } else { Branch::Inner });
            see(child, branches);
            self.descend(Some(child), branches, see);
            branches.pop();
        }
    }
}

/// Where a node stands among its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    Inner,
    Last,
}

/// The tree for people.
pub(crate) fn shown(tree: &Tree) -> String {
    let mut rows = Vec::new();
    tree.visit(None, &mut |record, branches| {
        let after = record.began.since(tree.began);
        let took = match record.ended {
            Some(ended) => told(ended.since(record.began)),
            None => "under way".to_owned(),
        };
        rows.push(vec![
            format!("{}{}", drawn(branches), label(record)),
            format!("+{}", told(after)),
            took,
            marks(record),
        ]);
    });
    table::lines(&rows)
}

fn drawn(branches: &[Branch]) -> String {
    // The root stands alone.
    let Some((own, above)) = branches.get(1..).and_then(|below| below.split_last()) else {
        return String::new();
    };
    let mut drawn: String =
        above.iter().map(|branch| if *branch == Branch::Last { "   " } else { "│  " }).collect();
    drawn.push_str(if *own == Branch::Last { "└─ " } else { "├─ " });
    drawn
}

fn label(record: &Record) -> String {
    match (&record.what, &record.place) {
        (What::Life { epoch, .. }, _) => format!("life {epoch}"),
        (What::Attempt { number, .. }, _) => format!("attempt {number}"),
        (What::Call { .. }, Coordinates::Call(call)) if call.index.is_some() => {
            format!("{} {call}", record.name())
        }
        _ => record.name(),
    }
}

fn marks(record: &Record) -> String {
    let mut marks = Vec::new();
    if let Some(error) = record.fate.error() {
        marks.push(format!("✗ {error}"));
    }
    match &record.what {
        What::Life { .. } | What::Finish { .. } => marks.extend(record.how().map(str::to_owned)),
        What::Call { recorded_by: Some(by), .. } => marks.push(format!("done by {by}")),
        What::Call { retries, .. } if *retries > 0 => marks.push(format!("retried {retries}")),
        _ => {}
    }
    let usual = matches!(record.how(), None | Some("SUCCEEDED" | "FAILED" | "CLOSED"));
    if !usual && matches!(record.what, What::Step { .. } | What::Call { .. } | What::Attempt { .. }) {
        marks.extend(record.how().map(str::to_owned));
    }
    if let (What::Finish { retries, lives, .. }, true) = (&record.what, record.fate != Fate::Cancelled) {
        marks.push(format!("retried {retries}, resumed {}", lives.saturating_sub(1)));
    }
    marks.join(", ")
}

fn told(took: std::time::Duration) -> String {
    let micros = took.as_micros();
    match micros {
        0..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{}.{}ms", micros / 1_000, micros / 100 % 10),
        _ => format!("{}.{:02}s", micros / 1_000_000, micros / 10_000 % 100),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_orchestrator::timeline::LifeEnd;
    use holdfast_types::task::StepStatus;
    use holdfast_types::{CallId, Direction, StepId};

    use super::*;

    fn record(place: Coordinates, what: What, began: i64, ended: Option<i64>) -> Record {
        let at = Timestamp::from_micros;
        Record { place, what, began: at(began), ended: ended.map(at), fate: Fate::Fine }
    }

    #[test]
    fn a_tree_is_drawn_with_times_and_marks() {
        let step = StepId::try_new("pay").unwrap();
        let call = CallId::forward(step.clone(), None);
        let life = What::Life { epoch: 1, before: None, end: Some(LifeEnd::Crash) };
        let what = What::Call {
            tool: "charge".parse().unwrap(),
            direction: Direction::Forward,
            end: None,
            retries: 1,
            recorded_by: None,
        };
        let task = What::Task { name: "trip".into(), namespace: "default".into() };
        let records = vec![
            record(Coordinates::Call(call.clone()), what, 1_000, None),
            record(Coordinates::Step(step), What::Step { status: StepStatus::Running }, 1_000, None),
            record(Coordinates::Life(1), life, 500, Some(2_500_500)),
            record(Coordinates::Task, task, 0, Some(0)),
        ];
        let tree = Tree::of(TaskId::new(1, [1; 10]), records);
        let expected = "\
invoke_workflow trip           +0µs    0µs
├─ life 1                      +500µs  2.50s      crash
└─ step pay                    +1.0ms  under way
   └─ execute_tool charge      +1.0ms  under way  retried 1";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&shown(&tree)), squeezed(expected));
        let spans = tree.json();
        assert_eq!(spans.len(), 4);
        assert_eq!(spans[3]["parent_id"], spans[2]["span_id"]);
    }
}
