//! JSON pointers, and the paths that people read.

/// Walks the segments of a JSON pointer, unescaped.
pub(crate) fn segments(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

/// Appends a segment to a pointer.
pub(crate) fn join(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// Writes a pointer as people do: `steps[3].args.city`.
pub(crate) fn path(pointer: &str) -> String {
    let mut path = String::new();
    for segment in segments(pointer) {
        let is_index = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        let is_name = segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'));
        if is_index && !path.is_empty() {
            path.push_str(&format!("[{segment}]"));
        } else if is_name && !segment.is_empty() {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&segment);
        } else {
            path.push_str(&format!("[{segment:?}]"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_code() {
        assert_eq!(path("/steps/3/args/city"), "steps[3].args.city");
        assert_eq!(path("/steps/3/args/a b/x~1y"), "steps[3].args[\"a b\"][\"x/y\"]");
        assert_eq!(path(""), "");
        assert_eq!(segments(&join("/a", "x/y~")).collect::<Vec<_>>(), ["a", "x/y~"]);
    }
}
