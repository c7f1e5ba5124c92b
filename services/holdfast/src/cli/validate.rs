//! `validate`: all that is wrong with a plan, before anything runs.

use std::path::PathBuf;
use std::sync::Arc;

use holdfast_health::Sharing;
use holdfast_plan::{Inputs, Tools, validate};
use holdfast_ports::Directory;
use holdfast_rpc::server;
use holdfast_runtime::Ids;
use holdfast_telemetry::Metrics;
use holdfast_types::ToolManifest;
use serde_json::{Map, Value, json};

use super::Context;
use super::server::Server;
use super::tools::of_server;
use crate::compose::{self, InProcess, Process};
use crate::embedded::hosted::Hosted;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::network::{Door, Network};
use crate::run::plan_file::{Input, PlanFile};
use crate::run::workers::{LocalWorkers, Site};
use crate::settings::Join;

/// Check a plan: everything that is wrong with it, each with its line
///
/// The tools are those of the built-in worker and of the plan's local workers, which are started for a moment; with
/// --server those that the server has.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast validate examples/trip.yaml")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The plan, YAML or JSON
    file: PathBuf,
    /// An input's value; without any only the inputs' declarations are checked
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let file = PlanFile::read(&self.file)?;
        let tools = if self.server.is_given() {
            let read = |tool| ToolManifest::try_from(tool).ok();
            Some(of_server(&context).await?.into_iter().filter_map(read).collect())
        } else {
            tools_here(&file, &context).await?
        };
        let given = file.given(&self.inputs);
        let inputs = if given.is_empty() { Inputs::Unknown } else { Inputs::Given(&given) };
        let known = tools.as_ref().map_or(Tools::Unknown, |tools: &Vec<_>| Tools::Known(tools));
        match validate(&file.document, known, inputs) {
            Ok(validated) => {
                let steps = validated.plan.steps.len();
                let object =
                    json!({"valid": true, "name": validated.plan.name, "steps": steps, "findings": []});
                context.output.data(&format!("{}: sound, {steps} steps", file.name), &object);
                Ok(Exit::Success)
            }
            Err(findings) if context.output.is_json() => {
                let list: Vec<Value> = findings.list().iter().map(shown).collect();
                context.output.line(&json!({"valid": false, "findings": list}));
                Ok(Exit::Usage)
            }
            Err(findings) => Err(Error::Plan(findings)),
        }
    }
}

fn shown(finding: &holdfast_plan::Finding) -> Value {
    let mut object = Map::new();
    if let Some(place) = finding.place {
        object.insert("line".to_owned(), place.line.into());
        object.insert("column".to_owned(), place.column.into());
    }
    object.insert("path".to_owned(), finding.path.clone().into());
    object.insert("message".to_owned(), finding.message.clone().into());
    object.extend(finding.suggestion.clone().map(|suggestion| ("suggestion".to_owned(), suggestion.into())));
    Value::Object(object)
}

/// The tools of the built-in worker and of the plan's local workers; none where those can't be started.
async fn tools_here(file: &PlanFile, context: &Context) -> Result<Option<Vec<ToolManifest>>> {
    let settings = &context.config.value;
    let process = Process::system(Metrics::no_op());
    let builtin = compose::build_worker(&process, settings.worker.clone(), None, None, Vec::new())?;
    let mut tools = builtin.info(String::new()).tools;
    let local = file.document.local().filter(|local| !local.workers.is_empty());
    let Some(local) = local else { return Ok(Some(tools)) };
    let Ok(inputs) = file.with_inputs(&[]) else { return Ok(None) };
    let local = local
        .resolve(&inputs.inputs)
        .map_err(|error| Error::Usage(format!("{}: local: {error}", file.name)))?;

    let network = Network::of_one_process(settings)?.in_plain();
    let scratch = std::env::temp_dir().join(format!("holdfast-validate-{}", std::process::id()));
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| Error::platform("the directory can't start")(error);
    std::fs::create_dir_all(&scratch).map_err(|error| failed(error.into()))?;
    let config = settings.of_health(Sharing::default());
    let health = compose::build_health(&process, InProcess::default(), &network, config, None);
    let (listener, join) = server::bind("127.0.0.1:0").await.map_err(|error| failed(error.into()))?;
    let serving = network.server(Door::Members, server::Config::default()).add(health.grpc());
    let serving = tokio::spawn(serving.serve(listener, std::future::pending()));
    let site = Site {
        health: health.clone(),
        hosted: Arc::new(Hosted::default()),
        join: Join { health: join.into(), ..Join::nowhere() },
        cluster_token: network.cluster_token().cloned(),
        ids: Ids::system(),
        log: "error".to_owned(),
        data_dir: scratch.clone(),
    };
    let commands: Vec<_> = local.workers.into_iter().map(|worker| worker.command).collect();
    let mut workers = LocalWorkers::start(&site, &commands);
    let there = workers.registered().await;
    let hosted: Vec<_> = health.view().workers.iter().flat_map(|worker| worker.info.tools.clone()).collect();
    workers.stop().await;
    serving.abort();
    let _ = std::fs::remove_dir_all(&scratch);
    if let Err(error) = there {
        context.output.note(&format!("warning: {error}; tools are not checked"));
        return Ok(None);
    }
    tools.extend(hosted);
    Ok(Some(tools))
}
