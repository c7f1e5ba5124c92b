//! What a check has found.

use holdfast_runtime::Config;
use holdfast_runtime::config::Source;
use serde_json::{Value, json};

use crate::settings::Settings;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    /// As it should be.
    Ok,
    /// The platform works, and somebody should look at it.
    Warn,
    /// The platform does not start, or does not keep what it promises.
    Fail,
}

impl Grade {
    /// Returns its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was looked at; programs tell findings apart by it.
    pub(crate) kind: &'static str,
    /// How bad it is.
    pub(crate) grade: Grade,
    /// What was found, in one line without secrets.
    pub(crate) message: String,
    /// The command, or the line of the configuration, that mends it.
    pub(crate) mend: Option<String>,
}

impl Finding {
    pub(crate) fn ok(kind: &'static str, message: impl Into<String>) -> Self {
        Self::graded(Grade::Ok, kind, message)
    }

    pub(crate) fn warn(kind: &'static str, message: impl Into<String>) -> Self {
        Self::graded(Grade::Warn, kind, message)
    }

    pub(crate) fn fail(kind: &'static str, message: impl Into<String>) -> Self {
        Self::graded(Grade::Fail, kind, message)
    }

    pub(crate) fn graded(grade: Grade, kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, grade, message: message.into(), mend: None }
    }

    /// Says what mends it.
    pub(crate) fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let Self { kind, grade, message, mend } = self;
        json!({"kind": kind, "status": grade.as_str(), "message": message, "mend": mend})
    }
}

/// The line that says a value anew, where it has been said.
pub(super) fn line(config: &Config<Settings>, key: &str, value: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    match config.source(key) {
        Source::Default => format!("HOLDFAST_{}={value}", key.to_uppercase().replace('.', "__")),
        Source::File { path, line } => format!("{name} = \"{value}\" in {}:{line}", path.display()),
        Source::Env { name } => format!("{name}={value}"),
        Source::EnvFile { path, .. } => format!("write {value} into {}", path.display()),
        Source::Flag { name } => format!("{name} {value}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_runtime::config::{FileChoice, Flag, Inputs};

    use super::*;

    #[test]
    fn a_line_stands_where_the_value_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("h.toml");
        std::fs::write(&file, "[redis]\nurl = \"nonsense\"\n").unwrap();
        let flag = Flag { name: "--server".into(), key: "server".into(), value: "x".into() };
        let inputs = Inputs {
            file: FileChoice::Named(file.clone()),
            env: vec![("HOLDFAST_DATA_DIR".into(), "d".into())],
            flags: vec![flag],
            ..Inputs::default()
        };
        let config = Config::load(&inputs).unwrap();
        assert_eq!(line(&config, "redis.url", "R"), format!("url = \"R\" in {}:2", file.display()));
        assert_eq!(line(&config, "data_dir", "D"), "HOLDFAST_DATA_DIR=D");
        assert_eq!(line(&config, "server", "S"), "--server S");
        assert_eq!(line(&config, "store.url", "U"), "HOLDFAST_STORE__URL=U");
    }

    #[test]
    fn a_finding_is_an_object_of_four() {
        let finding = Finding::fail("redis", "gone").mend("start it");
        let object = json!({"kind": "redis", "status": "fail", "message": "gone", "mend": "start it"});
        assert_eq!(finding.to_json(), object);
        assert_eq!(Finding::ok("disk", "much").to_json()["mend"], Value::Null);
    }
}
