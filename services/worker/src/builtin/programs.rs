//! Which programs may be started, and where they are.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use holdfast_tool::ToolFailure;

/// Granted programs: names that are looked up in the worker's `PATH`, or absolute paths.
#[derive(Debug, Clone)]
pub(super) struct Programs(Vec<String>);

impl Programs {
    pub(super) fn new(granted: &[String]) -> Self {
        Self(granted.to_vec())
    }

    /// Finds a granted program, so that what is started is exactly what was granted.
    ///
    /// A program is granted as it is named, or as the path that a granted name stands for. Links are not followed for
    /// that: one file may be many programs under many names.
    pub(super) fn find(&self, given: &str, path: &str) -> Result<PathBuf, ToolFailure> {
        let refused = || ToolFailure::not_granted(format!("the program '{given}' is not granted"));
        let by_name = self.0.iter().any(|granted| granted == given);
        let by_path =
            || self.0.iter().any(|granted| located(granted, path).is_some_and(|at| at == Path::new(given)));
        if !by_name && !by_path() {
            return Err(refused());
        }
        located(given, path).ok_or_else(|| {
            ToolFailure::not_found(format!("there is no program '{given}' in the worker's PATH"))
        })
    }
}

/// Finds the file of a program: an absolute path is itself, a bare name is looked up; nothing else is a program.
fn located(name: &str, path: &str) -> Option<PathBuf> {
    let direct = Path::new(name);
    if direct.is_absolute() {
        return is_program(direct).then(|| direct.to_path_buf());
    }
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_types::Reason;

    use super::*;

    const PATH: &str = "/usr/bin:/bin";

    #[test]
    fn only_what_was_granted_is_found() {
        let programs =
            Programs::new(&["sh".to_owned(), "/usr/bin/env".to_owned(), "no-such-program".to_owned()]);
        let sh = programs.find("sh", PATH).unwrap();
        assert!(sh.is_absolute());
        assert_eq!(programs.find(sh.to_str().unwrap(), PATH).unwrap(), sh);
        assert!(programs.find("/usr/bin/env", PATH).is_ok());
        for refused in ["cat", "/bin/cat", "./sh", "../bin/sh", "bin/sh", "env", ""] {
            assert_eq!(programs.find(refused, PATH).unwrap_err().reason, Reason::NotGranted, "{refused}");
        }
        assert_eq!(programs.find("no-such-program", PATH).unwrap_err().reason, Reason::NotFound);
    }

    #[test]
    fn the_current_folder_is_never_searched() {
        let programs = Programs::new(&["sh".to_owned()]);
        assert_eq!(programs.find("sh", ".:relative").unwrap_err().reason, Reason::NotFound);
    }
}
