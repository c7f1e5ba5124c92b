//! Checks and changes of a parsed expression.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, operators};

use crate::compile::{Places, computed_step};
use crate::error::{ErrorKind, ExprError};
use crate::functions::{FUNCTIONS, ORDERED, TICK, TYPES};
use crate::limits::MAX_NESTED_COMPREHENSIONS;
use crate::references::{Path, References};

/// Checks that the tree calls known functions only and doesn't nest comprehensions too deep; collects what it reads.
pub(crate) fn check(tree: &IdedExpr, places: &Places<'_>) -> Result<References, ExprError> {
    let mut walk = Walk { places, bound: Vec::new(), references: References::default() };
    walk.visit(tree, 0)?;
    Ok(walk.references)
}

struct Walk<'a> {
    places: &'a Places<'a>,
    /// Variables of the comprehensions around the node.
    bound: Vec<String>,
    references: References,
}

impl Walk<'_> {
    fn visit(&mut self, node: &IdedExpr, nested: usize) -> Result<(), ExprError> {
        if let Some(segments) = chain(&node.expr) {
            return self.reference(node, segments);
        }
        match &node.expr {
            Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Select(select) => self.visit(&select.operand, nested),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element, nested)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, nested)?;
                    self.visit(&entry.value, nested)
                }
                EntryExpr::StructField(field) => self.visit(&field.value, nested),
            }),
            Expr::Call(call) => {
                self.function(node, call)?;
                call.target.iter().try_for_each(|target| self.visit(target, nested))?;
                call.args.iter().try_for_each(|arg| self.visit(arg, nested))
            }
            Expr::Comprehension(comprehension) => self.comprehension(node, comprehension, nested),
            Expr::Struct(_) => {
                Err(self.error(node, ErrorKind::Syntax, "messages can't be made here; use a map"))
            }
            Expr::Unspecified => Err(self.error(node, ErrorKind::Syntax, "not an expression")),
        }
    }

    fn comprehension(
        &mut self,
        node: &IdedExpr,
        comprehension: &ComprehensionExpr,
        nested: usize,
    ) -> Result<(), ExprError> {
        if nested == MAX_NESTED_COMPREHENSIONS {
            let message =
                format!("map, filter, all and exists nest at most {MAX_NESTED_COMPREHENSIONS} deep");
            return Err(self.error(node, ErrorKind::TooDeep, &message));
        }
        self.visit(&comprehension.iter_range, nested)?;
        self.visit(&comprehension.accu_init, nested)?;
        let outer = self.bound.len();
        self.bound.push(comprehension.iter_var.clone());
        self.bound.extend(comprehension.iter_var2.clone());
        self.bound.push(comprehension.accu_var.clone());
        for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
            self.visit(part, nested + 1)?;
        }
        self.bound.truncate(outer);
        Ok(())
    }

    fn reference(&mut self, node: &IdedExpr, segments: Vec<&str>) -> Result<(), ExprError> {
        let written = segments.first().copied().unwrap_or_default();
        let root = written.strip_prefix('.').unwrap_or(written);
        // A leading dot reaches past the variables of comprehensions.
        if written == root && self.bound.iter().any(|bound| bound == root) {
            return Ok(());
        }
        if segments.len() == 1 && TYPES.contains(&root) {
            return Ok(());
        }
        let offset = self.places.of(root_of(node).id);
        if root == "steps" && segments.len() < 2 {
            return Err(computed_step(offset));
        }
        let mut segments: Vec<String> = segments.into_iter().map(str::to_owned).collect();
        if let Some(first) = segments.first_mut() {
            root.clone_into(first);
        }
        self.references.add(Path { segments, offset });
        Ok(())
    }

    fn function(&self, node: &IdedExpr, call: &CallExpr) -> Result<(), ExprError> {
        let name = call.func_name.as_str();
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Ok(());
        }
        let macros = [
            operators::HAS,
            operators::ALL,
            operators::EXISTS,
            operators::EXISTS_ONE,
            operators::MAP,
            operators::FILTER,
        ];
        if macros.contains(&name) || name == "existsOne" {
            // What the parser didn't expand isn't written as the macro is.
            let example =
                if name == operators::HAS { "has(a.b)".to_owned() } else { format!("list.{name}(x, …)") };
            return Err(self.error(node, ErrorKind::Syntax, &format!("{name} is written {example}")));
        }
        if FUNCTIONS.contains(&name) {
            return Ok(());
        }
        let message = format!("there is no function '{name}'");
        Err(self.error(node, ErrorKind::UnknownFunction, &message).about(name))
    }

    fn error(&self, node: &IdedExpr, kind: ErrorKind, message: &str) -> ExprError {
        ExprError::new(kind, message).at(self.places.of(node.id))
    }
}

/// Returns the names of a chain of fields that starts at a variable; none for anything else.
fn chain(expr: &Expr) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut expr = expr;
    loop {
        match expr {
            Expr::Ident(name) => {
                names.push(name.as_str());
                names.reverse();
                return Some(names);
            }
            Expr::Select(select) => {
                names.push(select.field.as_str());
                expr = &select.operand.expr;
            }
            _ => return None,
        }
    }
}

fn root_of(node: &IdedExpr) -> &IdedExpr {
    match &node.expr {
        Expr::Select(select) => root_of(&select.operand),
        _ => node,
    }
}

/// Puts [`TICK`] into every iteration, so that an evaluation that is overdue ends, and [`ORDERED`] around every
/// range, so that maps are walked in one order whatever their hash.
///
/// The interpreter knows the shapes of `map` and `filter` and appends in place for them: the shapes must stay.
pub(crate) fn instrument(node: &mut IdedExpr) {
    match &mut node.expr {
        Expr::Select(select) => instrument(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(instrument),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    instrument(&mut entry.key);
                    instrument(&mut entry.value);
                }
            }
        }
        Expr::Call(call) => {
            if let Some(target) = &mut call.target {
                instrument(target);
            }
            call.args.iter_mut().for_each(instrument);
        }
        Expr::Comprehension(comprehension) => {
            instrument(&mut comprehension.iter_range);
            instrument(&mut comprehension.loop_cond);
            instrument(&mut comprehension.loop_step);
            wrap(&mut comprehension.iter_range, ORDERED);
            wrap_step(&mut comprehension.loop_step);
        }
        _ => {}
    }
}

/// Wraps what is evaluated first in a step: the guard of `guard ? accu + [x] : accu`, the `x` of `accu + [x]`, the
/// `x` of `accu && x`.
fn wrap_step(step: &mut IdedExpr) {
    let Expr::Call(call) = &mut step.expr else { return wrap(step, TICK) };
    match (call.func_name.as_str(), &mut call.args[..]) {
        (operators::CONDITIONAL, [guard, _, _]) => wrap(guard, TICK),
        (operators::ADD, [_, IdedExpr { expr: Expr::List(list), .. }]) => {
            if let Some(element) = list.elements.first_mut() {
                wrap(element, TICK);
            }
        }
        (_, [_, value]) => wrap(value, TICK),
        _ => wrap(step, TICK),
    }
}

fn wrap(node: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(node);
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] };
    node.expr = Expr::Call(call);
}
