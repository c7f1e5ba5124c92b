//! Wrong input is refused with the path of the field, and changes nothing.

use std::time::Duration;

use crate::common::{World, begin, complete, failure, json};
use holdfast_proto::convert::time::duration;
use holdfast_proto::v1;
use holdfast_rpc::status::to_port;
use holdfast_types::TaskId;
use tonic::{Code, Status};

const KEY: &str = "shop/charge/ns/1";

fn field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    match to_port(status, "test") {
        holdfast_ports::Error::Invalid { field, .. } => field,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn begin_names_the_field() {
    let world = World::new().await;
    let seconds = |seconds| Some(duration(Duration::from_secs(seconds)));
    let good = || begin(KEY, "one");
    let repeat = |generation, reason: &str| Some(v1::Repeat { generation, reason: reason.to_owned() });
    let call = v1::CallRef { task_id: TaskId::new(1, [1; 10]).to_string(), call: "charge".into() };
    let of_call = Some(v1::Holder { holder: Some(v1::holder::Holder::Call(call)) });
    for (path, request) in [
        ("key", v1::BeginRequest { key: "a key with blanks".into(), ..good() }),
        ("key", v1::BeginRequest { key: "x".repeat(513), ..good() }),
        ("fingerprint", v1::BeginRequest { fingerprint: "A".repeat(64), ..good() }),
        ("holder", v1::BeginRequest { holder: None, ..good() }),
        ("holder.foreign", v1::BeginRequest { holder: Some(crate::common::foreign("")), ..good() }),
        ("epoch", v1::BeginRequest { epoch: 1, ..good() }),
        ("lease", v1::BeginRequest { lease: seconds(0), ..good() }),
        ("lease", v1::BeginRequest { lease: seconds(86_401), ..good() }),
        ("wait", v1::BeginRequest { wait: seconds(61), ..good() }),
        ("repeat.generation", v1::BeginRequest { repeat: repeat(0, "meant so"), ..good() }),
        ("repeat.reason", v1::BeginRequest { repeat: repeat(1, " "), ..good() }),
        ("repeat.reason", v1::BeginRequest { repeat: repeat(1, &"x".repeat(1_001)), ..good() }),
        ("repeat", v1::BeginRequest { repeat: repeat(1, "meant so"), holder: of_call, ..good() }),
    ] {
        let refused = world.client.clone().begin(request).await.unwrap_err();
        assert_eq!(field(&refused), path);
    }
    // None of them took the key.
    world.acquire(KEY, "one").await;
}

#[tokio::test]
async fn the_other_verbs_name_the_field() {
    let world = World::new().await;
    let mut client = world.client.clone();
    let token = world.acquire(KEY, "one").await;
    let retention = Some(duration(Duration::from_secs(3_661 * 86_400)));
    for (path, request) in [
        ("token", complete(KEY, 0, "1")),
        ("result", v1::CompleteRequest { result: None, ..complete(KEY, token, "1") }),
        ("result.json", complete(KEY, token, "{")),
        ("retention", v1::CompleteRequest { retention, ..complete(KEY, token, "1") }),
        (
            "call.task_id",
            v1::CompleteRequest { call: Some(v1::CallRef::default()), ..complete(KEY, token, "1") },
        ),
    ] {
        assert_eq!(field(&client.complete(request).await.unwrap_err()), path);
    }
    let fail = v1::FailFinalRequest {
        key: KEY.into(),
        token,
        failure: failure(v1::Effect::Unknown),
        ..Default::default()
    };
    assert_eq!(field(&client.fail_final(fail).await.unwrap_err()), "failure.outcome");
    let extend = v1::ExtendRequest { key: KEY.into(), token: 0, lease: None };
    assert_eq!(field(&client.extend(extend).await.unwrap_err()), "token");
    let forget = v1::ForgetRequest { key: KEY.into(), reason: String::new() };
    assert_eq!(field(&client.forget(forget).await.unwrap_err()), "reason");
    for (path, list) in [
        ("prefix", v1::ListRequest::default()),
        ("prefix", v1::ListRequest { prefix: "/".into(), ..Default::default() }),
        ("states[0]", v1::ListRequest { prefix: "a/".into(), states: vec![0], ..Default::default() }),
        ("page_size", v1::ListRequest { prefix: "a/".into(), page_size: 1_001, ..Default::default() }),
        (
            "page_token",
            v1::ListRequest { prefix: "a/".into(), page_token: "0.2.b/c".into(), ..Default::default() },
        ),
    ] {
        assert_eq!(field(&client.list(list).await.unwrap_err()), path);
    }
}

#[tokio::test]
async fn a_large_result_needs_the_blob_table_and_the_error_says_so() {
    let world = World::new().await;
    let mut client = world.client.clone();
    let token = world.acquire(KEY, "one").await;
    let text = serde_json::Value::String("x".repeat(64 * 1024)).to_string();
    let refused = client
        .complete(v1::CompleteRequest { result: json(&text), ..complete(KEY, token, "1") })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("PutBlob"), "{}", refused.message());
    assert!(matches!(
        to_port(&refused, "test"),
        holdfast_ports::Error::TooLarge { limit: 65_536, size: 65_538, .. }
    ));

    let reference = v1::Blob {
        sha256: "0".repeat(64),
        size: 65_538,
        content_type: "application/json".into(),
        data: None,
    };
    let blob = Some(v1::Payload { content: Some(v1::payload::Content::Blob(reference)) });
    let absent = client.complete(v1::CompleteRequest { result: blob, ..complete(KEY, token, "1") }).await;
    assert_eq!(absent.unwrap_err().code(), Code::NotFound, "a reference to nothing is refused");
}
