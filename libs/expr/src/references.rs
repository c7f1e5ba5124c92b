//! What an expression reads.

use std::collections::BTreeSet;

/// A chain of fields from a variable, as far as it is written out: `steps.a.result[0].b` is `steps.a.result`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The variable and the fields.
    pub segments: Vec<String>,
    /// Where it starts in the expression, in bytes.
    pub offset: usize,
}

/// What an expression, or all those of a template, reads from its scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Ids of steps.
    pub steps: BTreeSet<String>,
    /// Variables other than `steps`.
    pub variables: BTreeSet<String>,
    /// Every reference, written out; each starts with `steps` and an id, or with a variable.
    pub paths: BTreeSet<Path>,
}

impl References {
    pub(crate) fn add(&mut self, path: Path) {
        match &path.segments[..] {
            [root, id, ..] if root == "steps" => self.steps.insert(id.clone()),
            [root, ..] => self.variables.insert(root.clone()),
            [] => return,
        };
        self.paths.insert(path);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.steps.extend(other.steps.iter().cloned());
        self.variables.extend(other.variables.iter().cloned());
        self.paths.extend(other.paths.iter().cloned());
    }
}
