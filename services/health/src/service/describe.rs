//! `DescribeForModel`.

use holdfast_proto::convert::time;
use holdfast_proto::v1;
use holdfast_proto::v1::tool_note;
use tonic::Status;

use super::view::names;
use crate::Health;
use crate::describe::{Availability, Note, note, text};
use crate::directory::version_at;

pub(super) fn describe(
    health: &Health,
    request: v1::DescribeForModelRequest,
) -> Result<v1::DescribeForModelResponse, Status> {
    let tools = names(&request.tools)?;
    let directory = &health.directory;
    // Read before the state: what changes meanwhile has a later version, and is told the next time.
    let now = directory.clock.now();
    let board = health.breaking.board();
    let (notes, version) = directory.read(|registry, view| {
        let of = |tool| note(tool, registry.tool(tool), view, &board, request.since_version);
        (tools.iter().filter_map(of).collect::<Vec<Note>>(), view.version)
    });
    let wire = |note: &Note| v1::ToolNote {
        tool: note.tool.to_string(),
        availability: availability(note.availability).into(),
        since: note.since.map(time::timestamp),
        expected_back_at: note.expected_back().map(time::timestamp),
        use_instead: note.use_instead.iter().map(ToString::to_string).collect(),
        message: note.sentence(now),
    };
    let structure = notes.iter().map(wire).collect();
    let version = version.max(version_at(now));
    Ok(v1::DescribeForModelResponse { text: text(&notes, now), tools: structure, version })
}

const fn availability(availability: Availability) -> tool_note::Availability {
    match availability {
        Availability::Available => tool_note::Availability::Available,
        Availability::Unavailable | Availability::Broken { .. } | Availability::SwitchedOff { .. } => {
            tool_note::Availability::Unavailable
        }
        Availability::Gone => tool_note::Availability::Gone,
    }
}
