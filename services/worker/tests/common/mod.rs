//! A worker under virtual time, with a tool whose every step the test decides.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use holdfast_ports::{ExecuteStream, Tools};
use holdfast_runtime::{Clock, Ids};
use holdfast_telemetry::Metrics;
use holdfast_testkit::VirtualClock;
use holdfast_tool::{Answer, CallContext, EffectBegins, Tool, ToolFailure, manifest};
use holdfast_types::worker::{
    CallOutcome, CallProgress, CallRef, Execute, ExecuteEvent, ProbeAnswer, Recorded,
};
use holdfast_types::{Failure, Key, Namespace, Payload, SideEffect, TaskId, ToolManifest, ToolName};
use holdfast_worker::config::Builtin;
use holdfast_worker::{Config, Deps, GuardCommand, Worker};
use serde_json::{Value, json};

/// What the tool did to the world.
#[derive(Debug, Default)]
pub struct World {
    /// How many attempts were started.
    pub started: AtomicU32,
    /// How often the effect happened.
    pub effects: AtomicU32,
}

impl World {
    pub fn effects(&self) -> u32 {
        self.effects.load(Ordering::SeqCst)
    }

    pub fn started(&self) -> u32 {
        self.started.load(Ordering::SeqCst)
    }
}

/// Prepares for `prepare_ms`, has its effect (once through the gate), works on for `after_ms`, and ends as `end` says.
pub struct Scripted {
    pub name: &'static str,
    pub class: SideEffect,
    pub begins: EffectBegins,
    pub world: Arc<World>,
    pub heartbeat_timeout: Option<Duration>,
}

#[async_trait]
impl Tool for Scripted {
    fn manifest(&self) -> ToolManifest {
        let number = json!({"type": "integer", "minimum": 0});
        let schema = json!({
            "type": "object",
            "properties": {
                "prepare_ms": number, "after_ms": number, "beat_ms": number,
                "end": {"type": "string"}, "pin": {"type": "string"}, "size": number,
            },
            "additionalProperties": false,
        });
        let promised =
            json!({"type": "object", "properties": {"done": {"const": true}}, "required": ["done"]});
        let made = manifest(self.name).input_schema(schema).output_schema(promised).class(self.class);
        let mut made = made.build().unwrap();
        made.heartbeat_timeout = self.heartbeat_timeout;
        made
    }

    fn effect_begins(&self) -> EffectBegins {
        self.begins
    }

    async fn call(&self, ctx: CallContext, args: Value) -> Result<Answer, ToolFailure> {
        self.world.started.fetch_add(1, Ordering::SeqCst);
        let millis = |name: &str| Duration::from_millis(args[name].as_u64().unwrap_or(0));
        if let Some(percent) = args["beat_ms"].as_u64() {
            let note = format!("beat {}", args["pin"].as_str().unwrap_or("-"));
            ctx.heartbeat(Some(CallProgress { percent: u8::try_from(percent % 100).ok(), note }));
        }
        tokio::time::sleep(millis("prepare_ms")).await;
        if self.begins == EffectBegins::AtCheck {
            ctx.before_effect()?;
        }
        self.world.effects.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(millis("after_ms")).await;
        let pin = args["pin"].as_str().unwrap_or("none").to_owned();
        match args["end"].as_str() {
            Some("panic") => panic!("a panic that says {pin}"),
            Some("transient") => Err(ToolFailure::transient(format!("it failed with {pin}"))),
            Some("semantic") => Err(ToolFailure::semantic("no such flight")),
            Some("garbage") => Ok(json!({"done": pin}).into()),
            Some("refused") => Err(ToolFailure::transient("never sent").not_executed()),
            _ => {
                let padding = "x".repeat(usize::try_from(args["size"].as_u64().unwrap_or(0)).unwrap());
                Ok(json!({"done": true, "pin": pin, "padding": padding}).into())
            }
        }
    }

    async fn probe(&self, _key: &Key, _args: Value) -> ProbeAnswer {
        if self.world.effects() > 0 {
            return ProbeAnswer::Done { result: Payload::Json(json!({"done": true})) };
        }
        ProbeAnswer::NotDone
    }
}

/// A worker with one tool a class: `read`, `put`, `book`, `fire`, and `blunt` (UNSAFE, without a check).
pub struct Rig {
    pub worker: Worker,
    pub world: Arc<World>,
    pub clock: Arc<VirtualClock>,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(Config::default(), |_| {})
    }

    pub fn with(config: Config, change: impl FnOnce(&mut Deps)) -> Self {
        Self::hosting(Vec::new(), config, change)
    }

    /// With tools of the test's own, besides.
    pub fn hosting(more: Vec<Arc<dyn Tool>>, config: Config, change: impl FnOnce(&mut Deps)) -> Self {
        let world = Arc::new(World::default());
        let clock = Arc::new(VirtualClock::start());
        let mut deps = Deps {
            clock: clock.clone(),
            ids: Ids::system(),
            blobs: None,
            keys: None,
            guard: GuardCommand::default(),
            metrics: Metrics::no_op(),
        };
        change(&mut deps);
        let tool = |name, class, begins| -> Arc<dyn Tool> {
            Arc::new(Scripted { name, class, begins, world: world.clone(), heartbeat_timeout: None })
        };
        let quiet = Scripted {
            name: "quiet",
            class: SideEffect::Unsafe,
            begins: EffectBegins::AtCheck,
            world: world.clone(),
            heartbeat_timeout: Some(Duration::from_secs(2)),
        };
        let mut tools = vec![
            tool("read", SideEffect::ReadOnly, EffectBegins::AtStart),
            tool("put", SideEffect::Idempotent, EffectBegins::AtCheck),
            tool("book", SideEffect::Verifiable, EffectBegins::AtCheck),
            tool("fire", SideEffect::Unsafe, EffectBegins::AtCheck),
            tool("blunt", SideEffect::Unsafe, EffectBegins::AtStart),
            Arc::new(quiet) as Arc<dyn Tool>,
        ];
        tools.extend(more);
        let config = Config { builtin: Builtin::None, ..config };
        let worker = Worker::new(config, deps, tools).unwrap();
        Self { worker, world, clock }
    }

    pub fn tools(&self) -> Arc<dyn Tools> {
        self.worker.tools()
    }

    /// A first attempt of `call` under epoch 5, with a minute of time and a minute to begin.
    pub fn request(&self, tool: &str, call: &str, args: Value) -> Execute {
        Execute {
            worker: self.worker.id(),
            call: call_ref(call),
            attempt: 1,
            epoch: 5,
            not_after: self.clock.now().after(Duration::from_secs(60)),
            timeout: Duration::from_secs(60),
            namespace: Namespace::default(),
            tool: ToolName::try_new(tool).unwrap(),
            args: Payload::Json(args),
            key: Key::try_new(format!("default/{tool}/task/{call}")).unwrap(),
            token: 1,
            side_effect: None,
        }
    }

    pub async fn start(&self, execute: Execute) -> ExecuteStream {
        let stream = self.tools().execute(execute).await.unwrap();
        settle().await;
        stream
    }

    pub async fn run(&self, execute: Execute) -> CallOutcome {
        end(self.start(execute).await).await
    }
}

pub fn call_ref(call: &str) -> CallRef {
    CallRef { task: TaskId::new(1, [1; 10]), call: call.parse().unwrap() }
}

/// One call whose attempt is recorded, as a driver of this epoch acknowledges it.
pub fn recorded(call: &str, attempt: u32, epoch: u64) -> Vec<Recorded> {
    vec![Recorded { call: call_ref(call), attempt, epoch }]
}

/// Lets every task that can run do so; virtual time stands still meanwhile.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Reads a call's stream to its end.
pub async fn end(mut stream: ExecuteStream) -> CallOutcome {
    loop {
        match stream.next().await.expect("a stream has an end").unwrap() {
            ExecuteEvent::Heartbeat(_) => {}
            ExecuteEvent::Finished(outcome) => {
                assert!(stream.next().await.is_none(), "the end is the last message");
                return outcome;
            }
        }
    }
}

pub fn failure(outcome: CallOutcome) -> Failure {
    outcome.expect_err("a failure")
}
