//! Blobs in chunks, keys, and checkpoints of foreign agents.

use std::time::Duration;

use crate::common::{GUARD, World, field};
use futures::{StreamExt, stream};
use holdfast_ports::Blobs;
use holdfast_proto::v1;
use holdfast_proto::v1::get_blob_response::Part as Got;
use holdfast_proto::v1::put_blob_request::{Head, Part};
use tokio::time::timeout;
use tonic::{Code, Status};

const MIB: usize = 1024 * 1024;

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|position| u8::try_from(position % 251).unwrap()).collect()
}

fn part(part: Part) -> v1::PutBlobRequest {
    v1::PutBlobRequest { part: Some(part) }
}

fn parts(sha256: &str, size: u64, content: &[u8], chunk: usize) -> Vec<v1::PutBlobRequest> {
    let head = Head { sha256: sha256.into(), size, content_type: "image/png".into() };
    let chunks = content.chunks(chunk).map(|chunk| part(Part::Chunk(chunk.to_vec().into())));
    std::iter::once(part(Part::Head(head))).chain(chunks).collect()
}

async fn put(world: &World, parts: Vec<v1::PutBlobRequest>) -> Result<v1::PutBlobResponse, Status> {
    let mut client = world.client.clone();
    let call = client.put_blob(stream::iter(parts));
    timeout(GUARD, call).await.unwrap().map(tonic::Response::into_inner)
}

/// The hash of content, as the store itself says it.
async fn hash(content: &[u8]) -> String {
    let other = World::new().await;
    other.store.put(content.to_vec(), "image/png").await.unwrap().sha256
}

#[tokio::test]
async fn a_blob_goes_in_and_out_in_chunks() {
    let world = World::new().await;
    let content = content(5 * MIB + 17);
    let (sha256, size) = (hash(&content).await, content.len() as u64);
    let stored = put(&world, parts(&sha256, size, &content, MIB)).await.unwrap();
    assert!(!stored.existed);
    assert_eq!(stored.blob.unwrap().content_type, "image/png");
    let get = v1::GetBlobRequest { sha256: sha256.clone() };
    let mut got = world.client.clone().get_blob(get).await.unwrap().into_inner();
    let Some(Got::Head(head)) = got.next().await.unwrap().unwrap().part else { panic!("no head first") };
    assert_eq!((head.sha256.as_str(), head.size), (sha256.as_str(), size));
    let mut read = Vec::new();
    while let Some(Got::Chunk(chunk)) = got.next().await.map(|part| part.unwrap().part.unwrap()) {
        assert!(chunk.len() <= MIB);
        read.extend_from_slice(&chunk);
    }
    assert!(read == content);

    // Once it is there the answer does not wait for the rest, which here never comes.
    let mut first = parts(&sha256, size, &content, MIB);
    first.truncate(2);
    let call = stream::iter(first).chain(stream::pending());
    let again = timeout(GUARD, world.client.clone().put_blob(call)).await.unwrap().unwrap().into_inner();
    assert!(again.existed);
}

#[tokio::test]
async fn a_blob_must_be_what_its_head_says() {
    let world = World::new().await;
    let content = content(2_000);
    let sha256 = hash(&content).await;
    let wrong = "0".repeat(64);
    for (path, request) in [
        ("head.sha256", parts(&wrong, 2_000, &content, 500)),
        ("head.sha256", parts("x", 2_000, &content, 500)),
        ("head.size", parts(&sha256, 1_999, &content, 500)),
        ("head.size", parts(&sha256, 2_001, &content, 500)),
        ("head", vec![part(Part::Chunk(content.clone().into()))]),
        ("head", Vec::new()),
        ("chunk", parts(&sha256, 2 * MIB as u64, &vec![0; 2 * MIB], 2 * MIB)),
    ] {
        assert_eq!(field(&put(&world, request).await.unwrap_err()), path);
    }
    let large = put(&world, parts(&sha256, 64 * MIB as u64 + 1, &[], 1)).await.unwrap_err();
    assert_eq!(large.code(), Code::ResourceExhausted);
    for digest in [sha256, wrong] {
        let absent = world.client.clone().get_blob(v1::GetBlobRequest { sha256: digest }).await;
        assert_eq!(absent.unwrap_err().code(), Code::NotFound, "nothing of it was stored");
    }
    let empty = hash(&[]).await;
    assert!(!put(&world, parts(&empty, 0, &[], 1)).await.unwrap().existed);
}

#[tokio::test]
async fn the_key_table_is_reached() {
    let world = World::new().await;
    let mut client = world.client.clone();
    let key = "shop/charge/ns/1".to_owned();
    let begin = v1::BeginRequest {
        key: key.clone(),
        fingerprint: "a".repeat(64),
        holder: Some(v1::Holder { holder: Some(v1::holder::Holder::Foreign("one".into())) }),
        ..Default::default()
    };
    let claim = v1::ClaimKeyRequest { begin: Some(begin.clone()) };
    let answer = client.claim_key(claim).await.unwrap().into_inner();
    assert_eq!(answer.durability(), v1::Durability::Index);
    let Some(v1::begin_answer::Answer::Acquired(got)) = answer.answer.unwrap().answer else { panic!() };
    let waits = v1::BeginRequest { wait: Some(Default::default()), ..begin };
    let refused = client.claim_key(v1::ClaimKeyRequest { begin: Some(waits) }).await.unwrap_err();
    assert_eq!(field(&refused), "begin.wait");

    let result = Some(v1::Payload { content: Some(v1::payload::Content::Json("1".into())) });
    let complete =
        v1::CompleteKeyRequest { key: key.clone(), token: got.token, result, ..Default::default() };
    let wait = Some(holdfast_proto::convert::time::duration(Duration::from_secs(60)));
    let waiter = async {
        let request = v1::GetKeyRequest { key: key.clone(), wait };
        world.client.clone().get_key(request).await.unwrap().into_inner().row.unwrap().state()
    };
    let (state, done) =
        timeout(GUARD, async { tokio::join!(waiter, client.complete_key(complete)) }).await.unwrap();
    assert_eq!(state, v1::KeyState::Done);
    let done = done.unwrap().into_inner().answer.unwrap().answer.unwrap();
    assert!(matches!(done, v1::key_answer::Answer::Ok(_)));
    let stale = v1::ReleaseKeyRequest { key: key.clone(), token: got.token };
    let fenced = client.release_key(stale).await.unwrap().into_inner().answer.unwrap().answer.unwrap();
    assert!(matches!(fenced, v1::key_answer::Answer::Fenced(at) if at.current == got.token));
    let listed = client.list_keys(v1::ListKeysRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.rows.len(), 1);
    client.forget_key(v1::ForgetKeyRequest { key: key.clone() }).await.unwrap();
    assert!(client.get_key(v1::GetKeyRequest { key, wait: None }).await.unwrap().into_inner().row.is_none());
}

fn checkpoint(thread: &str, id: &str, json: &str) -> v1::PutCheckpointRequest {
    v1::PutCheckpointRequest {
        checkpoint: Some(v1::Checkpoint {
            name: Some(v1::CheckpointName { namespace: "lab".into(), thread: thread.into(), id: id.into() }),
            content: Some(v1::Payload { content: Some(v1::payload::Content::Json(json.into())) }),
            ..Default::default()
        }),
    }
}

#[tokio::test]
async fn foreign_agents_keep_their_checkpoints() {
    let world = World::new().await;
    let mut client = world.client.clone();
    for id in ["1", "2", "2", "3"] {
        client.put_checkpoint(checkpoint("a", id, "{}")).await.unwrap();
    }
    let other = client.put_checkpoint(checkpoint("a", "2", "[]")).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    let large = serde_json::Value::String("x".repeat(70_000)).to_string();
    let large = client.put_checkpoint(checkpoint("a", "4", &large)).await.unwrap_err();
    assert_eq!(large.code(), Code::ResourceExhausted);
    assert!(large.message().contains("PutBlob"));
    assert_eq!(
        field(&client.put_checkpoint(checkpoint("", "4", "1")).await.unwrap_err()),
        "checkpoint.name.thread"
    );

    let name = checkpoint("a", "3", "{}").checkpoint.unwrap().name;
    let value = Some(v1::Payload { content: Some(v1::payload::Content::Json("7".into())) });
    let write = v1::PendingWrite { writer: "node".into(), position: 0, channel: "out".into(), value };
    let writes = v1::PutCheckpointWritesRequest { name, writes: vec![write] };
    client.put_checkpoint_writes(writes.clone()).await.unwrap();
    client.put_checkpoint_writes(writes).await.unwrap();
    let newest = v1::GetCheckpointRequest { namespace: "lab".into(), thread: "a".into(), id: String::new() };
    let got = client.get_checkpoint(newest).await.unwrap().into_inner();
    assert_eq!((got.checkpoint.unwrap().name.unwrap().id, got.writes.len()), ("3".to_owned(), 1));

    let copy = v1::CopyCheckpointsRequest {
        namespace: "lab".into(),
        from_thread: "a".into(),
        to_thread: "b".into(),
        until: "2".into(),
    };
    assert_eq!(client.copy_checkpoints(copy.clone()).await.unwrap().into_inner().copied, 2);
    assert_eq!(client.copy_checkpoints(copy.clone()).await.unwrap_err().code(), Code::AlreadyExists);
    let nowhere = v1::CopyCheckpointsRequest { from_thread: "c".into(), ..copy };
    assert_eq!(client.copy_checkpoints(nowhere).await.unwrap_err().code(), Code::NotFound);
    let prune = v1::PruneCheckpointsRequest { namespace: "lab".into(), thread: "a".into(), keep: 1 };
    assert_eq!(client.prune_checkpoints(prune).await.unwrap().into_inner().removed, 2);
    let list =
        v1::ListCheckpointsRequest { namespace: "lab".into(), thread: "a".into(), ..Default::default() };
    assert_eq!(client.list_checkpoints(list).await.unwrap().into_inner().checkpoints.len(), 1);
}
