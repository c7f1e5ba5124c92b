//! Limits of what a status says: the details of a status travel in one header, and peers refuse long ones.

/// The longest message of a status, in bytes; percent-encoded it may triple.
pub(super) const MESSAGE: usize = 1024;

/// The longest value in a status's metadata, in bytes.
pub(super) const VALUE: usize = 512;

/// What all metadata of a status may take, in bytes: with message and violations it stays under 8 KB.
pub(super) const METADATA: usize = 4 * 1024;

/// The most field violations that one status names; what is wrong beyond shows after these are mended.
pub(super) const VIOLATIONS: usize = 8;

/// The longest path and the longest description of a field violation, in bytes.
pub(super) const VIOLATION: usize = 150;

/// Cuts `text` to at most `limit` bytes at the end of a character, and says so with an ellipsis.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_fits_and_what_fits_is_not_cut(text in "\\PC{0,80}", limit in 3usize..100) {
            let kept = cut(&text, limit);
            prop_assert!(kept.len() <= limit);
            prop_assert_eq!(kept == text, text.len() <= limit);
        }
    }
}
