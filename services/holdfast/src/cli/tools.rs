//! `tools`: what a server's workers offer.

use std::collections::BTreeMap;

use holdfast_proto::convert::known;
use holdfast_proto::v1;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_types::SideEffect;

use super::Context;
use super::server::Server;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::{json, table};

/// List the tools of a server's workers
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast tools --json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let tools = of_server(&context).await?;
        if context.output.is_json() {
            tools.iter().for_each(|tool| context.output.line(&json::of("ToolManifest", tool)));
        } else {
            let rows: Vec<_> = tools.iter().map(row).collect();
            context.output.text(&table::lines(&rows));
        }
        Ok(Exit::Success)
    }
}

/// Asks the directory that a server shares its address with.
pub(super) async fn of_server(context: &Context) -> Result<Vec<v1::ToolManifest>> {
    let client = Server::connect(context)?;
    let answered =
        HealthServiceClient::new(client.channel()).get(v1::HealthServiceGetRequest::default()).await;
    let view = answered.map_err(|status| client.refused(&status))?.into_inner().view.unwrap_or_default();
    let hosted = view.workers.into_iter().filter_map(|worker| worker.info).flat_map(|info| info.tools);
    let by_name: BTreeMap<_, _> = hosted.map(|tool| (tool.name.clone(), tool)).collect();
    Ok(by_name.into_values().collect())
}

fn row(tool: &v1::ToolManifest) -> Vec<String> {
    let class = known::<SideEffect>("side_effect", tool.side_effect).map_or("UNSAFE", |class| class.as_str());
    let what = tool.description.lines().next().unwrap_or_default().to_owned();
    vec![tool.name.clone(), class.to_owned(), what]
}
