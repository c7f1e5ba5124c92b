//! The plan's shape, computed once: positions, dependents, reachability.

use std::collections::HashMap;

use holdfast_types::StepId;
use holdfast_types::plan::{Plan, StepKind};

/// Positions and edges of a plan's steps.
#[derive(Debug)]
pub(crate) struct Index {
    positions: HashMap<StepId, usize>,
    dependents: Vec<Vec<usize>>,
    dependencies: Vec<usize>,
    members: Vec<Vec<usize>>,
    groups: Vec<Option<usize>>,
}

impl Index {
    pub(crate) fn of(plan: &Plan) -> Self {
        let positions: HashMap<StepId, usize> =
            plan.steps.iter().enumerate().map(|(i, step)| (step.id.clone(), i)).collect();
        let mut dependents = vec![Vec::new(); plan.steps.len()];
        let mut dependencies = vec![0; plan.steps.len()];
        let mut members = vec![Vec::new(); plan.steps.len()];
        let mut groups = vec![None; plan.steps.len()];
        for (i, step) in plan.steps.iter().enumerate() {
            for dependency in step.depends_on.iter().filter_map(|id| positions.get(id)) {
                dependents[*dependency].push(i);
                dependencies[i] += 1;
            }
            if let StepKind::Group(group) = &step.kind {
                for member in group.members.iter().filter_map(|id| positions.get(id)) {
                    members[i].push(*member);
                    groups[*member] = Some(i);
                }
            }
        }
        // A member starts no sooner than its group may: the group's dependencies are its own.
        for (group, members) in members.iter().enumerate() {
            for member in members {
                for dependency in plan.steps[group].depends_on.iter().filter_map(|id| positions.get(id)) {
                    if !plan.steps[*member].depends_on.contains(&plan.steps[*dependency].id) {
                        dependents[*dependency].push(*member);
                        dependencies[*member] += 1;
                    }
                }
            }
        }
        Self { positions, dependents, dependencies, members, groups }
    }

    pub(crate) fn position(&self, id: &StepId) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// The steps that depend on this one.
    pub(crate) fn dependents(&self, step: usize) -> &[usize] {
        &self.dependents[step]
    }

    /// How many steps this one depends on.
    pub(crate) fn dependencies(&self, step: usize) -> usize {
        self.dependencies[step]
    }

    /// Marks steps and all that depends on them. A group is marked with a member; where it is `whole`, its members are
    /// marked with it.
    pub(crate) fn and_after(&self, mut roots: Vec<usize>, whole: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut marked = vec![false; self.dependents.len()];
        while let Some(step) = roots.pop() {
            if std::mem::replace(&mut marked[step], true) {
                continue;
            }
            roots.extend(self.dependents(step));
            roots.extend(self.group_of(step));
            roots.extend(whole(step).then(|| self.members(step)).into_iter().flatten());
        }
        marked
    }

    /// A step as a root: a group with its members.
    pub(crate) fn root(&self, step: usize) -> Vec<usize> {
        std::iter::once(step).chain(self.members(step).iter().copied()).collect()
    }

    pub(crate) fn members(&self, group: usize) -> &[usize] {
        &self.members[group]
    }

    pub(crate) fn group_of(&self, step: usize) -> Option<usize> {
        self.groups[step]
    }
}
