//! `doctor`: what stands in the way, and what mends it.

use holdfast_runtime::config::Flag;

use super::server::Server;
use super::{Context, flag};
use crate::doctor::{self, Finding, Grade, Which};
use crate::error::Result;
use crate::exit::Exit;

/// Check the configuration and all that it names; each finding comes with what mends it
///
/// Looks at the configuration, the data folder, the server, the services that are configured, PostgreSQL and Redis where
/// their URLs are given, and clocks. Changes nothing. Ends with 1 where something fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  HOLDFAST_REDIS__URL=redis://10.0.0.4:6379 holdfast doctor --services")]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    /// The data folder [default: .holdfast]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Ask the services at their usual addresses, too, where none are configured
    #[arg(long)]
    services: bool,
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let folder = self.data_dir.iter().map(|folder| flag("--data-dir", "data_dir", folder));
        self.server.flags().into_iter().chain(folder).collect()
    }

    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let which = if self.services { Which::All } else { Which::Configured };
        let findings = doctor::examine(&context.config, which).await;
        if context.output.is_json() {
            findings.iter().for_each(|finding| context.output.line(&finding.to_json()));
        } else {
            context.output.text(&written(&findings));
        }
        let worst = findings.iter().map(|finding| finding.grade).max();
        Ok(if worst == Some(Grade::Fail) { Exit::Failed } else { Exit::Success })
    }
}

/// One line a finding, and one below it that mends it.
fn written(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.kind.len()).max().unwrap_or(0);
    let lines = findings.iter().flat_map(|Finding { kind, grade, message, mend }| {
        let found = format!("{:<4}  {kind:<width$}  {message}", grade.as_str());
        let mend = mend.as_ref().map(|mend| format!("      {:<width$}  mend it: {mend}", ""));
        std::iter::once(found).chain(mend)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mends_a_finding_stands_below_it() {
        let findings = [Finding::ok("disk", "much"), Finding::fail("server", "gone").mend("start it")];
        let text = "ok    disk    much\nfail  server  gone\n              mend it: start it";
        assert_eq!(written(&findings), text);
    }
}
