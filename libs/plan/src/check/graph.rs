//! The order of a plan's steps.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::plan::{Step, StepKind};
use holdfast_types::{Plan, StepId};

use super::Index;
use super::reads::Reads;
use crate::finding::suggest;
use crate::site::Site;
use crate::tree::At;

/// Makes every step's dependencies complete, and reports unknown ones, cycles, and undos that read other steps.
pub(super) fn complete(plan: &mut Plan, index: &Index, reads: &[Reads], site: &mut Site<'_>) {
    for (position, step) in plan.steps.iter_mut().enumerate() {
        for (number, id) in step.depends_on.iter().enumerate() {
            if index.position(id.as_str()).is_none() && !index.is_broken(id.as_str()) {
                let pointer = place_of_dependency(site, position, id, number);
                let suggestion = suggest(id.as_str(), index.ids());
                site.report_at(&pointer, At::Value, format!("there is no step '{id}'"), suggestion);
            }
        }
        if let Some(reads) = reads.get(position) {
            step.depends_on.extend(reads.steps.iter().cloned());
        }
    }
    inherit(plan);
    let edges = edges(&plan.steps, index);
    let cycles = cycles(&edges);
    for cycle in &cycles {
        let mut names: Vec<&str> = cycle.iter().map(|position| plan.steps[*position].id.as_str()).collect();
        names.extend(names.first().copied());
        let message = match &names[..] {
            [own, _] => format!("step '{own}' waits for itself"),
            names => format!("these steps wait for each other: {}", names.join(" -> ")),
        };
        if let Some(first) = cycle.first() {
            site.report(&site.step(*first, "/id"), message);
        }
    }
    if cycles.is_empty() {
        check_undos(plan, reads, &edges, index, site);
    }
}

/// A member starts after what its group depends on.
fn inherit(plan: &mut Plan) {
    let groups: BTreeMap<StepId, BTreeSet<StepId>> = plan
        .steps
        .iter()
        .filter(|step| matches!(step.kind, StepKind::Group(_)) && !step.depends_on.is_empty())
        .map(|step| (step.id.clone(), step.depends_on.clone()))
        .collect();
    for step in &mut plan.steps {
        let Some(group) = &step.group else { continue };
        if let Some(depends_on) = groups.get(group) {
            step.depends_on.extend(depends_on.iter().cloned());
        }
    }
}

fn edges(steps: &[Step], index: &Index) -> Vec<Vec<usize>> {
    let targets = |step: &Step| {
        let members: &[StepId] = if let StepKind::Group(group) = &step.kind { &group.members } else { &[] };
        let ids = step.depends_on.iter().chain(members);
        ids.filter_map(|id| index.position(id.as_str())).collect()
    };
    steps.iter().map(targets).collect()
}

/// Finds a cycle for every set of steps that wait for each other, as positions, the first written one first.
///
/// Walks without recursion: a plan may be a chain of 10,000 steps.
fn cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    let mut cycles = Vec::new();
    for start in 0..edges.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let (node, target) = (*node, edges[*node].get(*next).copied());
            *next += 1;
            match target {
                None => {
                    marks[node] = Mark::Done;
                    path.pop();
                }
                Some(target) => match marks[target] {
                    Mark::Done => {}
                    Mark::New => {
                        marks[target] = Mark::Open;
                        path.push((target, 0));
                    }
                    Mark::Open => {
                        let from = path.iter().position(|(open, _)| *open == target).unwrap_or(0);
                        let mut cycle: Vec<usize> = path[from..].iter().map(|(open, _)| *open).collect();
                        let first =
                            cycle.iter().enumerate().min_by_key(|(_, open)| **open).map_or(0, |(at, _)| at);
                        cycle.rotate_left(first);
                        cycles.push(cycle);
                    }
                },
            }
        }
    }
    cycles
}

/// An undo runs when its step has ended, whatever else has: it may read only what ended before.
fn check_undos(plan: &Plan, reads: &[Reads], edges: &[Vec<usize>], index: &Index, site: &mut Site<'_>) {
    for (position, reads) in reads.iter().enumerate().filter(|(_, reads)| !reads.undo.is_empty()) {
        let mut before = vec![false; edges.len()];
        let mut open = vec![position];
        while let Some(node) = open.pop() {
            for target in &edges[node] {
                if !std::mem::replace(&mut before[*target], true) {
                    open.push(*target);
                }
            }
        }
        for id in &reads.undo {
            if index.position(id.as_str()).is_some_and(|target| !before[target]) {
                let own = &plan.steps[position].id;
                let message = format!("the undo reads step '{id}', which '{own}' doesn't depend on");
                site.report(&site.step(position, "/undo/args"), message);
            }
        }
    }
}

/// In a document dependencies keep the order in which they are written; a set doesn't.
fn place_of_dependency(site: &Site<'_>, position: usize, id: &StepId, number: usize) -> String {
    let list = site.step(position, "/depends_on");
    let written = site.index_of(&list, id.as_str()).unwrap_or(number);
    format!("{list}/{written}")
}

#[cfg(test)]
mod tests {
    use super::cycles;

    #[test]
    fn every_knot_is_found_once_and_long_chains_don_t_overflow() {
        assert_eq!(cycles(&[vec![1], vec![2], vec![0], vec![0]]), [vec![0, 1, 2]]);
        assert_eq!(cycles(&[vec![0], vec![]]), [vec![0]]);
        assert_eq!(cycles(&[vec![1], vec![2], vec![1]]), [vec![1, 2]]);
        let chain: Vec<Vec<usize>> = (0..10_000).map(|n| if n == 0 { vec![] } else { vec![n - 1] }).collect();
        assert!(cycles(&chain).is_empty());
    }
}
