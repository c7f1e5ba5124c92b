//! Nothing that runs often reads more rows than it needs, however many are stored: what PostgreSQL really reads for
//! the statements of claims, lists, appends and retention, on filled tables.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use holdfast_testkit::PostgresDatabase;
use holdfast_types::journal::TaskFilter;
use holdfast_types::{Namespace, TaskId, TaskOutcome, TaskStatus, Timestamp};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::append::{LOCK_TASKS, REST, WRITE};
use super::keys::verbs as keys;
use super::rows::EVENT;
use super::{PostgresClock, PostgresConfig, PostgresStore, claims, leases, prune, tasks, turns};
use crate::OnLoss;

/// Waiting tasks; there are a quarter as many finished ones, and a few of every other kind.
const WAITING: i64 = 12_000;

/// More rows than this are a walk through a table.
const FEW: f64 = 400.0;

/// Fills the tables. Times: 1,000 is now.
const FILL: &str = "
INSERT INTO sessions (instance, until) SELECT decode(md5('s' || n), 'hex'), CASE n WHEN 1 THEN 500 ELSE 5000 END
    FROM generate_series(1, 4) AS n;
INSERT INTO tasks (id, epoch, last_seq, wake_at, submitted_at, updated_at, status, namespace, name, digest, labels)
    SELECT decode(md5('w' || n), 'hex'), 1, 3, 100000 + n, n, n, 'WAITING', 'default', 'trip', 'd', '{\"a\": \"b\"}'
    FROM generate_series(1, $WAITING) AS n;
INSERT INTO tasks (id, epoch, last_seq, finished_at, submitted_at, updated_at, status, outcome, namespace, name,
        digest, labels)
    SELECT decode(md5('f' || n), 'hex'), 1, 3, 100 + n, n, n, 'FINISHED', 'SUCCEEDED', 'default', 'trip', 'd', '{}'
    FROM generate_series(1, $WAITING / 4) AS n;
INSERT INTO tasks (id, epoch, last_seq, wake_at, submitted_at, updated_at, status, namespace, name, digest, labels)
    SELECT decode(md5('d' || n), 'hex'), 1, 3, 900, n, n, 'QUEUED', 'other', 'trip', 'd', '{}'
    FROM generate_series(1, 60) AS n;
INSERT INTO tasks (id, epoch, last_seq, owner, instance, submitted_at, updated_at, status, namespace, name, digest,
        labels)
    SELECT decode(md5('h' || n), 'hex'), 1, 3, decode(md5('o' || n), 'hex'), decode(md5('s' || (n % 4 + 1)), 'hex'),
        n, n, 'RUNNING', 'default', 'trip', 'd', '{}'
    FROM generate_series(1, 200) AS n;
INSERT INTO events (task, seq, epoch, at, v, kind, body)
    SELECT id, seq, 1, 1, 1, 'noted', repeat('x', 100) FROM tasks, generate_series(1, 3) AS seq;
INSERT INTO inbox (id, task, handled, body)
    SELECT decode(md5('i' || n), 'hex'), decode(md5('w' || (n % 3000 + 1)), 'hex'), n > 100, '{}'
    FROM generate_series(1, 6000) AS n;
INSERT INTO keys (key, generation, epoch, token, attempts, answered, since, changed_at, keep_until, pinned, holder_task,
        holder_name, first_name, fingerprint, state, detail)
    SELECT 'default/k/ns/' || n, 1, 1, 1, 1, 0, 1, 1, CASE WHEN n % 2 = 0 THEN 5000 + n END, true,
        decode(md5('w' || n), 'hex'), 'charge#0', 'charge#0', 'f', CASE WHEN n % 2 = 0 THEN 'DONE' ELSE 'OPEN' END,
        CASE WHEN n % 2 = 0 THEN '{}' END
    FROM generate_series(1, 8000) AS n;
INSERT INTO blobs (sha256, size, touched_at)
    SELECT decode(md5('a' || n) || md5('b' || n), 'hex'), 1, 5000 FROM generate_series(1, 5000) AS n;
VACUUM ANALYZE";

async fn filled() -> (PgConnection, PostgresDatabase) {
    let database = PostgresDatabase::create().unwrap();
    let config = PostgresConfig { on_loss: OnLoss::Warn, ..PostgresConfig::new(database.url()) };
    let clock = PostgresClock::Given(std::sync::Arc::new(|| Timestamp::from_micros(1000)));
    PostgresStore::open(config, clock).await.unwrap().close().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for statement in FILL.split(';') {
        let text = statement.replace("$WAITING", &WAITING.to_string());
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
    (connection, database)
}

/// Runs a statement with these arguments, takes it back, and returns its plan with what was really read: once with a
/// plan made for the arguments, once with the one for any.
async fn plans(connection: &mut PgConnection, text: &str, arguments: &str) -> Vec<Value> {
    let mut plans = Vec::new();
    for mode in ["force_custom_plan", "force_generic_plan"] {
        for statement in
            [format!("SET plan_cache_mode = {mode}"), "BEGIN".to_owned(), format!("PREPARE p AS {text}")]
        {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
        }
        let call = if arguments.is_empty() { "p".to_owned() } else { format!("p({arguments})") };
        let explain = AssertSqlSafe(format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {call}"));
        let row = sqlx::raw_sql(explain).fetch_one(&mut *connection).await;
        let row = row.unwrap_or_else(|error| panic!("{text}: {error}"));
        plans.push(serde_json::from_str(&row.try_get_unchecked::<String, _>(0).unwrap()).unwrap());
        sqlx::raw_sql("ROLLBACK; DEALLOCATE p").execute(&mut *connection).await.unwrap();
    }
    plans
}

/// How many rows of tables that grow a plan has read, whether it kept them or not.
fn rows_read(node: &Value) -> f64 {
    let number = |name: &str| node.get(name).and_then(Value::as_f64).unwrap_or_default();
    let grows = node.get("Relation Name").and_then(Value::as_str).is_some_and(|name| name != "sessions");
    let is_scan = node.get("Node Type").and_then(Value::as_str).is_some_and(|kind| kind.contains("Scan"));
    let own = if grows && is_scan {
        let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        (number("Actual Rows") + removed) * number("Actual Loops")
    } else {
        0.0
    };
    let children = node.get("Plans").and_then(Value::as_array).into_iter().flatten();
    own + children.map(rows_read).sum::<f64>()
}

async fn check(connection: &mut PgConnection, text: &str, arguments: &str) {
    for plan in plans(connection, text, arguments).await {
        let read = rows_read(&plan[0]["Plan"]);
        assert!(read <= FEW, "{read} rows read for {text}\n{plan:#}");
    }
}

/// An id as the tables are filled with.
fn id(name: &str) -> String {
    format!("decode(md5('{name}'), 'hex')")
}

#[tokio::test]
async fn claims_and_wakeups_stay_flat() {
    let (mut connection, _database) = filled().await;
    let (held, due, session) = (id("h4"), id("d1"), id("s1"));
    for (text, arguments) in [
        (claims::due_text(), "1000, 50".to_owned()),
        // Nothing is due: nothing is read.
        (claims::due_text(), "1, 50".to_owned()),
        (turns::NAMESPACES.to_owned(), "'', 50".to_owned()),
        (turns::OF_NAMESPACES.to_owned(), "ARRAY['default', 'other'], 1000, 25".to_owned()),
        (turns::lock_text(), format!("1000, ARRAY[{due}, {held}]")),
        (claims::lost_text(), "1000, 50".to_owned()),
        (claims::AT_REST.to_owned(), "1000".to_owned()),
        (claims::one_due_text(), format!("{due}, 1000")),
        (claims::one_lost_text(), format!("{held}, 1000")),
        (claims::of_instance_text(), session),
        (leases::next_wake_text(), "1000".to_owned()),
    ] {
        check(&mut connection, &text, &arguments).await;
    }
    for plan in plans(&mut connection, &claims::due_text(), "1, 50").await {
        assert!(rows_read(&plan[0]["Plan"]) < 1.0, "waiting tasks are read: {plan:#}");
    }
}

#[tokio::test]
async fn appends_reads_and_retention_find_their_rows() {
    let (mut connection, _database) = filled().await;
    let (task, message) = (id("w1"), id("i1"));
    let write = format!(
        "ARRAY[{task}], '{{4}}', '{{1}}', '{{1}}', '{{1}}', '{{k}}', '{{b}}', '{{}}', '{{}}', ARRAY[{task}], \
         ARRAY[{message}], ARRAY[{task}], '{{4}}', '{{NULL}}', '{{t}}', '{{RUNNING}}', '{{NULL}}', '{{NULL}}', \
         '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{NONE}}', '{{0}}', '{{NULL}}', 1"
    );
    for (text, arguments) in [
        (LOCK_TASKS(), format!("ARRAY[{task}, {}]", id("h1"))),
        (REST(), format!("ARRAY['default/k/ns/1', 'new'], ARRAY[{task}], ARRAY[{task}]")),
        (WRITE.to_owned(), write),
        (
            format!("SELECT {EVENT} FROM events WHERE task = $1 AND seq > $2 ORDER BY seq LIMIT $3"),
            format!("{task}, 1, 256"),
        ),
        ("SELECT body FROM inbox WHERE task = $1 AND NOT handled ORDER BY no".to_owned(), task.clone()),
        (
            "SELECT coalesce(sum(unfinished), 0) FROM queues WHERE namespace = $1".to_owned(),
            "'default'".to_owned(),
        ),
        (keys::DUE.to_owned(), "5100, 50".to_owned()),
        (keys::PROLONG.to_owned(), "9000, ARRAY['default/k/ns/2', 'default/k/ns/4']".to_owned()),
        (keys::REMOVE.to_owned(), "9000, ARRAY['default/k/ns/2', 'default/k/ns/4']".to_owned()),
        (prune::ENDED.to_owned(), "5000, 100".to_owned()),
        (prune::REMOVE_EVENTS.to_owned(), format!("{task}, 1000")),
        ("DELETE FROM tasks WHERE id = ANY($1::bytea[])".to_owned(), format!("ARRAY[{task}]")),
    ] {
        check(&mut connection, &text, &arguments).await;
    }
}

#[tokio::test]
async fn a_page_reads_what_it_shows() {
    let (mut connection, _database) = filled().await;
    let after = tasks::Place { submitted_at: WAITING / 2, id: TaskId::new(1, [0; 10]) };
    let states = [
        (vec![], vec![]),
        (vec![TaskStatus::Running], vec![]),
        (vec![TaskStatus::Waiting, TaskStatus::Finished], vec![]),
        (vec![], vec![TaskOutcome::Failed, TaskOutcome::Succeeded]),
    ];
    for namespace in [None, Some(Namespace::default())] {
        for (statuses, outcomes) in &states {
            let filter = TaskFilter {
                namespace: namespace.clone(),
                statuses: statuses.clone(),
                outcomes: outcomes.clone(),
                labels: BTreeMap::new(),
                from: None,
                until: None,
            };
            for after in [None, Some(after)] {
                let states = tasks::states(&filter);
                let query = tasks::question(&filter, states.as_deref(), after, 20);
                let arguments = page_arguments(&filter, states.as_deref(), after, 21);
                // One page of each state, at most eight of them, and the rows at whose place it begins.
                check(&mut connection, query.sql().as_str(), &arguments).await;
            }
        }
    }
}

/// The arguments of a page's question, in its order.
fn page_arguments(
    filter: &TaskFilter,
    states: Option<&[&'static str]>,
    after: Option<tasks::Place>,
    most: i64,
) -> String {
    let states = states.map_or_else(|| vec![None], |states| states.iter().copied().map(Some).collect());
    let mut arguments = Vec::new();
    for state in states {
        arguments.extend(filter.namespace.iter().map(|namespace| format!("'{namespace}'")));
        arguments.extend(state.map(|state| format!("'{state}'")));
        if let Some(place) = after {
            arguments.push(place.submitted_at.to_string());
            arguments.push(format!("'\\x{}'", hex::encode(place.id.bytes())));
        }
        arguments.push(most.to_string());
    }
    arguments.push(most.to_string());
    arguments.join(", ")
}
