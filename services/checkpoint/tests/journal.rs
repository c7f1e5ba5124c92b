//! Journals over the wire: creation, batches of appends, loading, following.

use crate::common::{GUARD, World, append, field, new_task};
use futures::StreamExt;
use holdfast_proto::v1;
use holdfast_proto::v1::append_result::Result as Appended;
use holdfast_proto::v1::create_task_response::Answer as Created;
use holdfast_proto::v1::load_request::From;
use holdfast_proto::v1::load_response::Part;
use holdfast_store::suite::{event, ids};
use holdfast_types::TaskId;
use tokio::time::timeout;
use tonic::Code;

async fn load(world: &World, request: v1::LoadRequest) -> (Option<v1::Snapshot>, Vec<u64>, usize) {
    let mut parts = world.client.clone().load(request).await.unwrap().into_inner();
    let (mut snapshot, mut events, mut batches) = (None, Vec::new(), 0);
    let Some(Part::Row(_)) = parts.next().await.unwrap().unwrap().part else { panic!("no row first") };
    while let Some(part) = parts.next().await {
        match part.unwrap().part.unwrap() {
            Part::Row(_) => panic!("a second row"),
            Part::Snapshot(of) => snapshot = Some(of),
            Part::Events(batch) => {
                batches += 1;
                events.extend(batch.events.iter().map(|event| event.seq));
            }
        }
    }
    (snapshot, events, batches)
}

fn of(task: TaskId) -> v1::LoadRequest {
    v1::LoadRequest { task_id: task.to_string(), ..Default::default() }
}

#[tokio::test]
async fn the_same_task_again_is_the_same_and_another_body_is_a_conflict() {
    let world = World::new().await;
    let task = new_task(world.clock.now());
    assert!(matches!(world.create(task.clone()).await, Created::New(new) if new.last_seq == 1));
    assert!(matches!(world.create(task.clone()).await, Created::Same(row) if row.last_seq == 1));
    let mut other = task.clone();
    other.digest = "d2".into();
    assert!(matches!(world.create(other).await, Created::Conflict(_)));
    let mut full = new_task(world.clock.now());
    full.queue_limit = 1;
    assert!(matches!(world.create(full).await, Created::QueueFull(full) if full.limit == 1));
}

#[tokio::test]
async fn of_a_batch_each_append_is_answered_alone() {
    let world = World::new().await;
    let (first, second, third) = (world.driven().await, world.driven().await, world.driven().await);
    let stranger = (third.0, ids::owner());
    let batch = vec![
        append(first, 1, vec![event("a"), event("b")]),
        append(second, 7, vec![event("too far")]),
        append(stranger, 1, vec![event("not mine")]),
        append((ids::task(), ids::owner()), 0, vec![event("nowhere")]),
    ];
    let results = world.append(batch.clone()).await;
    assert!(matches!(&results[0], Appended::Ok(ok) if ok.last_seq == 3), "{results:?}");
    assert!(matches!(results[1], Appended::SeqMismatch(at) if at.last_seq == 1), "{results:?}");
    assert!(matches!(results[2], Appended::StaleEpoch(at) if at.epoch == 1), "{results:?}");
    assert!(matches!(results[3], Appended::NoSuchTask(_)), "{results:?}");
    // The same batch again: the first is the same append, and nothing is written twice.
    assert_eq!(world.append(batch).await, results);
    assert_eq!(load(&world, of(first.0)).await.1, [1, 2, 3]);
    assert_eq!(load(&world, of(second.0)).await.1, [1]);
}

#[tokio::test]
async fn wrong_input_has_the_path_of_its_field_and_writes_nothing() {
    let world = World::new().await;
    let driven = world.driven().await;
    let good = append(driven, 1, vec![event("a")]);
    let mut kindless = good.clone();
    kindless.events[0].kind = String::new();
    let children = v1::TaskAppend { children: vec![v1::NewTask::default()], ..good.clone() };
    let other = append(world.driven().await, 1, Vec::new());
    for (path, appends) in [
        ("appends[1].events[0].kind", vec![other.clone(), kindless]),
        ("appends[0].children", vec![children]),
        ("appends[0].owner_id", vec![v1::TaskAppend { owner_id: "me".into(), ..good.clone() }]),
        ("appends[2].task_id", vec![good.clone(), other, good.clone()]),
        ("appends", vec![good.clone(); 1_001]),
    ] {
        let refused = world.client.clone().append(v1::AppendRequest { appends }).await.unwrap_err();
        assert_eq!(field(&refused), path);
    }
    assert_eq!(load(&world, of(driven.0)).await.1, [1]);

    let mut empty = new_task(world.clock.now());
    empty.events.clear();
    let empty = v1::CreateTaskRequest { task: Some(empty.into()) };
    assert_eq!(field(&world.client.clone().create_task(empty).await.unwrap_err()), "task.events");
    let none = world.client.clone().load(of(ids::task())).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
}

#[tokio::test]
async fn a_long_journal_is_loaded_in_batches_from_anywhere() {
    let world = World::new().await;
    let driven = world.driven().await;
    // About 6 MiB: more than one message may hold.
    let text = "x".repeat(10_000);
    for round in 0..6 {
        let events = (0..100).map(|_| event(&text)).collect();
        let results = world.append(vec![append(driven, 1 + round * 100, events)]).await;
        assert!(matches!(&results[0], Appended::Ok(_)));
    }
    let (snapshot, events, batches) = load(&world, of(driven.0)).await;
    assert!(snapshot.is_none() && batches > 2, "{batches}");
    assert_eq!(events, (1..=601).collect::<Vec<_>>());
    let after = v1::LoadRequest { from: Some(From::AfterSeq(50)), limit: 300, ..of(driven.0) };
    assert_eq!(load(&world, after).await.1, (51..=350).collect::<Vec<_>>());
    let end = v1::LoadRequest { from: Some(From::AfterSeq(590)), ..of(driven.0) };
    assert_eq!(load(&world, end).await.1, (591..=601).collect::<Vec<_>>());

    let snapshot = v1::Snapshot { seq: 600, v: 1, body_json: "{}".into() };
    let put = |snapshot| v1::PutSnapshotRequest { task_id: driven.0.to_string(), snapshot: Some(snapshot) };
    world.client.clone().put_snapshot(put(snapshot.clone())).await.unwrap();
    let (found, events, _) = load(&world, of(driven.0)).await;
    assert_eq!((found.unwrap().seq, events), (600, vec![601]));
    let beyond = v1::Snapshot { seq: 602, ..snapshot };
    assert_eq!(world.client.clone().put_snapshot(put(beyond)).await.unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_follower_sees_past_and_new_events_in_order_until_the_service_ends() {
    let world = World::new().await;
    let driven = world.driven().await;
    let request = v1::FollowRequest { task_id: driven.0.to_string(), after_seq: 0 };
    let mut follow = world.client.clone().follow(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    for seq in 1..=20 {
        while seen.len() < usize::try_from(seq).unwrap() {
            let message = timeout(GUARD, follow.next()).await.unwrap().unwrap().unwrap();
            seen.extend(message.events.iter().map(|event| event.seq));
        }
        assert!(matches!(
            world.append(vec![append(driven, seq, vec![event("next")])]).await[0],
            Appended::Ok(_)
        ));
    }
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
    world.service.run(std::future::ready(())).await;
    while let Some(last) = timeout(GUARD, follow.next()).await.unwrap() {
        assert_eq!(last.unwrap().events[0].seq, 21);
    }
}

#[tokio::test]
async fn rows_are_listed_in_pages() {
    let world = World::new().await;
    let tasks = [world.queued().await, world.queued().await, world.queued().await];
    let mut request = v1::CheckpointServiceListTasksRequest {
        labels: [("team".to_owned(), "travel".to_owned())].into(),
        page_size: 2,
        ..Default::default()
    };
    let page = world.client.clone().list_tasks(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.tasks.len(), 2);
    request.page_token = page.next_page_token;
    let last = world.client.clone().list_tasks(request.clone()).await.unwrap().into_inner();
    assert_eq!((last.tasks[0].task_id.clone(), last.next_page_token), (tasks[0].to_string(), String::new()));
    request.page_token = "nonsense".into();
    assert_eq!(field(&world.client.clone().list_tasks(request).await.unwrap_err()), "page_token");
    let row = v1::GetTaskRowRequest { task_id: tasks[1].to_string() };
    let row = world.client.clone().get_task_row(row).await.unwrap().into_inner().row.unwrap();
    assert_eq!(row.status(), v1::TaskStatus::Queued);
}
