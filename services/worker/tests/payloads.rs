//! Secrets, sizes and evidence: what goes into a tool and what comes out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Rig, call_ref, failure};
use async_trait::async_trait;
use futures::StreamExt;
use holdfast_ports::{
    Begin, BeginAnswer, Blobs, Durability, Error as PortError, KeyAnswer, Keys, Result as PortResult,
};
use holdfast_runtime::Secret;
use holdfast_types::key::{Holder, KeyRow, LateEvidence};
use holdfast_types::worker::ExecuteEvent;
use holdfast_types::{BlobRef, Effect, Failure, Key, Payload, Reason};
use holdfast_worker::Config;
use holdfast_worker::config::{Grants, SecretGrant};
use serde_json::json;

/// A blob table in memory, addressed by length.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl Blobs for Memory {
    async fn put(&self, content: Vec<u8>, content_type: &str) -> PortResult<BlobRef> {
        let size = u64::try_from(content.len()).unwrap();
        let sha256 = format!("{size:064}");
        self.0.lock().unwrap().insert(sha256.clone(), content);
        Ok(BlobRef { sha256, size, content_type: content_type.to_owned() })
    }

    async fn get(&self, sha256: &str) -> PortResult<Vec<u8>> {
        let found = self.0.lock().unwrap().get(sha256).cloned();
        found.ok_or_else(|| PortError::NotFound { what: sha256.to_owned() })
    }

    async fn collect(&self, _: u32) -> PortResult<u32> {
        Ok(0)
    }
}

/// Takes evidence and nothing else; may be as slow as a store that is down.
#[derive(Default)]
struct Evidence {
    offered: Mutex<Vec<(String, Payload)>>,
    slow: Duration,
    /// The only row, where there are any: of this key and holder.
    row: Option<(Key, Holder)>,
}

#[async_trait]
impl Keys for Evidence {
    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> PortResult<KeyAnswer> {
        tokio::time::sleep(self.slow).await;
        assert!(matches!(holder, Holder::Call { .. }));
        if self.row.as_ref().is_some_and(|(known, _)| known != key) {
            return Ok(KeyAnswer::NotFound);
        }
        self.offered.lock().unwrap().push((key.to_string(), result));
        Ok(KeyAnswer::Ok)
    }

    fn durability(&self) -> Durability {
        unreachable!("a worker only offers evidence")
    }
    async fn begin(&self, _: Begin) -> PortResult<BeginAnswer> {
        unreachable!()
    }
    async fn extend(&self, _: &Key, _: u64, _: Duration) -> PortResult<KeyAnswer> {
        unreachable!()
    }
    async fn complete(&self, _: &Key, _: u64, _: Payload, _: Duration) -> PortResult<KeyAnswer> {
        unreachable!()
    }
    async fn release(&self, _: &Key, _: u64) -> PortResult<KeyAnswer> {
        unreachable!()
    }
    async fn fail_final(&self, _: &Key, _: u64, _: Failure, _: Duration) -> PortResult<KeyAnswer> {
        unreachable!()
    }
    async fn get(&self, key: &Key) -> PortResult<Option<(KeyRow, Vec<LateEvidence>)>> {
        let at = holdfast_types::Timestamp::default();
        let row = |(key, holder): (Key, Holder)| KeyRow {
            key,
            generation: 2,
            holder,
            epoch: 1,
            token: 1,
            attempts: 1,
            fingerprint: "f".repeat(64),
            state: holdfast_types::key::KeyState::Open,
            lease_until: None,
            since: at,
            changed_at: at,
            keep_until: None,
            answered: 0,
        };
        Ok(self.row.clone().filter(|(known, _)| known == key).map(|known| (row(known), Vec::new())))
    }
    async fn wait(&self, _: &Key, _: Duration) -> PortResult<Option<KeyRow>> {
        unreachable!()
    }
    async fn list(&self, _: &str, _: Option<&Key>, _: u32) -> PortResult<Vec<KeyRow>> {
        unreachable!()
    }
    async fn forget(&self, _: &Key) -> PortResult<KeyAnswer> {
        unreachable!()
    }
    async fn prune(&self, _: u32) -> PortResult<u32> {
        unreachable!()
    }
}

fn with_secret() -> Config {
    let tools = vec!["fire".parse().unwrap()];
    let grant = SecretGrant { value: Secret::new("hunter2"), tools };
    let secrets = BTreeMap::from([("PIN".to_owned(), grant)]);
    Config { grants: Grants { secrets, ..Grants::default() }, ..Config::default() }
}

#[tokio::test(start_paused = true)]
async fn a_secret_reaches_the_tool_and_leaves_it_nowhere() {
    let rig = Rig::with(with_secret(), |_| {});
    let pin = json!({"$secret": "PIN"});
    let done = rig.run(rig.request("fire", "ok", json!({"pin": pin}))).await.unwrap();
    assert_eq!(done.result.as_json().unwrap()["pin"], "***");
    for end in ["transient", "panic"] {
        let failed = failure(rig.run(rig.request("fire", end, json!({"pin": pin, "end": end}))).await);
        assert!(!format!("{failed:?}").contains("hunter2"), "{failed:?}");
    }
    let mut beats = rig
        .tools()
        .execute(rig.request("fire", "b", json!({"pin": pin, "beat_ms": 1, "after_ms": 9})))
        .await
        .unwrap();
    let first = beats.next().await.unwrap().unwrap();
    let ExecuteEvent::Heartbeat(Some(progress)) = first else { panic!("{first:?}") };
    assert_eq!(progress.note, "beat ***");
    let refused = failure(rig.run(rig.request("blunt", "no", json!({"pin": pin}))).await);
    assert_eq!((refused.reason, refused.effect), (Reason::NotGranted, Effect::NotExecuted));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_not_repeated_in_the_schema_error() {
    let mut config = with_secret();
    config.grants.secrets.get_mut("PIN").unwrap().tools.push("read".parse().unwrap());
    let rig = Rig::with(config, |_| {});
    let args = json!({"prepare_ms": {"$secret": "PIN"}});
    let bad = failure(rig.run(rig.request("read", "a", args)).await);
    assert_eq!(bad.reason, Reason::BadArguments);
    assert!(!bad.message.contains("hunter2"), "{}", bad.message);
}

#[tokio::test(start_paused = true)]
async fn large_results_go_through_the_blob_table() {
    let blobs = Arc::new(Memory::default());
    let rig = Rig::with(Config::default(), |deps| deps.blobs = Some(blobs.clone()));
    let small = rig.run(rig.request("read", "small", json!({"size": 60_000}))).await.unwrap();
    assert!(small.result.as_json().is_some());
    let large = rig.run(rig.request("read", "large", json!({"size": 70_000}))).await.unwrap();
    let blob = large.result.as_blob().expect("over 64 KiB it is a blob").clone();
    assert_eq!(u64::try_from(blobs.get(&blob.sha256).await.unwrap().len()).unwrap(), blob.size);

    let content = serde_json::to_vec(&json!({"size": 3})).unwrap();
    let args = blobs.put(content, "application/json").await.unwrap();
    let mut request = rig.request("read", "by_blob", json!({}));
    request.args = Payload::Blob(args);
    let by_blob = rig.run(request).await.unwrap();
    assert_eq!(by_blob.result.as_json().unwrap()["padding"], "xxx");
}

#[tokio::test(start_paused = true)]
async fn without_a_blob_table_a_message_is_the_limit_and_the_effect_stands() {
    let rig = Rig::new();
    let fits = rig.run(rig.request("fire", "fits", json!({"size": 1_000_000}))).await.unwrap();
    assert!(fits.result.as_json().is_some());
    let over = failure(rig.run(rig.request("fire", "over", json!({"size": 5_000_000}))).await);
    assert_eq!((over.reason, over.effect), (Reason::TooLarge, Effect::Executed));
}

#[tokio::test(start_paused = true)]
async fn results_that_must_not_be_repeated_are_kept_as_evidence_before_the_answer() {
    let keys = Arc::new(Evidence::default());
    let rig = Rig::with(Config::default(), |deps| deps.keys = Some(keys.clone()));
    for tool in ["read", "put", "book", "fire"] {
        rig.run(rig.request(tool, tool, json!({}))).await.unwrap();
    }
    failure(rig.run(rig.request("fire", "failed", json!({"end": "transient"}))).await);
    let offered: Vec<String> = keys.offered.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(offered, ["default/book/task/book", "default/fire/task/fire"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_delays_a_result_and_never_loses_it() {
    let keys = Arc::new(Evidence { slow: Duration::from_secs(3_600), ..Evidence::default() });
    let rig = Rig::with(Config::default(), |deps| deps.keys = Some(keys));
    let began = tokio::time::Instant::now();
    rig.run(rig.request("fire", "a", json!({}))).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn evidence_of_a_later_generation_goes_to_the_row_of_its_key() {
    for (row, offered) in [("s", vec!["default/fire/task/s"]), ("s#2", vec!["default/fire/task/s#2"])] {
        let holder = Holder::Call { task: call_ref("s").task, call: call_ref("s").call };
        let row = Some((Key::try_new(format!("default/fire/task/{row}")).unwrap(), holder));
        let evidence = Arc::new(Evidence { row, ..Evidence::default() });
        let rig = Rig::with(Config::default(), |deps| deps.keys = Some(evidence.clone()));
        let mut request = rig.request("fire", "s", json!({}));
        request.key = Key::try_new("default/fire/task/s#2").unwrap();
        rig.run(request).await.unwrap();
        let taken = evidence.offered.lock().unwrap();
        assert_eq!(taken.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), offered);
    }
    // The row of the shorter key is another call's: nothing is written there.
    let stranger = Holder::Call { task: call_ref("s").task, call: call_ref("t").call };
    let row = Some((Key::try_new("default/fire/task/s").unwrap(), stranger));
    let evidence = Arc::new(Evidence { row, ..Evidence::default() });
    let rig = Rig::with(Config::default(), |deps| deps.keys = Some(evidence.clone()));
    let mut request = rig.request("fire", "s", json!({}));
    request.key = Key::try_new("default/fire/task/s#2").unwrap();
    rig.run(request).await.unwrap();
    assert!(evidence.offered.lock().unwrap().is_empty());
}
