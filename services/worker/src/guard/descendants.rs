//! The processes below the guard: found in `/proc`, killed without hitting a stranger.

use std::collections::{HashMap, HashSet};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

/// Kills every process below this one that lives now. One that is born meanwhile is found the next time.
pub(super) fn kill_all() {
    let me = getpid();
    let found = below(me);
    for pid in &found {
        // The process file descriptor is taken first and the parent looked at again behind it, so that a number that
        // was given to a stranger meanwhile is never hit.
        let Ok(process) = pidfd_open(*pid, PidfdFlags::empty()) else { continue };
        let parent = parent_of(*pid);
        if parent.is_some_and(|parent| parent == me || found.contains(&parent)) {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }
}

/// Lists the living processes below `root`.
fn below(root: Pid) -> HashSet<Pid> {
    let parents = parents();
    let mut found = HashSet::new();
    let mut front = vec![root];
    while let Some(parent) = front.pop() {
        let children =
            parents.iter().filter(|(_, its_parent)| **its_parent == parent).map(|(child, _)| *child);
        for child in children.collect::<Vec<_>>() {
            if found.insert(child) {
                front.push(child);
            }
        }
    }
    found
}

/// Reads who is whose parent. Zombies are left out: they are dead, and wait to be reaped.
fn parents() -> HashMap<Pid, Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            Some((pid, parent_of(pid)?))
        })
        .collect()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    parent_in(&stat)
}

/// Reads the parent out of `/proc/PID/stat`: `PID (NAME) STATE PARENT …`, where the name may hold anything.
fn parent_in(stat: &str) -> Option<Pid> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    if state == "Z" { None } else { Pid::from_raw(parent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_fake_its_parent() {
        assert_eq!(parent_in("7 (a) S 1) R 42 7 7 0"), Pid::from_raw(42));
        assert_eq!(parent_in("7 (sh) Z 42 7"), None, "a zombie is dead");
        assert_eq!(parent_in("nonsense"), None);
    }
}
