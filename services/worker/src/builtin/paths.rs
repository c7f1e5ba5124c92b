//! Which files and folders a tool may touch.
//!
//! A path is resolved (symbolic links, `..`) before it is compared, and the resolved path is what is opened, its last
//! part without following a link. Somebody who can replace a folder on that path by a link at that very moment can
//! still lead elsewhere: grant folders that only trusted users can write.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use holdfast_tool::ToolFailure;

use super::io_error;

/// Granted files and folders, with all below them.
#[derive(Debug, Clone)]
pub(super) struct Roots(Vec<PathBuf>);

impl Roots {
    pub(super) fn new(granted: &[String]) -> Self {
        Self(granted.iter().map(PathBuf::from).collect())
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// Resolves a path to something that exists, and checks that it is granted.
    pub(super) fn existing(&self, given: &Path) -> Result<PathBuf, ToolFailure> {
        let resolved = match std::fs::canonicalize(given) {
            Ok(resolved) => resolved,
            // Whether something exists is told only about what is granted.
            Err(error) => {
                let place = self.place(given).map_err(|_| not_granted(given))?;
                return Err(io_error::failed("open", &place, &error));
            }
        };
        self.granted(resolved, given)
    }

    /// Resolves a path to something that need not exist, in a folder that does, and checks that it is granted.
    pub(super) fn place(&self, given: &Path) -> Result<PathBuf, ToolFailure> {
        let resolved = in_its_folder(given).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                ToolFailure::bad_arguments(format!("{} names no file", given.display()))
            }
            _ => io_error::failed("resolve", given, &error),
        });
        match resolved {
            Ok(resolved) => self.granted(resolved, given),
            Err(failure) if self.0.iter().any(|root| plainly_below(given, root)) => Err(failure),
            Err(_) => Err(not_granted(given)),
        }
    }

    fn granted(&self, resolved: PathBuf, given: &Path) -> Result<PathBuf, ToolFailure> {
        // Roots are resolved each time: one may be made, or made a link, while the worker runs.
        let roots = self.0.iter().filter_map(|root| resolve(root).ok());
        if roots.into_iter().any(|root| resolved.starts_with(root)) {
            Ok(resolved)
        } else {
            Err(not_granted(given))
        }
    }
}

fn not_granted(given: &Path) -> ToolFailure {
    ToolFailure::not_granted(format!("{} is not in a granted folder", given.display()))
}

/// Resolves what exists, else what could be made in a folder that exists.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path).or_else(|_| in_its_folder(path))
}

fn in_its_folder(path: &Path) -> io::Result<PathBuf> {
    let name: &OsStr = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(std::fs::canonicalize(folder)?.join(name))
}

/// Says whether a path is below a root as it is written, without looking at the disk.
fn plainly_below(given: &Path, root: &Path) -> bool {
    let climbs = given.components().any(|part| part == Component::ParentDir);
    let absolute = |path: &Path| std::path::absolute(path).ok();
    !climbs && absolute(given).zip(absolute(root)).is_some_and(|(given, root)| given.starts_with(root))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use holdfast_types::Reason;

    use super::*;

    #[test]
    fn nothing_leads_out_of_a_granted_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::create_dir_all(inside.join("deep")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("secret"), "s").unwrap();
        std::fs::write(inside.join("a"), "a").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        symlink(inside.join("a"), inside.join("deep/inner")).unwrap();
        let roots = Roots::new(&[inside.display().to_string()]);

        assert!(roots.existing(&inside.join("a")).is_ok());
        assert!(roots.existing(&inside.join("deep/../a")).is_ok());
        assert_eq!(
            roots.existing(&inside.join("deep/inner")).unwrap(),
            inside.canonicalize().unwrap().join("a")
        );
        for out in ["link/secret", "../out/secret", "link", "..", "../in2", "link/nothing", "../out/nothing"]
        {
            let refused = roots.existing(&inside.join(out)).unwrap_err();
            assert_eq!(refused.reason, Reason::NotGranted, "{out}");
        }
        for out in ["link/new", "../new", "../out/secret"] {
            assert_eq!(roots.place(&inside.join(out)).unwrap_err().reason, Reason::NotGranted, "{out}");
        }
        assert!(roots.place(&inside.join("deep/new")).is_ok());
        assert_eq!(roots.existing(&inside.join("nothing")).unwrap_err().reason, Reason::NotFound);
        assert_eq!(roots.place(&inside.join("no/where")).unwrap_err().reason, Reason::NotFound);
    }

    #[test]
    fn a_single_file_may_be_granted_before_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.txt");
        let roots = Roots::new(&[report.display().to_string()]);
        assert!(roots.place(&report).is_ok());
        assert!(roots.place(&folder.path().join("report.txt.bak")).is_err());
        assert!(Roots::new(&[]).place(&report).is_err());
    }
}
