//! Places within JSON values.

use serde_json::Value;

/// One step down into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// A field of an object; of a list: the element at that position.
    Field(String),
    /// Every element of a list.
    Each,
}

/// Where something stands in a value; empty: the value itself.
pub(super) type Path = Vec<Segment>;

/// Reads a JSON pointer.
pub(super) fn pointer(text: &str) -> Path {
    text.split('/').skip(1).map(|name| Segment::Field(name.replace("~1", "/").replace("~0", "~"))).collect()
}

/// Finds what stands at a path: nothing, one value, or several.
pub(super) fn find<'a>(value: &'a Value, path: &[Segment]) -> Vec<&'a Value> {
    let Some((first, rest)) = path.split_first() else { return vec![value] };
    children(value, first).into_iter().flat_map(|child| find(child, rest)).collect()
}

/// Acts on all that stands at a path.
pub(super) fn change(value: &mut Value, path: &[Segment], act: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = path.split_first() else { return act(value) };
    match (first, value) {
        (Segment::Field(name), Value::Object(fields)) => {
            fields.get_mut(name).into_iter().for_each(|child| change(child, rest, act));
        }
        (Segment::Field(name), Value::Array(items)) => {
            let at = name.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            at.into_iter().for_each(|child| change(child, rest, act));
        }
        (Segment::Each, Value::Array(items)) => {
            items.iter_mut().for_each(|child| change(child, rest, act));
        }
        _ => {}
    }
}

/// What is one step below a value.
pub(super) fn children<'a>(value: &'a Value, segment: &Segment) -> Vec<&'a Value> {
    match (segment, value) {
        (Segment::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
        (Segment::Field(name), Value::Array(items)) => {
            name.parse::<usize>().ok().and_then(|index| items.get(index)).into_iter().collect()
        }
        (Segment::Each, Value::Array(items)) => items.iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_all_that_stands_there() {
        let mut value = json!({"cards": [{"no": 1}, {"no": 2}, {}], "a/b": 3});
        let each = vec![Segment::Field("cards".into()), Segment::Each, Segment::Field("no".into())];
        assert_eq!(find(&value, &each), [&json!(1), &json!(2)]);
        assert_eq!(find(&value, &pointer("/cards/1/no")), [&json!(2)]);
        assert_eq!(find(&value, &pointer("/a~1b")), [&json!(3)]);
        assert!(find(&value, &pointer("/cards/9/no")).is_empty());
        change(&mut value, &each, &mut |at| *at = json!("x"));
        assert_eq!(value, json!({"cards": [{"no": "x"}, {"no": "x"}, {}], "a/b": 3}));
    }
}
