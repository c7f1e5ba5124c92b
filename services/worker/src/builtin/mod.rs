//! The built-in tools. None of them touches anything that the configuration does not grant.

mod file_list;
mod file_read;
mod file_write;
mod hosts;
mod http_request;
mod io_error;
mod output;
mod paths;
mod process_exec;
mod programs;

use std::sync::Arc;

use holdfast_tool::Tool;

use crate::config::Builtin;
use crate::{Config, Deps, Error};

/// The longest text that a built-in tool takes or returns in one piece: it must fit into a message, JSON's escapes
/// included in most cases.
const TEXT_LIMIT: usize = 1024 * 1024;

/// Makes the built-in tools that the configuration wants.
pub(crate) fn tools(config: &Config, deps: &Deps) -> Result<Vec<Arc<dyn Tool>>, Error> {
    if config.builtin == Builtin::None {
        return Ok(Vec::new());
    }
    let grants = &config.grants;
    let read = paths::Roots::new(&grants.read);
    let write = paths::Roots::new(&grants.write);
    let programs = programs::Programs::new(&grants.exec);
    let hosts = hosts::Hosts::new(&grants.hosts)?;
    let folders = read.and(&write);
    Ok(vec![
        Arc::new(http_request::HttpRequest::new(hosts, Arc::clone(&deps.clock))?),
        Arc::new(process_exec::ProcessExec::new(programs, folders, deps.guard.clone())?),
        Arc::new(file_read::tool(read.clone())?),
        Arc::new(file_write::tool(write)?),
        Arc::new(file_list::tool(read)?),
    ])
}
