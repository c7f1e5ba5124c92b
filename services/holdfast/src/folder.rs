//! The data folder: one owner, who waits a moment for the one before to end.

use std::path::Path;
use std::time::Duration;

use holdfast_store::{DataFolder, Error as StoreError};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};

/// How long a new owner waits for the one before: a process that was killed leaves its workers a moment to die.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the lock is tried.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// Takes the folder, and lets every child process hold its lock too: local workers, programs, and all that they
/// start. The next owner gets it only when the last of them has ended, which their guards see to.
pub(crate) async fn take(path: &Path) -> Result<DataFolder> {
    let until = Instant::now() + PATIENCE;
    let folder = loop {
        match DataFolder::lock(path) {
            Ok(folder) => break folder,
            Err(StoreError::Locked { .. }) if Instant::now() < until => sleep(TRY_EVERY).await,
            Err(StoreError::Locked { pid, .. }) => return Err(in_use(path, pid)),
            Err(error) => return Err(Error::platform("the platform can't start")(error.into())),
        }
    };
    let inherited = fcntl_getfd(&folder).and_then(|flags| fcntl_setfd(&folder, flags - FdFlags::CLOEXEC));
    inherited.map_err(|error| Error::platform("the data folder's lock can't be shared")(error.into()))?;
    Ok(folder)
}

fn in_use(path: &Path, pid: Option<u32>) -> Error {
    let owner = pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}, or a worker that it started,"),
    );
    Error::Refused {
        message: format!(
            "{owner} is using the data folder {}; stop it, or choose another folder with --data-dir",
            path.display()
        ),
        exit: crate::exit::Exit::Failed,
    }
}
