//! The tools over a ledger, called without a worker.
#![allow(dead_code)] // each test file uses its part

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_tool::{Answer, CallContext, CallFacts, Tool, ToolFailure};
use holdfast_types::worker::CallRef;
use holdfast_types::{Key, Namespace, TaskId, ToolManifest};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trip_worker::{FaultPlan, Ledger, Row};

/// One life of the worker.
pub(crate) struct Agency {
    pub(crate) tools: BTreeMap<String, Arc<dyn Tool>>,
    pub(crate) ledger: Ledger,
}

impl Agency {
    pub(crate) fn over(ledger: Ledger, faults: &str) -> Self {
        let tools = trip_worker::tools(ledger.clone(), FaultPlan::parse(faults).unwrap());
        let tools = tools.into_iter().map(|tool| (tool.manifest().name.to_string(), tool)).collect();
        Self { tools, ledger }
    }

    pub(crate) async fn in_memory(faults: &str) -> Self {
        Self::over(Ledger::in_memory().await.unwrap(), faults)
    }

    pub(crate) async fn open(file: &Path, faults: &str) -> Self {
        Self::over(Ledger::open(file).await.unwrap(), faults)
    }

    pub(crate) fn manifest(&self, tool: &str) -> ToolManifest {
        self.tools[tool].manifest()
    }

    /// Calls a tool under the key `key(tool)`.
    pub(crate) async fn call(&self, tool: &str, attempt: u32, args: Value) -> Result<Answer, ToolFailure> {
        self.call_with(context(tool, &key(tool), attempt), args).await
    }

    pub(crate) async fn call_with(&self, ctx: CallContext, args: Value) -> Result<Answer, ToolFailure> {
        let tool = ctx.facts().call.call.step.as_str().to_owned();
        jsonschema::validate(&self.manifest(&tool).input_schema, &args).unwrap();
        self.tools[&tool].call(ctx, args).await
    }

    pub(crate) async fn rows(&self, tool: &str) -> Vec<Row> {
        let rows = self.ledger.rows().await.unwrap();
        rows.into_iter().filter(|row| row.tool.as_str() == tool).collect()
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::try_new(format!("default/{name}/task/1")).unwrap()
}

pub(crate) fn context(tool: &str, key: &Key, attempt: u32) -> CallContext {
    stoppable(tool, key, attempt, CancellationToken::new())
}

pub(crate) fn stoppable(tool: &str, key: &Key, attempt: u32, cancelled: CancellationToken) -> CallContext {
    let facts = CallFacts {
        call: CallRef { task: TaskId::new(1, [1; 10]), call: tool.parse().unwrap() },
        attempt,
        epoch: 1,
        namespace: Namespace::default(),
        key: key.clone(),
        token: 1,
        deadline: Instant::now() + Duration::from_secs(10),
    };
    CallContext::alone(facts, cancelled)
}

/// Arguments of every tool.
pub(crate) fn args(tool: &str) -> Value {
    let ada = "ada@example.com";
    match tool {
        "search_flights" => json!({"airline": "TP", "from": "BER", "to": "LIS"}),
        "search_hotels" | "forecast" => json!({"city": "LIS"}),
        "book_flight" => json!({"traveller": ada, "offer": "TP-BER-LIS"}),
        "charge_card" => json!({"order": "trip-1001", "cents": 4_200}),
        "book_hotel" => json!({"traveller": ada, "hotel": "lis-aurora"}),
        "hold_hotel" => json!({"traveller": ada, "city": "LIS"}),
        "cancel_flight" | "cancel_hotel" | "release_hotel" => json!({"booking": "none"}),
        "refund_card" => json!({"charge": "none"}),
        "send_mail" => json!({"to": ada, "subject": "Lisbon"}),
        "fan_item" => json!({"index": 3}),
        "chain_step" | "payload" | "put_value" => json!({"bytes": 20}),
        other => panic!("no arguments for {other}"),
    }
}
