//! A folder of secrets: made once, and kept.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast_runtime::{Entropy, Secret};
use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, FileAct, Result};

/// The file of the token that callers carry.
pub(crate) const API_TOKEN: &str = "api-token";
/// The file of the token that members carry.
const CLUSTER_TOKEN: &str = "cluster-token";

/// Where the files go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folders<'a> {
    /// The tokens, which every member reads.
    pub(crate) tokens: &'a Path,
    /// The passwords and URLs of the stores, which the services before them read and nobody else.
    pub(crate) stores: &'a Path,
}

/// Where the stores are found by which the URLs name them.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    pub(crate) postgres: String,
    pub(crate) redis: String,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Made {
    /// The token that callers carry.
    pub(crate) api_token: Secret,
    /// The files that were written.
    pub(crate) written: Vec<&'static str>,
    /// The files that were there.
    pub(crate) kept: Vec<&'static str>,
}

/// Makes what is missing in the folders, each file whole or not at all; what is there stays as it is. Processes that do
/// it at once do it one after another.
///
/// # Errors
/// [`Error::File`], or [`Error::Usage`] where a file is empty, or a URL holds another password than its file.
pub(crate) fn make(folders: Folders<'_>, mode: u32, hosts: &Hosts, entropy: &dyn Entropy) -> Result<Made> {
    let Folders { tokens, stores } = folders;
    let tokens_lock = locked(tokens)?;
    // One lock where both are one folder: its second would wait for the first.
    let stores_lock = if tokens == stores { None } else { Some(locked(stores)?) };
    let mut maker = Maker { mode, written: Vec::new(), kept: Vec::new() };
    let api_token = maker.keep_or(tokens, API_TOKEN, || random(entropy))?;
    maker.keep_or(tokens, CLUSTER_TOKEN, || random(entropy))?;
    let password = maker.keep_or(stores, "postgres-password", || random(entropy))?;
    let url =
        |password: &Secret| format!("postgres://holdfast:{}@{}/holdfast", password.expose(), hosts.postgres);
    maker.keep_url(stores, "postgres-url", &password, url)?;
    let password = maker.keep_or(stores, "redis-password", || random(entropy))?;
    let url = |password: &Secret| format!("redis://:{}@{}:6379", password.expose(), hosts.redis);
    maker.keep_url(stores, "redis-url", &password, url)?;
    for (lock, path) in [(Some(tokens_lock), tokens), (stores_lock, stores)] {
        let synced = lock.map_or(Ok(()), |lock| lock.sync_all());
        synced.map_err(|source| Error::File { what: FileAct::Write, path: path.to_owned(), source })?;
    }
    let Maker { written, kept, .. } = maker;
    Ok(Made { api_token, written, kept })
}

/// Makes a folder where it is missing, and locks it: until the file is dropped, at the latest when the process ends.
fn locked(folder: &Path) -> Result<File> {
    let refuse = |what| move |source| Error::File { what, path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(refuse(FileAct::Make))?;
    let lock = File::open(folder).map_err(refuse(FileAct::Open))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| refuse(FileAct::Lock)(error.into()))?;
    Ok(lock)
}

/// 256 bits, in characters that neither a header nor a URL has to escape.
fn random(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    hex::encode(bytes)
}

struct Maker {
    mode: u32,
    written: Vec<&'static str>,
    kept: Vec<&'static str>,
}

impl Maker {
    fn keep_or(
        &mut self,
        folder: &Path,
        name: &'static str,
        make: impl FnOnce() -> String,
    ) -> Result<Secret> {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => {
                Err(Error::Usage(format!("{} is empty: remove it, and it is made", path.display())))
            }
            Ok(text) => {
                self.kept.push(name);
                Ok(Secret::new(text.trim()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secret = Secret::new(make());
                write(folder, name, self.mode, &secret)?;
                self.written.push(name);
                Ok(secret)
            }
            Err(source) => Err(Error::File { what: FileAct::Read, path, source }),
        }
    }

    fn keep_url(
        &mut self,
        folder: &Path,
        name: &'static str,
        password: &Secret,
        url: impl FnOnce(&Secret) -> String,
    ) -> Result<()> {
        let kept = self.keep_or(folder, name, || url(password))?;
        if kept.expose().contains(password.expose()) {
            return Ok(());
        }
        let path = folder.join(name);
        Err(Error::Usage(format!("{} holds another password: remove it, and it is made", path.display())))
    }
}

/// Writes beside and then puts in place, so that a crash leaves the whole file or none.
fn write(folder: &Path, name: &str, mode: u32, secret: &Secret) -> Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    let written = || {
        let mut file = create(&beside)?;
        writeln!(file, "{}", secret.expose())?;
        // Set here and not at its creation, where the process's mask would take from it.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&beside, folder.join(name))
    };
    written().map_err(|source| Error::File { what: FileAct::Write, path: folder.join(name), source })
}

/// Creates a file that nobody else reads; one that a crash left behind goes first.
fn create(path: &PathBuf) -> std::io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_rpc::Token;
    use holdfast_runtime::SystemEntropy;

    use super::*;

    fn hosts() -> Hosts {
        Hosts { postgres: "postgres".into(), redis: "redis".into() }
    }

    fn make_in(folder: &Path) -> Result<Made> {
        make(Folders { tokens: folder, stores: folder }, 0o440, &hosts(), &SystemEntropy)
    }

    fn contents(folder: &Path) -> BTreeMap<String, String> {
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o440, "{entry:?}");
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text.trim().to_owned())
        };
        std::fs::read_dir(folder).unwrap().map(read).collect()
    }

    #[test]
    fn secrets_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let first = make_in(&folder).unwrap();
        assert_eq!((first.written.len(), first.kept.len()), (6, 0));
        let files = contents(&folder);
        assert_eq!(files.len(), 6, "nothing is left beside: {files:?}");
        for name in ["api-token", "cluster-token", "postgres-password", "redis-password"] {
            assert_eq!(files[name].len(), 64, "256 bits");
            assert!(Token::try_new(&files[name]).is_ok());
        }
        assert_eq!(files["api-token"], first.api_token.expose());
        assert_ne!(files["api-token"], files["cluster-token"]);
        let password = &files["postgres-password"];
        assert_eq!(files["postgres-url"], format!("postgres://holdfast:{password}@postgres/holdfast"));
        assert_eq!(files["redis-url"], format!("redis://:{}@redis:6379", files["redis-password"]));
        let second = make_in(&folder).unwrap();
        assert_eq!((second.written.len(), second.kept.len()), (0, 6));
        assert_eq!(contents(&folder), files);
    }

    #[test]
    fn the_stores_secrets_go_into_a_folder_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, stores) = (folder.path().join("tokens"), folder.path().join("stores"));
        let folders = Folders { tokens: &tokens, stores: &stores };
        let made = make(folders, 0o440, &hosts(), &SystemEntropy).unwrap();
        assert_eq!(made.written.len(), 6);
        let names = |folder| contents(folder).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&tokens), ["api-token", "cluster-token"]);
        assert_eq!(names(&stores), ["postgres-password", "postgres-url", "redis-password", "redis-url"]);
    }

    #[test]
    fn only_what_is_missing_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        make_in(folder.path()).unwrap();
        let before = contents(folder.path());
        std::fs::remove_file(folder.path().join("postgres-url")).unwrap();
        // A crash before a file was put in its place.
        std::fs::write(folder.path().join(".postgres-url.new"), "half").unwrap();
        assert_eq!(make_in(folder.path()).unwrap().written, ["postgres-url"]);
        assert_eq!(contents(folder.path()), before);
    }

    #[test]
    fn what_would_not_fit_together_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        make_in(folder.path()).unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::remove_file(path("postgres-password")).unwrap();
        let refused = make_in(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("postgres-url holds another password"), "{refused}");
        std::fs::remove_file(path("postgres-url")).unwrap();
        std::fs::remove_file(path("api-token")).unwrap();
        std::fs::write(path("api-token"), "\n").unwrap();
        let refused = make_in(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("api-token is empty"), "{refused}");
    }

    #[test]
    fn many_at_once_make_one_set() {
        let folder = tempfile::tempdir().unwrap();
        let tokens: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| make_in(folder.path()).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap().api_token).collect()
        });
        assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
