//! JSON values whose strings may hold `${…}`.

use serde_json::{Map, Value};

use crate::error::{ErrorKind, ExprError, describe};
use crate::evaluate::evaluate;
use crate::expression::Expression;
use crate::limits::MAX_JSON_DEPTH;
use crate::references::References;
use crate::scan;
use crate::scope::Scope;

/// A JSON value whose strings may hold `${…}`, parsed once. A clone copies the structure, not the expressions.
#[derive(Debug, Clone)]
pub struct Template {
    root: Node,
    references: References,
}

#[derive(Debug, Clone)]
enum Node {
    /// Holds no expression; `$${` is already `${`.
    Literal(Value),
    /// A string that is nothing but one `${…}`: takes the value with its type.
    Whole(Place, Expression),
    /// Text with expressions in it.
    Text(Vec<Piece>),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Expression(Place, Expression),
}

#[derive(Debug, Clone)]
struct Place {
    pointer: String,
    offset: usize,
}

/// An expression of a template, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// JSON pointer of the string that holds it.
    pub pointer: &'a str,
    /// Byte offset of the expression within that string.
    pub offset: usize,
    /// Whether the string is nothing but this expression, so that its value keeps its type.
    pub whole: bool,
    /// The expression.
    pub expression: &'a Expression,
}

impl Template {
    /// Parses `value`. An object whose only key is `$secret` stays as it is, whatever it holds.
    ///
    /// # Errors
    /// The first [`ExprError`] in the order of the value, with the pointer of the string and the offset in it.
    pub fn parse(value: &Value) -> Result<Self, ExprError> {
        let mut references = References::default();
        let root = parse_node(value, &mut String::new(), 0, &mut references)?;
        Ok(Self { root, references })
    }

    /// Says whether there is no expression in it.
    #[must_use]
    pub const fn is_literal(&self) -> bool {
        matches!(self.root, Node::Literal(_))
    }

    /// Returns the value of a template without expressions; none: it has some.
    #[must_use]
    pub const fn literal(&self) -> Option<&Value> {
        match &self.root {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Returns what its expressions read; the offsets of paths are those in their own expressions.
    #[must_use]
    pub const fn references(&self) -> &References {
        &self.references
    }

    /// Walks its expressions, in the order of the value.
    pub fn expressions(&self) -> impl Iterator<Item = Part<'_>> {
        let mut parts = Vec::new();
        collect(&self.root, &mut parts);
        parts.into_iter()
    }

    /// Evaluates all expressions on this thread.
    pub(crate) fn render(&self, scope: &Scope) -> Result<Value, ExprError> {
        render(&self.root, scope)
    }
}

fn parse_node(
    value: &Value,
    pointer: &mut String,
    depth: usize,
    references: &mut References,
) -> Result<Node, ExprError> {
    if depth > MAX_JSON_DEPTH {
        let message = format!("nested more than {MAX_JSON_DEPTH} deep");
        return Err(ExprError::new(ErrorKind::TooDeep, message).within(pointer, 0));
    }
    let length = pointer.len();
    let node = match value {
        Value::String(text) => parse_text(text, pointer, references)?,
        Value::Array(items) => {
            let mut nodes = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                nodes.push(parse_node(item, pointer, depth + 1, references)?);
                pointer.truncate(length);
            }
            list(nodes)
        }
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("$secret") => {
            Node::Literal(value.clone())
        }
        Value::Object(fields) => {
            let mut nodes = Vec::with_capacity(fields.len());
            for (name, field) in fields {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                nodes.push((name.clone(), parse_node(field, pointer, depth + 1, references)?));
                pointer.truncate(length);
            }
            map(nodes)
        }
        scalar => Node::Literal(scalar.clone()),
    };
    Ok(node)
}

/// Makes a list node, a literal one where all its elements are.
fn list(nodes: Vec<Node>) -> Node {
    if nodes.iter().any(|node| !matches!(node, Node::Literal(_))) {
        return Node::List(nodes);
    }
    let value = |node| if let Node::Literal(value) = node { value } else { Value::Null };
    Node::Literal(Value::Array(nodes.into_iter().map(value).collect()))
}

fn map(nodes: Vec<(String, Node)>) -> Node {
    if nodes.iter().any(|(_, node)| !matches!(node, Node::Literal(_))) {
        return Node::Map(nodes);
    }
    let value = |(name, node)| (name, if let Node::Literal(value) = node { value } else { Value::Null });
    Node::Literal(Value::Object(nodes.into_iter().map(value).collect::<Map<_, _>>()))
}

fn parse_text(text: &str, pointer: &str, references: &mut References) -> Result<Node, ExprError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[..start].ends_with('$') && start > at {
            // `$${` is a literal `${`.
            literal.push_str(&text[at..start]);
            literal.push('{');
            at = start + 2;
            continue;
        }
        literal.push_str(&text[at..start]);
        let body = &text[start + 2..];
        let end = scan::find_end(body)
            .map_err(|error| error.of(body).within(pointer, start + 2))?
            .ok_or_else(|| {
                ExprError::new(ErrorKind::Syntax, "'${' without its '}'; write $${ for a literal '${'")
                    .within(pointer, start)
            })?;
        let source = &body[..end];
        let expression = Expression::parse(source).map_err(|error| error.within(pointer, start + 2))?;
        references.merge(expression.references());
        let place = Place { pointer: pointer.to_owned(), offset: start + 2 };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Expression(place, expression));
        at = start + 2 + end + 1;
    }
    literal.push_str(&text[at..]);
    Ok(match pieces.pop() {
        None => Node::Literal(Value::String(literal)),
        Some(Piece::Expression(place, expression)) if pieces.is_empty() && literal.is_empty() => {
            Node::Whole(place, expression)
        }
        Some(last) => {
            pieces.push(last);
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal));
            }
            Node::Text(pieces)
        }
    })
}

fn collect<'a>(node: &'a Node, parts: &mut Vec<Part<'a>>) {
    let part = |place: &'a Place, whole, expression| Part {
        pointer: &place.pointer,
        offset: place.offset,
        whole,
        expression,
    };
    match node {
        Node::Literal(_) => {}
        Node::Whole(place, expression) => parts.push(part(place, true, expression)),
        Node::Text(pieces) => parts.extend(pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Expression(place, expression) => Some(part(place, false, expression)),
        })),
        Node::List(nodes) => nodes.iter().for_each(|node| collect(node, parts)),
        Node::Map(nodes) => nodes.iter().for_each(|(_, node)| collect(node, parts)),
    }
}

fn render(node: &Node, scope: &Scope) -> Result<Value, ExprError> {
    match node {
        Node::Literal(value) => Ok(value.clone()),
        Node::Whole(place, expression) => evaluate_at(place, expression, scope),
        Node::List(nodes) => nodes.iter().map(|node| render(node, scope)).collect(),
        Node::Map(nodes) => {
            nodes.iter().map(|(name, node)| Ok((name.clone(), render(node, scope)?))).collect()
        }
        Node::Text(pieces) => {
            let mut text = String::new();
            for piece in pieces {
                match piece {
                    Piece::Text(literal) => text.push_str(literal),
                    Piece::Expression(place, expression) => match evaluate_at(place, expression, scope)? {
                        Value::String(part) => text.push_str(&part),
                        part @ (Value::Bool(_) | Value::Number(_)) => text.push_str(&part.to_string()),
                        other => {
                            return Err(not_text(&other)
                                .of(expression.text())
                                .within(&place.pointer, place.offset));
                        }
                    },
                }
            }
            Ok(Value::String(text))
        }
    }
}

fn evaluate_at(place: &Place, expression: &Expression, scope: &Scope) -> Result<Value, ExprError> {
    evaluate(expression, scope).map_err(|error| error.within(&place.pointer, place.offset))
}

fn not_text(value: &Value) -> ExprError {
    let message = format!("{} can't stand within text; json(x) writes it", describe(value));
    ExprError::new(ErrorKind::NotText, message)
}
