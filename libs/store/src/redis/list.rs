//! Keys by prefix. Redis has no order of names, so all of them are looked at: for operators, not for the hot path.

use std::collections::BTreeSet;

use holdfast_types::key::Key;

use super::link::Lost;
use super::script::Scripts;

/// How many names one step looks at.
const STEP: u32 = 1_000;

/// The first `limit` keys of a table that begin with `prefix` and come after `after`, in order. Looks at every name
/// that this Redis holds, and holds `limit` of them; a key that is made or removed meanwhile may be missed.
pub(super) async fn names(
    scripts: &Scripts,
    prefix: &str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Key>, Lost> {
    let mut first = BTreeSet::new();
    let pattern = format!("{}{}*", escaped(scripts.names()), escaped(prefix));
    let mut cursor = "0".to_owned();
    loop {
        let mut scan = ::redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
        let step: (String, Vec<String>) =
            scripts.link.run(async move |mut connection| scan.query_async(&mut connection).await).await?;
        let keys = step.1.iter().filter_map(|name| scripts.key(name));
        for key in keys.filter(|key| after.is_none_or(|after| key > after)) {
            first.insert(key);
            if first.len() > limit {
                first.pop_last();
            }
        }
        if step.0 == "0" {
            return Ok(first.into_iter().collect());
        }
        cursor = step.0;
    }
}

/// A text that stands for itself in a pattern.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(escaped(r"a*b?[c]\"), r"a\*b\?\[c\]\\");
    }
}
