//! The API as it is published: the descriptor set that reflection answers from names every service and verb.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn services() -> BTreeMap<String, Vec<String>> {
    let set = FileDescriptorSet::decode(holdfast_proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = set.file.into_iter().filter(|file| file.package() == "holdfast.v1");
    ours.flat_map(|file| file.service)
        .map(|service| {
            let verbs = service.method.iter().map(|method| method.name().to_owned()).collect();
            (service.name().to_owned(), verbs)
        })
        .collect()
}

#[test]
fn every_service_has_its_verbs() {
    let services = services();
    let verbs = |service: &str| services[service].join(" ");
    assert_eq!(services.len(), 5);
    assert_eq!(
        verbs("OrchestratorService"),
        "SubmitTask GetTask ListSubtasks WatchTask ListTasks CancelTask GetTaskHistory ApproveCall AnswerQuestion \
         ResolveOutcome PauseTask ResumeTask InjectNote ForkTask CompensateTask"
    );
    assert_eq!(verbs("WorkerService"), "Describe Execute Fence Cancel Ack Check Reconcile");
    assert_eq!(verbs("IdempotencyService"), "Begin Extend Complete Release FailFinal Get List Forget");
    assert_eq!(
        verbs("CheckpointService"),
        "CreateTask CreateFork Append Load Follow GetTaskRow ListTasks PutSnapshot GetLastGood InstanceSession Claim ReleaseTask PutInbox \
         ListInbox ClaimKey ExtendKey CompleteKey ReleaseKey FailKey GetKey ListKeys ForgetKey Prune MarkRestored ListRestores PutBlob GetBlob \
         PutCheckpoint PutCheckpointWrites GetCheckpoint ListCheckpoints CopyCheckpoints PruneCheckpoints"
    );
    assert_eq!(
        verbs("HealthService"),
        "RegisterWorker Watch Report Get DescribeForModel ListBreakers ForceBreaker"
    );
}

#[test]
fn the_set_holds_what_it_imports_and_no_struct() {
    let set = FileDescriptorSet::decode(holdfast_proto::FILE_DESCRIPTOR_SET).unwrap();
    let names: Vec<&str> = set.file.iter().map(|file| file.name()).collect();
    for file in &set.file {
        for import in &file.dependency {
            assert!(names.contains(&import.as_str()), "{} imports {import}", file.name());
            assert_ne!(import, "google/protobuf/struct.proto", "64-bit numbers would lose their digits");
        }
    }
}
