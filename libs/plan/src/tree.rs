//! A document as read, with the place of every key and value.

use std::fmt;

use holdfast_types::plan::Place;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Budget, DuplicateKeyPolicy, MergeKeyPolicy, Options, Spanned};

use crate::finding::{Finding, Findings};

/// The largest document, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// How often anchors may be used in one document.
const MAX_ALIASES: usize = 1_000;

/// How many nodes aliases may repeat.
const MAX_REPEATED: usize = 50_000;

/// How deep a document may be nested.
const MAX_DEPTH: usize = 100;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    place: Option<Place>,
    node: Node,
}

#[derive(Debug, Clone)]
enum Node {
    Scalar(Value),
    List(Vec<Tree>),
    Map(Vec<(Key, Tree)>),
}

#[derive(Debug, Clone)]
struct Key {
    place: Option<Place>,
    name: String,
}

/// What of a node is pointed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The key, where the node has one.
    Key,
    /// The value.
    Value,
}

impl Tree {
    /// Reads YAML 1.2, or JSON, which is part of it.
    pub(crate) fn read(source: &str, text: &str) -> Result<Self, Findings> {
        let refuse = |place, message: String| {
            Findings::one(Some(source), Finding { place, path: String::new(), message, suggestion: None })
        };
        if text.len() > MAX_BYTES {
            let message = format!("a plan has at most {MAX_BYTES} bytes, this one has {}", text.len());
            return Err(refuse(None, message));
        }
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let place = error.location().and_then(place_of);
            refuse(place, message_of(&error))
        })
    }

    /// Returns the document as plain JSON.
    pub(crate) fn to_json(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::to_json).collect(),
            Node::Map(fields) => {
                let field = |(key, value): &(Key, Self)| (key.name.clone(), value.to_json());
                Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
            }
        }
    }

    /// Returns at which position of the list at `pointer` the text stands.
    pub(crate) fn index_of(&self, pointer: &str, text: &str) -> Option<usize> {
        let mut tree = self;
        for segment in crate::pointer::segments(pointer) {
            tree = match &tree.node {
                Node::List(items) => items.get(segment.parse::<usize>().ok()?)?,
                Node::Map(fields) => {
                    fields.iter().find(|(key, _)| key.name == segment).map(|(_, value)| value)?
                }
                Node::Scalar(_) => return None,
            };
        }
        let Node::List(items) = &tree.node else { return None };
        items
            .iter()
            .position(|item| matches!(&item.node, Node::Scalar(Value::String(found)) if found == text))
    }

    /// Returns where `pointer` leads to; where there is nothing, the innermost that there is.
    pub(crate) fn place(&self, pointer: &str, at: At) -> Option<Place> {
        let (mut tree, mut place) = (self, self.place);
        let segments: Vec<String> = crate::pointer::segments(pointer).collect();
        for (index, segment) in segments.iter().enumerate() {
            let last = index + 1 == segments.len();
            match &tree.node {
                Node::List(items) => {
                    let Some(item) = segment.parse::<usize>().ok().and_then(|index| items.get(index)) else {
                        break;
                    };
                    (tree, place) = (item, item.place.or(place));
                }
                Node::Map(fields) => {
                    let Some((key, value)) = fields.iter().find(|(key, _)| key.name == *segment) else {
                        break;
                    };
                    let here = if last && at == At::Key { key.place } else { value.place };
                    (tree, place) = (value, here.or(key.place).or(place));
                }
                Node::Scalar(_) => break,
            }
        }
        place
    }
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_reader_input_bytes = Some(MAX_BYTES);
    budget.max_aliases = MAX_ALIASES;
    budget.max_anchors = MAX_ALIASES;
    budget.max_depth = MAX_DEPTH;
    budget.max_documents = 1;
    let mut options = Options::default();
    options.alias_limits.max_total_replayed_events = MAX_REPEATED;
    options.alias_limits.max_replay_stack_depth = 16;
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.merge_keys = MergeKeyPolicy::Error;
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    options.reject_unsupported_tags = true;
    options.emit_comments = false;
    options.with_snippet = false;
    options
}

fn place_of(location: serde_saphyr::Location) -> Option<Place> {
    let line = u32::try_from(location.line()).ok().filter(|line| *line > 0)?;
    Some(Place { line, column: u32::try_from(location.column()).ok()?.max(1) })
}

/// Returns what went wrong, in one line and without the place, which a finding says itself.
fn message_of(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line).trim_start_matches("error: ");
    let line = line.split(", set ").next().unwrap_or(line);
    if line.starts_with("budget breached: Documents") {
        "a plan is one document, here a second one starts".to_owned()
    } else if let Some(budget) = line.strip_prefix("budget breached: ") {
        let budget = budget.split([' ', '{']).next().unwrap_or_default();
        format!("the document breaks a bound of its size ({budget})")
    } else if line.starts_with("YAML merge keys") {
        "merge keys ('<<') are no part of YAML 1.2".to_owned()
    } else {
        crate::finding::clip(line)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Node>::deserialize(deserializer)?;
        Ok(Self { place: place_of(spanned.referenced), node: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(flag)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(number)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Node, E> {
        // The reader makes a double of an integer that is out of range, and its digits are gone.
        const RANGE: f64 = 9_007_199_254_740_992.0 * 1024.0;
        if number.fract() == 0.0 && number.abs() >= RANGE {
            return Err(E::custom("a number out of the range of 64-bit integers; write it as a string"));
        }
        let number =
            Number::from_f64(number).ok_or_else(|| E::custom("infinities and NaN are no JSON numbers"))?;
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let key = Key { place: place_of(key.referenced), name: key.value };
            fields.push((key, access.next_value()?));
        }
        Ok(Node::Map(fields))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> String {
        Tree::read("p.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let text = "a: 1\nlist:\n  - x: hi\n    \"y\": [1, {z: two}]\n  - plain text\nempty:\n";
        let tree = Tree::read("p.yaml", text).unwrap();
        let at = |pointer: &str, at| tree.place(pointer, at).map(|place| (place.line, place.column));
        assert_eq!(
            tree.to_json(),
            json!({"a": 1, "list": [{"x": "hi", "y": [1, {"z": "two"}]}, "plain text"], "empty": null})
        );
        assert_eq!(at("/a", At::Key), Some((1, 1)));
        assert_eq!(at("/a", At::Value), Some((1, 4)));
        assert_eq!(at("/list/0/y/1/z", At::Value), Some((4, 18)));
        assert_eq!(at("/list/0/y", At::Key), Some((4, 5)));
        assert_eq!(at("/list/1", At::Value), Some((5, 5)));
        assert_eq!(at("/list/0/nothing", At::Value), at("/list/0", At::Value));
    }

    #[test]
    fn json_is_read_and_integers_keep_their_digits() {
        let tree =
            Tree::read("p.json", r#"{"a": 9007199254740993, "b": 18446744073709551615, "c": -1, "d": 1.0}"#)
                .unwrap();
        assert_eq!(
            tree.to_json().to_string(),
            r#"{"a":9007199254740993,"b":18446744073709551615,"c":-1,"d":1.0}"#
        );
        let yes = Tree::read("p.yaml", "a: yes\nb: 'true'\nc: 0o14\nd: 012\ne: 1_000\n").unwrap();
        assert_eq!(yes.to_json(), json!({"a": "yes", "b": "true", "c": 12, "d": "012", "e": "1_000"}));
    }

    #[test]
    fn what_is_no_single_plain_document_is_refused_with_its_place() {
        for (text, place) in [
            ("a: 1\nb: 2\na: 3\n", "p.yaml:3:1: "),
            ("a: 1\n---\nb: 2\n", "p.yaml:2:1: "),
            ("a: [1\n", "p.yaml:"),
            ("a: *x\n", "p.yaml:1:4: "),
            ("a: !!python/object 1\n", "p.yaml:1:"),
            ("x: &x {a: 1}\ny:\n  <<: *x\n", "p.yaml:"),
            ("a: 123456789012345678901234567890\n", "p.yaml:1:4: "),
            ("a: .inf\n", "p.yaml:1:4: "),
        ] {
            let message = refused(text);
            assert!(message.starts_with(place), "{text:?}: {message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            eprintln!("{message}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(refused(&" ".repeat(MAX_BYTES + 1)).contains("at most 1048576 bytes"));
        assert!(!refused(&format!("{}1{}", "[".repeat(300), "]".repeat(300))).is_empty());
        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..10 {
            let uses = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
        }
        assert!(!refused(&bomb).is_empty());
    }
}
