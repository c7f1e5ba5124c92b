//! `run`: a plan from its file to its end, on a platform of its own.

use std::cell::OnceCell;
use std::path::PathBuf;

use holdfast_plan::Local;
use holdfast_proto::v1;
use holdfast_runtime::config::{Flag, Source};
use serde_json::{Map, Value};

use super::{Context, flag};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::exit::{Exit, Strictness};
use crate::network::Network;
use crate::output::Output;
use crate::run::allow;
use crate::run::follow::{Followed, Follower, Patience};
use crate::run::identity::{Identity, Start, Unfinished};
use crate::run::plan_file::{Input, PlanFile};
use crate::run::stage::Stage;
use crate::settings::Listen;

/// Run a plan to its end; where an earlier run of it was cut short, go on with that
///
/// Starts the platform in this process, and the plan's local workers beside it. A run is known by the plan's path and
/// its inputs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast run examples/checksums.yaml --input folder=libs --allow exec=sha256sum,read=libs,write=checksums.txt")]
pub(crate) struct Args {
    /// The plan, YAML or JSON
    file: PathBuf,
    /// An input's value: text, or JSON where the input's schema says so
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// What the built-in tools may touch: exec=PROGRAM, read=PATH, write=PATH, host=HOST, separated by commas; a value
    /// without a kind has that of the one before
    #[arg(long, value_name = "KIND=VALUE[,…]")]
    allow: Vec<allow::Flag>,
    /// Where the platform keeps what it knows [default: .holdfast]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Cancel an unfinished task of this run, and begin anew
    #[arg(long, conflicts_with = "resume_old")]
    new: bool,
    /// Go on with an unfinished task of this run as it was submitted, although the plan has changed
    #[arg(long)]
    resume_old: bool,
    /// End with 3 where the task is DEGRADED
    #[arg(long)]
    strict: bool,
    /// End with 8 where the task waits for a person
    #[arg(long)]
    no_wait: bool,
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        self.data_dir.iter().map(|folder| flag("--data-dir", "data_dir", folder)).collect()
    }

    fn unfinished(&self) -> Unfinished {
        match (self.new, self.resume_old) {
            (true, _) => Unfinished::Replace,
            (false, true) => Unfinished::Resume,
            (false, false) => Unfinished::SameText,
        }
    }

    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let Context { mut config, output } = context;
        let file = PlanFile::read(&self.file)?;
        let inputs = file.with_inputs(&self.inputs)?.inputs;
        let local = local(&file, &inputs)?;
        allow::add(&mut config.value.worker.grants, &self.allow);
        allow::settle(&mut config.value.worker.grants, &local.allow, &file.name)?;
        if config.source("telemetry.log") == Source::Default {
            config.value.telemetry.log = "warn".to_owned();
        }
        let telemetry = holdfast_telemetry::init(&config.value.telemetry)
            .map_err(|error| Error::platform("telemetry can't start")(error.into()))?;
        let commands: Vec<_> = local.workers.into_iter().map(|worker| worker.command).collect();
        let network = Network::of_one_process(&config.value)?.in_plain();
        let stage =
            Stage::set(&config.value, &Listen::anywhere(), &network, &telemetry, &commands, output).await?;
        let client = Client::new(&stage.addresses().server(), &network)?;
        let job = Job { args: &self, file: &file, inputs: &inputs, output, client, task: OnceCell::new() };
        let ended = stage.perform(job.task_to_its_end()).await;
        if matches!(ended, Ok(Exit::Interrupted)) {
            let task = job.task.get().map_or("nothing was submitted", String::as_str);
            output.note(&format!("interrupted ({task}); run the same command to go on"));
        }
        telemetry.shutdown().await;
        ended
    }
}

/// What the plan asks of this machine, with the inputs filled in.
fn local(file: &PlanFile, inputs: &Map<String, Value>) -> Result<Local> {
    let Some(local) = file.document.local() else { return Ok(Local::default()) };
    local.resolve(inputs).map_err(|error| Error::Usage(format!("{}: local: {error}", file.name)))
}

/// The work of one `run`, on a platform that is up.
struct Job<'a> {
    args: &'a Args,
    file: &'a PlanFile,
    inputs: &'a Map<String, Value>,
    output: Output,
    client: Client,
    /// The task, once there is one.
    task: OnceCell<String>,
}

impl Job<'_> {
    async fn task_to_its_end(&self) -> Result<Exit> {
        let client = self.client.clone();
        let identity = Identity::of(self.file, self.inputs);
        let (task, known) = match identity.find(&client, self.args.unfinished()).await? {
            Start::Resume(task) => {
                self.set_going(&client, &task).await?;
                (task.task_id, task.last_seq)
            }
            Start::New => (self.submit(&client, &identity).await?, 0),
            Start::Replace(old) => {
                self.replace(&client, &old.task_id).await?;
                (self.submit(&client, &identity).await?, 0)
            }
        };
        let task = self.task.get_or_init(|| task);
        let patience = if self.args.no_wait { Patience::Leave } else { Patience::Wait };
        let followed = Follower::new(client, task, self.output, patience, known).until_its_end().await?;
        Ok(self.tell(followed))
    }

    /// Whoever runs a quarantined task again says that it may go on.
    async fn set_going(&self, client: &Client, task: &v1::TaskSummary) -> Result<()> {
        if task.status() == v1::TaskStatus::Quarantined {
            self.output.note(&format!(
                "{} was set aside after {} lives without progress",
                task.task_id, task.barren_lives
            ));
            let reason = "run again".to_owned();
            let request =
                v1::ResumeTaskRequest { task_id: task.task_id.clone(), reason, ..Default::default() };
            client.resume(request).await?;
        }
        Ok(())
    }

    async fn submit(&self, client: &Client, identity: &Identity) -> Result<String> {
        let inputs = self.file.given(&self.args.inputs);
        let request = v1::SubmitTaskRequest {
            body: Some(v1::submit_task_request::Body::PlanSource(self.file.sent.clone())),
            inputs: inputs.into_iter().map(|(name, value)| (name, value.to_string())).collect(),
            labels: identity.labels(),
            source_name: self.file.name.clone(),
            ..Default::default()
        };
        let task = client.submit(request).await?.task.unwrap_or_default();
        self.output.note(&format!("{} {}", task.name, task.task_id));
        Ok(task.task_id)
    }

    /// Cancels an unfinished task and waits for its end, its undos included.
    async fn replace(&self, client: &Client, task: &str) -> Result<()> {
        self.output.note(&format!("cancelling {task}"));
        let reason = "replaced by a new run".to_owned();
        client
            .cancel(v1::CancelTaskRequest { task_id: task.to_owned(), reason, ..Default::default() })
            .await?;
        let quiet = u64::MAX;
        let mut follower = Follower::new(client.clone(), task, self.output, Patience::Leave, quiet);
        if let Followed::Waits(_) = follower.until_its_end().await? {
            return Err(Error::Usage(format!(
                "{task} waits for a person before it can end; see: holdfast get {task}"
            )));
        }
        Ok(())
    }

    fn tell(&self, followed: Followed) -> Exit {
        match followed {
            Followed::Ended(ended) => {
                ended.write(self.output);
                ended.exit(if self.args.strict { Strictness::Strict } else { Strictness::Lenient })
            }
            Followed::Waits(task) => {
                self.output
                    .note(&format!("{} waits for a person; run the same command to go on", task.task_id));
                Exit::WaitsForPerson
            }
        }
    }
}
