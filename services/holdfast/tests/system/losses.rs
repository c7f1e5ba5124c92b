//! What is taken away around the platform: the disk's room.

use std::process::Command;

use holdfast_testkit::{ChildGuard, running_with};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::binary::GUARD;
use crate::plans;
use crate::scene::{Scene, wait_until};

const STEPS: usize = 200;

/// The largest file that a run may write, in bytes: the journal reaches it in the middle of the work, and before the
/// ledger does.
const ROOM: usize = 1 << 20;

/// A run whose files may not grow beyond [`ROOM`]: a write past it fails as on a full disk.
fn cramped(scene: &Scene) -> Command {
    let run = scene.run();
    let mut command = Command::new("sh");
    // Blocks of 512 bytes. Without the trap the write would kill the process.
    let script = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$@\"", ROOM / 512);
    command.args(["-c", &script, "sh"]).arg(run.get_program()).args(run.get_args());
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(run.get_current_dir().unwrap());
    command
}

/// Lets the files of a process grow again.
fn make_room(pid: u32) {
    let unlimited = Rlimit { current: getrlimit(Resource::Fsize).maximum, ..getrlimit(Resource::Fsize) };
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    prlimit(Some(pid), Resource::Fsize, unlimited).unwrap();
}

#[test]
fn a_disk_that_is_full_stops_the_work_until_there_is_room() {
    let scene = Scene::new(|ledger| plans::chain(ledger, STEPS));
    let log = scene.data().with_extension("log");
    let mut command = cramped(&scene);
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut run = ChildGuard::start(command).unwrap();
    let logged = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until("full disk", GUARD, || logged().contains("a transaction failed"));
    assert_eq!(run.try_wait().unwrap(), None, "it waits for room: {}", logged());
    assert!(scene.effects().len() < STEPS, "the work had ended before the disk was full");
    make_room(run.pid());
    for worker in running_with(&scene.ledger().display().to_string()).unwrap() {
        make_room(worker);
    }
    assert!(run.wait(GUARD).unwrap().success(), "{}", logged());
    assert_eq!(scene.effects().len(), STEPS);
    scene.assert_each_effect_once();
}
