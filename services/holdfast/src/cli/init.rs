//! `init`: a plan and a configuration to begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::{Error, FileAct, Result};
use crate::exit::Exit;
use crate::output::Output;

/// Write a commented plan and configuration to begin with
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast init my-project && cd my-project && holdfast run plan.yaml --allow read=.")]
pub(crate) struct Args {
    /// The folder; made where it is missing
    #[arg(default_value = ".")]
    folder: PathBuf,
}

const PLAN: &str = include_str!("init/plan.yaml");
const CONFIG: &str = include_str!("init/holdfast.toml");

impl Args {
    pub(super) fn run(self, output: Output) -> Result<Exit> {
        let files =
            [(self.folder.join("plan.yaml"), PLAN), (self.folder.join(crate::settings::FILE), CONFIG)];
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(Error::Usage(format!("{} is there already; nothing was written", path.display())));
        }
        let refuse = |source| Error::File { what: FileAct::Make, path: self.folder.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(refuse)?;
        for (path, text) in &files {
            write_new(path, text)?;
        }
        let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        output.data(&format!("wrote {}", names.join(" and ")), &json!({"written": names}));
        Ok(Exit::Success)
    }
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| Error::File { what: FileAct::Write, path: path.to_owned(), source })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_plan::{Audience, Inputs, Tools, parse, validate};
    use holdfast_runtime::Config;
    use holdfast_runtime::config::{FileChoice, Inputs as Layers};

    use super::*;
    use crate::output::Format;
    use crate::settings::Settings;

    #[test]
    fn the_plan_is_sound_and_the_configuration_says_the_defaults() {
        let document = parse("plan.yaml", PLAN, Audience::Local).unwrap();
        validate(&document, Tools::Unknown, Inputs::Given(&Default::default())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast.toml");
        std::fs::write(&path, CONFIG).unwrap();
        let layers = Layers { file: FileChoice::Named(path), ..Layers::default() };
        assert_eq!(Config::<Settings>::load(&layers).unwrap().value, Settings::default());
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let init = || Args { folder: folder.path().join("new") }.run(Output::new(Format::Json));
        init().unwrap();
        std::fs::write(folder.path().join("new/plan.yaml"), "mine").unwrap();
        assert!(init().is_err());
        assert_eq!(std::fs::read_to_string(folder.path().join("new/plan.yaml")).unwrap(), "mine");
    }
}
