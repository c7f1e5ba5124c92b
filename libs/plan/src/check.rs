//! What a plan refers to, whether it came from a document or over the API.

mod graph;
mod inputs;
mod limits;
mod reads;
mod spot;
mod tools;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::plan::Step;
use holdfast_types::{Plan, StepId, ToolManifest};
use serde_json::{Map, Value};

use crate::finding::Findings;
use crate::site::Site;

pub use limits::{MAX_FAN_OUT, MAX_STEPS};

pub use inputs::read as read_input;
pub(crate) use reads::check_local;
pub(crate) use spot::Spot;

/// Names all fields of `steps.ID`.
#[cfg(test)]
pub(crate) fn fields_of_a_step() -> Vec<&'static str> {
    [&spot::STEP_FIELDS[..], &spot::GROUP_FIELDS[..]].concat()
}

/// The tools that a plan may name.
#[derive(Debug, Clone, Copy)]
pub enum Tools<'a> {
    /// Exactly these.
    Known(&'a [ToolManifest]),
    /// Nobody is asked: names of tools, their arguments and classes are not checked.
    Unknown,
}

/// The values of a plan's inputs.
#[derive(Debug, Clone, Copy)]
pub enum Inputs<'a> {
    /// These, and the defaults for what is missing.
    Given(&'a Map<String, Value>),
    /// None yet: only the declarations are checked.
    Unknown,
}

/// A plan that holds what it says, and the values of its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// The plan; every step's `depends_on` names what its expressions read, too.
    pub plan: Plan,
    /// The values of all inputs, defaults filled in; empty where none were given to look at.
    pub inputs: Map<String, Value>,
}

/// Checks all of `plan` and reports all that it finds.
pub(crate) fn check(
    mut plan: Plan,
    broken: &BTreeSet<String>,
    tools: Tools<'_>,
    given: Inputs<'_>,
    mut site: Site<'_>,
) -> Result<Validated, Findings> {
    let index = Index::new(&plan, broken, &mut site);
    limits::check(&plan, &index, &mut site);
    let inputs = inputs::check(&plan, given, &mut site);
    let reads = reads::collect(&plan, &index, &mut site);
    graph::complete(&mut plan, &index, &reads, &mut site);
    if let Tools::Known(manifests) = tools {
        tools::check(&plan, &index, manifests, &mut site);
    }
    site.or(Validated { plan, inputs })
}

/// The steps of a plan by id.
pub(crate) struct Index {
    positions: BTreeMap<StepId, usize>,
    broken: BTreeSet<String>,
}

impl Index {
    fn new(plan: &Plan, broken: &BTreeSet<String>, site: &mut Site<'_>) -> Self {
        let mut positions: BTreeMap<StepId, usize> = BTreeMap::new();
        for (index, step) in plan.steps.iter().enumerate() {
            let id = step.id.as_str();
            if holdfast_expr::KEYWORDS.contains(&id) {
                let message = format!("'{id}' is a word of CEL, so 'steps.{id}' could not be written");
                site.report(&site.step(index, "/id"), message);
            }
            match positions.get(&step.id) {
                Some(_) => site.report(&site.step(index, "/id"), format!("there is a step '{id}' already")),
                None => drop(positions.insert(step.id.clone(), index)),
            }
        }
        Self { positions, broken: broken.clone() }
    }

    /// Returns a step of the plan that this is the index of.
    fn step<'a>(&self, plan: &'a Plan, id: &StepId) -> Option<&'a Step> {
        plan.steps.get(*self.positions.get(id)?)
    }

    /// Returns the position of a step.
    fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// Says whether something was reported about this name already.
    fn is_broken(&self, id: &str) -> bool {
        self.broken.contains(id)
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.positions.keys().map(StepId::as_str)
    }
}
