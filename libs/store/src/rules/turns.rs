//! Whose turn it is where more tasks wait than a claim takes: namespaces take turns, from one claim to the next.

use std::sync::{Mutex, PoisonError};

/// How far the turns of the namespaces have come in this process: each claim goes on behind the last one.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    // A std mutex: held for a copy, never across an await.
    last: Mutex<String>,
}

impl Turns {
    /// The namespace that had the last turn.
    pub(crate) fn last(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the namespace that had the last turn; none: nobody had one.
    pub(crate) fn had(&self, namespace: Option<String>) {
        if let Some(namespace) = namespace {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = namespace;
        }
    }
}

/// How many tasks of each namespace are looked at, so that `most` are found where all of them have enough.
pub(crate) fn share(most: usize, namespaces: usize) -> usize {
    most.div_ceil(namespaces.max(1))
}

/// Takes from each line in turn, from its front, until there are `most`.
pub(crate) fn in_turns<T>(lines: Vec<Vec<T>>, most: usize) -> Vec<T> {
    let mut lines: Vec<_> = lines.into_iter().map(Vec::into_iter).collect();
    let mut taken = Vec::with_capacity(most);
    while taken.len() < most {
        let before = taken.len();
        let room = most - before;
        taken.extend(lines.iter_mut().filter_map(Iterator::next).take(room));
        if taken.len() == before {
            break;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_gives_one_in_turn() {
        let lines = || vec![vec!["a1", "a2", "a3"], vec![], vec!["b1"]];
        assert_eq!(in_turns(lines(), 10), ["a1", "b1", "a2", "a3"]);
        assert_eq!(in_turns(lines(), 2), ["a1", "b1"]);
        assert!(in_turns(lines(), 0).is_empty());
        assert_eq!((share(10, 3), share(10, 0), share(1, 5)), (4, 10, 1));
    }
}
