//! A look at an expression's tokens before the CEL parser sees it.
//!
//! The scan knows CEL's tokens well enough to tell code from strings and comments, and refuses what the grammar's
//! lexer would (an unended string, an unknown escape, a stray character): the lexer recovers from those by reading on,
//! and would then find brackets that a laxer scan took for text.

use crate::error::{ErrorKind, ExprError};
use crate::limits::{MAX_BYTES, MAX_DEPTH, MAX_OPEN_BRACKETS};

/// Where a scan ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At the end of the text.
    Text,
    /// At the `}` that closes the `${` before the text.
    Brace,
}

/// Checks the whole of `text` against the bounds of an expression.
pub(crate) fn check(text: &str) -> Result<(), ExprError> {
    if text.len() > MAX_BYTES {
        let message = format!("an expression has at most {MAX_BYTES} bytes, this one has {}", text.len());
        return Err(ExprError::new(ErrorKind::TooLong, message));
    }
    scan(text, End::Text).map(|_| ())
}

/// Finds the `}` that ends the expression at the start of `text`, which follows a `${`.
///
/// Checks the bounds on the way, but for the length. Returns none where there is no such brace.
pub(crate) fn find_end(text: &str) -> Result<Option<usize>, ExprError> {
    scan(text, End::Brace)
}

/// What an open bracket holds so far, as depths of its tree.
#[derive(Default)]
struct Frame {
    close: u8,
    opened_at: usize,
    operators: usize,
    operand: usize,
    deepest_operand: usize,
    deepest_part: usize,
}

impl Frame {
    fn operator(&mut self) {
        self.operators += 1;
        self.deepest_operand = self.deepest_operand.max(self.operand);
        self.operand = 0;
    }

    fn part(&mut self) {
        self.deepest_part = self.depth();
        (self.operators, self.operand, self.deepest_operand) = (0, 0, 0);
    }

    fn depth(&self) -> usize {
        self.deepest_part.max(self.operators + self.deepest_operand.max(self.operand))
    }
}

fn scan(text: &str, end: End) -> Result<Option<usize>, ExprError> {
    let bytes = text.as_bytes();
    let mut frames = vec![Frame::default()];
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let open = frames.len() - 1;
        let Some(frame) = frames.last_mut() else { break };
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => at += 1,
            b'/' if next == Some(b'/') => at += bytes[at..].iter().take_while(|b| **b != b'\n').count(),
            b'"' | b'\'' => at = string(bytes, at, false)?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let word = &bytes[at..][..bytes[at..].iter().take_while(|b| is_word(**b)).count()];
                let quoted = matches!(bytes.get(at + word.len()), Some(b'"' | b'\''));
                if quoted && is_string_prefix(word) {
                    at = string(bytes, at + word.len(), word.iter().any(|b| matches!(b, b'r' | b'R')))?;
                } else {
                    if word == b"in" {
                        frame.operator();
                    }
                    at += word.len();
                }
            }
            b'0'..=b'9' => at += bytes[at..].iter().take_while(|b| is_word(**b)).count(),
            b'(' | b'[' | b'{' => {
                if open == MAX_OPEN_BRACKETS {
                    let message = format!("at most {MAX_OPEN_BRACKETS} brackets may be open at once");
                    return Err(ExprError::new(ErrorKind::TooDeep, message).at(at));
                }
                let close = if byte == b'(' { b')' } else { byte + 2 };
                frames.push(Frame { close, opened_at: at, ..Frame::default() });
                at += 1;
            }
            b'}' if open == 0 && end == End::Brace => return Ok(Some(at)),
            b')' | b']' | b'}' => {
                if open == 0 || frame.close != byte {
                    let message = format!("'{}' closes nothing", char::from(byte));
                    return Err(ExprError::new(ErrorKind::Syntax, message).at(at));
                }
                let inner = frame.depth();
                frames.pop();
                if let Some(outer) = frames.last_mut() {
                    outer.operand = outer.operand.max(inner) + 1;
                }
                at += 1;
            }
            b',' => {
                frame.part();
                at += 1;
            }
            b'.' => {
                frame.operand += 1;
                at += 1;
            }
            b'=' | b'!' | b'<' | b'>' | b'&' | b'|' => {
                let pair = next == Some(b'=') || (matches!(byte, b'&' | b'|') && next == Some(byte));
                if !pair && matches!(byte, b'=' | b'&' | b'|') {
                    let sign = char::from(byte);
                    let message = format!("'{sign}' is no operator; did you mean '{sign}{sign}'?");
                    return Err(ExprError::new(ErrorKind::Syntax, message).at(at));
                }
                frame.operator();
                at += if pair { 2 } else { 1 };
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'?' | b':' => {
                frame.operator();
                at += 1;
            }
            _ => {
                let found = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or('?');
                let message = format!("unexpected character {found:?}");
                return Err(ExprError::new(ErrorKind::Syntax, message).at(at));
            }
        }
        if frames.last().is_some_and(|frame| frame.depth() + frames.len() > MAX_DEPTH) {
            let message = format!("the expression is more than {MAX_DEPTH} operators and calls deep");
            return Err(ExprError::new(ErrorKind::TooDeep, message).at(at.min(text.len())));
        }
    }
    match (frames.len() - 1, frames.last(), end) {
        (0, _, _) | (_, None, _) => Ok(None),
        (_, Some(frame), End::Text) => {
            let opened = char::from(bytes[frame.opened_at]);
            let message = format!("'{opened}' is never closed");
            Err(ExprError::new(ErrorKind::Syntax, message).at(frame.opened_at))
        }
        (_, Some(_), End::Brace) => Ok(None),
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_string_prefix(word: &[u8]) -> bool {
    matches!(word.to_ascii_lowercase().as_slice(), b"r" | b"b" | b"br")
}

/// Returns the offset after the string that starts with the quote at `start`.
fn string(bytes: &[u8], start: usize, raw: bool) -> Result<usize, ExprError> {
    let quote = bytes[start];
    let triple = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if triple { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            _ if byte == quote && !triple => return Ok(at + 1),
            _ if byte == quote && bytes[at..].starts_with(&[quote; 3]) => return Ok(at + 3),
            b'\n' | b'\r' if !triple => break,
            b'\\' if !raw => at += escape(&bytes[at..]).ok_or_else(|| bad_escape(at))?,
            _ => at += 1,
        }
    }
    Err(ExprError::new(ErrorKind::Syntax, "a string is never closed").at(start))
}

fn bad_escape(at: usize) -> ExprError {
    ExprError::new(ErrorKind::Syntax, "unknown escape in a string; write \\\\ for a backslash").at(at)
}

/// Returns the length of the escape sequence at the start of `bytes`.
fn escape(bytes: &[u8]) -> Option<usize> {
    let hex = |count: usize| {
        let digits = bytes.get(2..2 + count)?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(2 + count)
    };
    match bytes.get(1)? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => Some(2),
        b'x' | b'X' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        b'0'..=b'3' => bytes.get(2..4)?.iter().all(|b| (b'0'..=b'7').contains(b)).then_some(4),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<ErrorKind> {
        check(text).err().map(|error| error.kind())
    }

    #[test]
    fn brackets_are_counted_outside_of_strings_and_comments_only() {
        let open = "(".repeat(MAX_OPEN_BRACKETS);
        let close = ")".repeat(MAX_OPEN_BRACKETS);
        assert_eq!(kind(&format!("{open}1{close}")), None);
        assert_eq!(kind(&format!("({open}1{close})")), Some(ErrorKind::TooDeep));
        assert_eq!(kind(&format!("'({open}' + r\"({open}\\\" + '''({open}\n''' // {open}")), None);
    }

    #[test]
    fn what_the_lexer_would_stumble_over_is_refused() {
        for text in
            ["'a\n'", "'a", "'\\q'", "'''a''", "a @ b", "a `b`", "a = b", "a & b", "(]", ")", "(", "é"]
        {
            assert_eq!(kind(text), Some(ErrorKind::Syntax), "{text}");
        }
    }

    #[test]
    fn long_chains_are_too_deep_and_long_lists_are_not() {
        for part in ["+1", ".a", "[0]", ".f()", "&&a", "?a:a", " in a", "-a", "!=a"] {
            assert_eq!(kind(&format!("a{}", part.repeat(150))), Some(ErrorKind::TooDeep), "{part}");
            assert_eq!(kind(&format!("a{}", part.repeat(20))), None, "{part}");
        }
        assert_eq!(kind(&"!".repeat(200)), Some(ErrorKind::TooDeep));
        assert_eq!(kind(&format!("[{}1]", "a.b == 1, ".repeat(150))), None);
        assert_eq!(kind(&"a".repeat(MAX_BYTES + 1)), Some(ErrorKind::TooLong));
    }

    #[test]
    fn the_end_of_an_embedded_expression_is_found() {
        assert_eq!(find_end("a.b} rest").unwrap(), Some(3));
        assert_eq!(find_end("{'}': 1}['}']} rest").unwrap(), Some(13));
        assert_eq!(find_end("a // }\n} rest").unwrap(), Some(7));
        assert_eq!(find_end("a.b").unwrap(), None);
        assert_eq!(find_end("{a").unwrap(), None);
    }
}
