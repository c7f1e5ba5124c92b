//! The data folder: whose it is, what it holds, and how much room there is.

use std::path::{Path, PathBuf};

use holdfast_store::{DataFolder, Error, Owned, SqliteStore};

use super::{Finding, words};
use crate::error::told;

const KIND: &str = "data_folder";

/// Less is seen to.
const LITTLE: u64 = 1 << 30;

/// With less, commits are about to fail.
const NOTHING: u64 = 64 << 20;

/// Says who owns the folder and what its database holds.
pub(super) async fn store(folder: PathBuf) -> Vec<Finding> {
    let path = folder.clone();
    let shown = folder.display();
    // A folder on a dead network drive would hold the thread.
    let owned = match tokio::task::spawn_blocking(move || Owned::of(&path)).await {
        Ok(Ok(owned)) => owned,
        Ok(Err(error)) => return vec![unusable(&folder, &error)],
        Err(error) => return vec![unusable(&folder, &error)],
    };
    let database = DataFolder::database_in(&folder);
    if !database.exists() {
        return vec![Finding::ok(KIND, format!("{shown} holds nothing yet: the first run makes it"))];
    }
    let owner = match owned {
        Owned::Missing | Owned::Free => "in use by nobody".to_owned(),
        Owned::By { pid: Some(pid) } => format!("in use by process {pid}"),
        Owned::By { pid: None } => "in use".to_owned(),
    };
    let survey = match SqliteStore::survey(&database).await {
        Ok(survey) => survey,
        Err(error) => return vec![unusable(&folder, &error)],
    };
    let size = words::bytes(survey.size.unwrap_or_default());
    let message = format!("{shown} is {owner}: {size}; {}", words::work(survey.work.as_ref()));
    vec![Finding::ok(KIND, message)]
}

fn unusable(folder: &Path, error: &(dyn std::error::Error + 'static)) -> Finding {
    let shown = folder.display();
    let mend = match error.downcast_ref::<Error>() {
        Some(Error::Newer { .. }) => "install the release that has written it".to_owned(),
        Some(Error::Folder { .. }) => format!("chown -R \"$USER\" '{shown}' && chmod -R u+rwX '{shown}'"),
        _ => format!("put '{shown}' back from a backup, or take another folder: HOLDFAST_DATA_DIR=FOLDER"),
    };
    Finding::fail(KIND, told(error)).mend(mend)
}

/// Says how much room is left where the folder is, or will be.
pub(super) async fn disk(folder: PathBuf) -> Vec<Finding> {
    let look = move || {
        let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        rustix::fs::statvfs(there).map(|found| found.f_bavail.saturating_mul(found.f_frsize))
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(free)) => vec![room(free)],
        Ok(Err(error)) => vec![Finding::warn("disk", format!("free space is not known: {error}"))],
        Err(error) => vec![Finding::warn("disk", format!("free space is not known: {error}"))],
    }
}

fn room(free: u64) -> Finding {
    let message = format!("{} free", words::bytes(free));
    let mend = "holdfast prune --older-than 7d, or make room beside it";
    match free {
        ..NOTHING => Finding::fail("disk", message).mend(mend),
        NOTHING..LITTLE => Finding::warn("disk", message).mend(mend),
        _ => Finding::ok("disk", message),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn little_room_is_told() {
        assert_eq!(room(NOTHING - 1).grade, Grade::Fail);
        assert_eq!(room(LITTLE - 1).grade, Grade::Warn);
        assert_eq!(room(LITTLE).grade, Grade::Ok);
    }

    #[tokio::test]
    async fn a_folder_tells_its_owner_and_a_broken_one_what_is_wrong() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        assert!(store(path.clone()).await[0].message.ends_with("the first run makes it"));
        assert_eq!(disk(path.clone()).await.len(), 1);
        assert!(!path.exists());
        let folder = DataFolder::lock(&path).unwrap();
        std::fs::write(folder.database(), "no database, but long enough to be taken for one".repeat(40))
            .unwrap();
        let broken = store(path.clone()).await.remove(0);
        assert!(broken.grade == Grade::Fail && broken.mend.unwrap().contains("backup"));
        std::fs::write(folder.database(), "").unwrap();
        let owned = store(path).await.remove(0);
        let pid = format!("in use by process {}: 0 B; no tables yet", std::process::id());
        assert!(owned.grade == Grade::Ok && owned.message.contains(&pid), "{owned:?}");
    }
}
