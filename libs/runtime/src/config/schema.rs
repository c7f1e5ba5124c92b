//! Which keys there are: read from the defaults, where an option that nobody set is still a key.

use serde::Serialize;
use serde_json::Value;

use super::key::Key;

/// The tree of keys, with the defaults as its leaves.
#[derive(Debug)]
pub(super) struct Schema(Value);

/// What a key leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    /// A section: its keys are `Key`s of their own.
    Section,
    /// A value, or something inside one (a map, an option): the default, and the key of the whole value.
    Leaf { default: &'a Value, key: Key },
    /// No such key; perhaps another was meant.
    Unknown { suggestion: Option<String> },
}

impl Schema {
    pub(super) fn of<T: Default + Serialize>() -> Result<Self, serde_json::Error> {
        serde_json::to_value(T::default()).map(Self)
    }

    pub(super) fn find(&self, key: &Key) -> Found<'_> {
        let mut at = &self.0;
        for (depth, part) in key.parts().iter().enumerate() {
            let Some(keys) = section(at) else {
                return Found::Leaf { default: at, key: Key::new(&key.parts()[..depth]) };
            };
            match keys.get(part) {
                Some(next) => at = next,
                None => return Found::Unknown { suggestion: self.suggest(key, depth) },
            }
        }
        if section(at).is_some() { Found::Section } else { Found::Leaf { default: at, key: key.clone() } }
    }

    /// Lists every value's key with its default, in the order of the text.
    pub(super) fn leaves(&self) -> Vec<(Key, &Value)> {
        let mut leaves = Vec::new();
        collect(&self.0, &mut Vec::new(), &mut leaves);
        leaves
    }

    /// Finds the nearest sibling of the part that is not there, else the same name in another section.
    fn suggest(&self, key: &Key, depth: usize) -> Option<String> {
        let wanted = &key.parts()[depth];
        let mut siblings = &self.0;
        for part in &key.parts()[..depth] {
            siblings = siblings.get(part)?;
        }
        let near = section(siblings)?
            .keys()
            .map(|name| (strsim::damerau_levenshtein(name, wanted), name))
            .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
            .min();
        if let Some((_, name)) = near {
            let mut parts = key.parts()[..depth].to_vec();
            parts.push(name.clone());
            return Some(Key::new(&parts).to_string());
        }
        let last = key.parts().last()?;
        let elsewhere = self.leaves().into_iter().find(|(leaf, _)| leaf.parts().last() == Some(last));
        elsewhere.map(|(leaf, _)| leaf.to_string())
    }
}

/// An object with keys is a section; an empty one is a map with keys of the user's own.
fn section(value: &Value) -> Option<&serde_json::Map<String, Value>> {
    value.as_object().filter(|keys| !keys.is_empty())
}

fn collect<'a>(at: &'a Value, path: &mut Vec<String>, leaves: &mut Vec<(Key, &'a Value)>) {
    match section(at) {
        Some(keys) => {
            for (name, next) in keys {
                path.push(name.clone());
                collect(next, path, leaves);
                path.pop();
            }
        }
        None => leaves.push((Key::new(path), at)),
    }
}
