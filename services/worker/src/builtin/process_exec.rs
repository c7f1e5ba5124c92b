//! `process_exec`: one program, under guard.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use async_trait::async_trait;
use holdfast_tool::{Answer, CallContext, EffectBegins, ManifestError, Tool, ToolFailure, manifest};
use holdfast_types::{Class, Reason, SideEffect, ToolManifest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TEXT_LIMIT;
use super::output::Output;
use super::paths::Roots;
use super::programs::Programs;
use crate::GuardCommand;
use crate::guard::{Guarded, Program, Report};

/// How much of the standard error is kept: it is for people.
const STDERR_LIMIT: usize = 64 * 1024;

/// How much of the standard error a failure's message quotes.
const QUOTED: usize = 1_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// The program: a granted name, or a granted absolute path. No shell is between.
    program: String,
    /// Its arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Its standard input; absent: empty.
    #[serde(default)]
    stdin: String,
    /// Its environment, beside PATH and LANG of the worker.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Its folder, which must be granted; absent: the worker's.
    cwd: Option<String>,
    /// The most bytes of standard output; absent: 1 MiB, which is also the most. Longer output is a failure.
    #[schemars(range(max = 1_048_576))]
    max_output: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Ran {
    exit_code: i32,
    stdout: String,
    /// At most 64 KiB of it.
    stderr: String,
    /// Whether the standard error was longer.
    stderr_truncated: bool,
}

/// The tool.
///
/// A program that ends with another code than 0 has run to its own end: the call failed (`SEMANTIC`/`EXIT_CODE`), and
/// its effect is `EXECUTED`, so it is neither tried again nor asked about, and an undo of it runs. One that a signal
/// ended, or that was stopped, may have done anything: `UNKNOWN`, as the class says. Output that is too long, or no
/// UTF-8 text, is a failure too, never a part that looks like the whole.
pub(super) struct ProcessExec {
    manifest: ToolManifest,
    programs: Programs,
    folders: Roots,
    guard: GuardCommand,
    path: String,
    lang: Option<OsString>,
}

impl ProcessExec {
    pub(super) fn new(
        programs: Programs,
        folders: Roots,
        guard: GuardCommand,
    ) -> Result<Self, ManifestError> {
        let manifest = manifest("process_exec")
            .describe("Runs a granted program and returns what it wrote. No shell is between.")
            .class(SideEffect::Unsafe)
            .input::<Args>()
            .output::<Ran>()
            .build()?;
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        Ok(Self { manifest, programs, folders, guard, path, lang: std::env::var_os("LANG") })
    }

    fn program(&self, args: &Args) -> Result<Program, ToolFailure> {
        let path = self.programs.find(&args.program, &self.path)?;
        let bad = |text: &&String| text.contains('\0');
        let bad_name = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
        if args.args.iter().chain(args.env.values()).find(bad).is_some()
            || args.env.keys().find(bad_name).is_some()
        {
            return Err(ToolFailure::bad_arguments(
                "arguments and environment can't hold NUL, nor names '='",
            ));
        }
        let folder = match &args.cwd {
            Some(cwd) => {
                let folder = self.folders.existing(Path::new(cwd))?;
                if !folder.is_dir() {
                    return Err(ToolFailure::bad_arguments(format!("{cwd} is not a folder")));
                }
                Some(folder)
            }
            None => None,
        };
        let mut env = BTreeMap::from([("PATH".to_owned(), OsString::from(&self.path))]);
        env.extend(self.lang.clone().map(|lang| ("LANG".to_owned(), lang)));
        env.extend(args.env.iter().map(|(name, value)| (name.clone(), OsString::from(value))));
        Ok(Program { path, args: args.args.clone(), env, folder })
    }
}

#[async_trait]
impl Tool for ProcessExec {
    fn manifest(&self) -> ToolManifest {
        self.manifest.clone()
    }

    fn effect_begins(&self) -> EffectBegins {
        EffectBegins::AtCheck
    }

    async fn call(&self, ctx: CallContext, args: Value) -> Result<Answer, ToolFailure> {
        let args: Args =
            serde_json::from_value(args).map_err(|error| ToolFailure::bad_arguments(error.to_string()))?;
        let program = self.program(&args)?;
        let limit = args.max_output.and_then(|most| usize::try_from(most).ok()).unwrap_or(TEXT_LIMIT);
        let limit = limit.min(TEXT_LIMIT);
        let (mut guarded, stdout, stderr) = Guarded::start(&self.guard, &program).map_err(|error| {
            tracing::warn!(%error, "a guard could not be started");
            ToolFailure::transient(error.to_string()).reason(Reason::DependencyUnavailable).not_executed()
        })?;
        ctx.before_effect()?;
        let work = async {
            tokio::try_join!(
                guarded.begin(args.stdin.as_bytes()),
                Output::read(stdout, limit),
                Output::read(stderr, STDERR_LIMIT),
            )
        };
        let ended = tokio::select! {
            ended = work => ended,
            () = ctx.cancelled() => {
                guarded.kill().await;
                return Err(ToolFailure::transient(format!("{} was stopped", args.program)));
            }
        };
        let (report, stdout, stderr) = ended.map_err(|error| {
            let message = format!("the guard of {} died: {error}", args.program);
            ToolFailure::new(Class::Crashed, Reason::DependencyError, message)
        })?;
        answer(&args.program, report, &stdout, &stderr, limit)
    }
}

fn answer(
    program: &str,
    report: Report,
    stdout: &Output,
    stderr: &Output,
    limit: usize,
) -> Result<Answer, ToolFailure> {
    let exit_code = match report {
        Report::Exited(code) => code,
        Report::NotStarted(errno) => {
            let error = std::io::Error::from_raw_os_error(errno);
            let message = format!("{program} can't be started: {error}");
            return Err(
                ToolFailure::new(Class::Permanent, Reason::FailedPrecondition, message).not_executed()
            );
        }
        Report::Signalled(signal) => {
            let message = format!("{program} was ended by signal {signal}{}", quote(stderr));
            return Err(ToolFailure::new(Class::Crashed, Reason::ExitCode, message)
                .code(format!("SIGNAL_{signal}"))
                .detail("signal", signal.to_string()));
        }
        Report::Started(_) => {
            return Err(ToolFailure::new(
                Class::Crashed,
                Reason::Internal,
                "the guard's reports are out of order",
            ));
        }
    };
    if exit_code != 0 {
        let message = format!("{program} ended with code {exit_code}{}", quote(stderr));
        return Err(ToolFailure::new(Class::Semantic, Reason::ExitCode, message)
            .executed()
            .code(exit_code.to_string())
            .detail("exit_code", exit_code.to_string()));
    }
    if stdout.is_cut() {
        let message = format!("{program} wrote {} bytes, at most {limit} are taken", stdout.length);
        return Err(ToolFailure::new(Class::Semantic, Reason::TooLarge, message).executed());
    }
    if !stdout.is_text() {
        let message = format!("{program} wrote something that is not UTF-8 text");
        return Err(ToolFailure::new(Class::Semantic, Reason::BadResult, message).executed());
    }
    let ran =
        Ran { exit_code, stdout: stdout.text(), stderr: stderr.text(), stderr_truncated: stderr.is_cut() };
    serde_json::to_value(ran)
        .map(Answer::new)
        .map_err(|error| ToolFailure::new(Class::Permanent, Reason::BadResult, error.to_string()).executed())
}

/// Quotes the end of what a program complained of: the last words mostly say why.
fn quote(stderr: &Output) -> String {
    let text = stderr.text();
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let skipped = text.chars().count().saturating_sub(QUOTED);
    let dots = if skipped > 0 { "…" } else { "" };
    format!(": {dots}{}", text.chars().skip(skipped).collect::<String>())
}
