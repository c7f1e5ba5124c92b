//! Configuration as a composing crate uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_runtime::config::{Config, Error, FileChoice, Flag, Inputs, Secret, Source, human_duration};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Example {
    data_dir: PathBuf,
    worker: Worker,
    auth: Auth,
    models: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Worker {
    slots: u16,
    #[serde(with = "human_duration")]
    heartbeat: Duration,
    advertise: Option<String>,
    quota: Option<u32>,
    roots: Vec<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Auth {
    token: Option<Secret>,
}

impl Default for Example {
    fn default() -> Self {
        Self {
            data_dir: ".holdfast".into(),
            worker: Worker::default(),
            auth: Auth::default(),
            models: BTreeMap::new(),
        }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self { slots: 25, heartbeat: Duration::from_secs(5), advertise: None, quota: None, roots: Vec::new() }
    }
}

fn env(pairs: &[(&str, &str)]) -> Inputs {
    let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Inputs { env, ..Inputs::default() }
}

fn file(text: &str) -> (tempfile::TempDir, Inputs) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.toml");
    std::fs::write(&path, text).unwrap();
    (folder, Inputs { file: FileChoice::Named(path), ..Inputs::default() })
}

fn problems(inputs: &Inputs) -> Vec<(String, String)> {
    match Config::<Example>::load(inputs).expect_err("it must be refused") {
        Error::Rejected(problems) => {
            problems.into_iter().map(|problem| (problem.key, problem.what)).collect()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn later_layers_win_and_each_value_knows_its_source() {
    let (_folder, mut inputs) = file("data_dir = 'a'\n[worker]\nslots = 1\nheartbeat = '1m'\n");
    inputs.env = env(&[("HOLDFAST_WORKER__SLOTS", "2"), ("HOLDFAST_DATA_DIR", "b"), ("PATH", "/bin")]).env;
    inputs.flags = vec![Flag { name: "--data-dir".into(), key: "data_dir".into(), value: "c".into() }];

    let config = Config::<Example>::load(&inputs).unwrap();
    assert_eq!(config.value.data_dir, PathBuf::from("c"));
    assert_eq!(config.value.worker.slots, 2);
    assert_eq!(config.value.worker.heartbeat, Duration::from_secs(60));
    assert_eq!(config.source("data_dir"), Source::Flag { name: "--data-dir".into() });
    assert_eq!(config.source("worker.slots"), Source::Env { name: "HOLDFAST_WORKER__SLOTS".into() });
    assert!(matches!(config.source("worker.heartbeat"), Source::File { line: 4, .. }));
    assert_eq!(config.source("worker.advertise"), Source::Default);
}

#[test]
fn an_unknown_key_in_the_file_is_an_error_with_its_line_and_the_likely_one() {
    let (_folder, inputs) = file("[worker]\nslot = 1\n\n[wroker]\nx = 1\n");
    let shown = Config::<Example>::load(&inputs).unwrap_err().to_string();
    assert!(
        shown.contains("holdfast.toml:2: worker.slot: unknown key; did you mean 'worker.slots'?"),
        "{shown}"
    );
    assert!(shown.contains("holdfast.toml:4: wroker: unknown key; did you mean 'worker'?"), "{shown}");
}

#[test]
fn a_key_in_the_wrong_section_is_found_elsewhere() {
    let (_folder, inputs) = file("slots = 3\n");
    assert_eq!(problems(&inputs), [("slots".into(), "unknown key; did you mean 'worker.slots'?".into())]);
}

#[test]
fn an_unknown_flag_is_an_error_and_an_unknown_variable_a_warning() {
    let mut inputs = env(&[
        ("HOLDFAST_WORKER__SLOT", "1"),
        ("HOLDFAST_ORCHESTRATOR_PORT_7420_TCP_ADDR", "10.0.0.1"),
        ("HOLDFAST_WORKER_SERVICE_HOST", "10.0.0.2"),
        ("HOLDFAST_CONFIG", "x.toml"),
    ]);
    inputs.own_variables = vec!["HOLDFAST_CONFIG".into()];
    let config = Config::<Example>::load(&inputs).unwrap();
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["unknown variable HOLDFAST_WORKER__SLOT; did you mean HOLDFAST_WORKER__SLOTS?"]);

    inputs.flags = vec![Flag { name: "--slot".into(), key: "worker.slot".into(), value: "1".into() }];
    assert_eq!(problems(&inputs).len(), 1);
}

#[test]
fn a_wrong_value_names_its_place_and_what_would_be_right() {
    let (_folder, mut inputs) = file("[worker]\nslots = 'many'\nheartbeat = 'soon'\n");
    inputs.env = env(&[("HOLDFAST_WORKER__QUOTA", "-1")]).env;
    let shown = Config::<Example>::load(&inputs).unwrap_err().to_string();
    assert!(
        shown.contains("holdfast.toml:2: worker.slots: invalid type: string \"many\", expected u16"),
        "{shown}"
    );
    assert!(shown.contains("holdfast.toml:3: worker.heartbeat: 'soon' is not a duration"), "{shown}");
    assert!(shown.contains("HOLDFAST_WORKER__QUOTA: worker.quota: "), "{shown}");
}

#[test]
fn text_becomes_what_the_key_wants() {
    let inputs = env(&[
        ("HOLDFAST_WORKER__ADVERTISE", "7421"),
        ("HOLDFAST_WORKER__QUOTA", "7"),
        ("HOLDFAST_WORKER__ROOTS", "['/a', '/b']"),
        ("HOLDFAST_MODELS__FAST", "small"),
    ]);
    let config = Config::<Example>::load(&inputs).unwrap();
    assert_eq!(config.value.worker.advertise.as_deref(), Some("7421"), "an open key takes text as text");
    assert_eq!(config.value.worker.quota, Some(7));
    assert_eq!(config.value.worker.roots, ["/a", "/b"]);
    assert_eq!(config.value.models["fast"], "small");
    assert_eq!(config.source("models"), Source::Env { name: "HOLDFAST_MODELS__FAST".into() });
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "hunter2\n").unwrap();
    let config =
        Config::<Example>::load(&env(&[("HOLDFAST_AUTH__TOKEN_FILE", path.to_str().unwrap())])).unwrap();
    assert_eq!(config.value.auth.token.as_ref().unwrap().expose(), "hunter2");
    let settings = config.settings();
    let token = settings.iter().find(|setting| setting.key == "auth.token").unwrap();
    assert_eq!(token.value, "***");
    assert!(matches!(&token.source, Source::EnvFile { name, .. } if name == "HOLDFAST_AUTH__TOKEN_FILE"));
    assert!(!format!("{config:?} {settings:?}").contains("hunter2"));

    std::fs::write(&path, "many").unwrap();
    let refused = problems(&env(&[("HOLDFAST_WORKER__SLOTS_FILE", path.to_str().unwrap())]));
    assert!(!refused[0].1.contains("many"), "{refused:?}");
}

#[test]
fn settings_list_everything_in_force() {
    let config = Config::<Example>::load(&env(&[("HOLDFAST_WORKER__SLOTS", "3")])).unwrap();
    let shown: Vec<String> = config
        .settings()
        .iter()
        .map(|setting| format!("{}={} {}", setting.key, setting.value, setting.source))
        .collect();
    assert_eq!(
        shown,
        [
            "auth.token=null default",
            "data_dir=\".holdfast\" default",
            "models={} default",
            "worker.advertise=null default",
            "worker.heartbeat=\"5s\" default",
            "worker.quota=null default",
            "worker.roots=[] default",
            "worker.slots=3 HOLDFAST_WORKER__SLOTS",
        ]
    );
}

#[test]
fn a_missing_file_is_an_error_only_where_it_was_named() {
    let path = PathBuf::from("/nonexistent/holdfast.toml");
    let named = Inputs { file: FileChoice::Named(path.clone()), ..Inputs::default() };
    assert!(matches!(Config::<Example>::load(&named), Err(Error::Read { .. })));
    let usual = Inputs { file: FileChoice::IfPresent(path), ..Inputs::default() };
    assert!(Config::<Example>::load(&usual).is_ok());
}

#[test]
fn a_file_that_is_not_toml_names_the_line() {
    let (_folder, inputs) = file("data_dir = 'a'\n[worker\n");
    assert!(matches!(Config::<Example>::load(&inputs), Err(Error::Syntax { line: 2, .. })));
}

#[test]
fn a_value_of_the_right_type_can_still_be_refused_where_it_was_said() {
    let config = Config::<Example>::load(&env(&[("HOLDFAST_WORKER__SLOTS", "0")])).unwrap();
    let error = config.invalid("worker.slots", "0 is too few: expected 1 to 10000").to_string();
    assert_eq!(error, "HOLDFAST_WORKER__SLOTS: worker.slots: 0 is too few: expected 1 to 10000");
}
