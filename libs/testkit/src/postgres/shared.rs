//! One server for all tests of a run, and a database of its own for each.
//!
//! Whoever uses the server holds a shared lock; some seconds after the last one has let go, or was killed, the
//! server's keeper stops it and removes its data.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, flock};

use super::programs::{self, PostgresError, system};
use super::server::{Flush, keep, lock_file, url};

/// The server outlives its last user for so many seconds: between two tests of a run there may be none.
const GRACE: u32 = 3;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// An empty database on the run's server, removed when this is dropped.
#[derive(Debug)]
pub struct PostgresDatabase {
    programs: PathBuf,
    port: u16,
    name: String,
    _lock: File,
}

impl PostgresDatabase {
    /// Makes a database; the first of a run starts the server. Blocks, for seconds where it is the first.
    ///
    /// # Errors
    /// [`PostgresError::Missing`] where PostgreSQL is not installed; the others where it does not work.
    pub fn create() -> Result<Self, PostgresError> {
        let programs = programs::programs()?;
        let (lock, port) = join(&programs, &folder()?)?;
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // A killed process of the same number may have left one.
        let statements = [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")];
        programs::psql(&programs, port, &statements)?;
        Ok(Self { programs, port, name, _lock: lock })
    }

    /// Where it takes connections.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port, &self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // What is left goes with the server.
        let _ =
            programs::psql(&self.programs, self.port, &[format!("DROP DATABASE {} WITH (FORCE)", self.name)]);
    }
}

/// One folder for all tests of one build folder.
fn folder() -> Result<PathBuf, PostgresError> {
    let program = std::env::current_exe().map_err(system("find this program"))?;
    let mut hasher = DefaultHasher::new();
    program.parent().hash(&mut hasher);
    let user = rustix::process::geteuid().as_raw();
    let name = format!("holdfast-test-postgres-{user}-{:08x}", hasher.finish() & 0xffff_ffff);
    Ok(std::env::temp_dir().join(name))
}

/// Takes a share in the server, starting it where it does not run.
fn join(programs: &Path, folder: &Path) -> Result<(File, u16), PostgresError> {
    let refused = |error: rustix::io::Errno| system("lock")(error.into());
    std::fs::create_dir_all(folder).map_err(system("make a folder"))?;
    let start = File::create(folder.join("start.lock")).map_err(system("open a lock file"))?;
    flock(&start, FlockOperation::LockExclusive).map_err(refused)?;
    let users = lock_file(folder)?;
    // Waits while the keeper stops a server that had no users.
    flock(&users, FlockOperation::LockShared).map_err(refused)?;
    let ready = folder.join("ready");
    let known = std::fs::read_to_string(&ready).ok().and_then(|port| port.trim().parse().ok());
    if let Some(port) = known
        && programs::is_ready(programs, port)
    {
        return Ok((users, port));
    }
    // A machine that crashed may have left data.
    let _ = std::fs::remove_dir_all(folder.join("data"));
    programs::give_to_server(folder)?;
    programs::init(programs, folder)?;
    let port = programs::free_port()?;
    // Nobody waits for it: it ends by itself.
    drop(keep(programs, folder, port, Flush::Never, GRACE)?);
    programs::wait_until_ready(programs, folder, port)?;
    std::fs::write(&ready, port.to_string()).map_err(system("note the port"))?;
    Ok((users, port))
}
