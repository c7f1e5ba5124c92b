//! The token that a call carries.

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;

/// Before the token, in the header `authorization`.
const SCHEME: &str = "Bearer ";

/// A token: whoever carries it may call. It shows itself nowhere.
#[derive(Clone)]
pub struct Token {
    /// The whole header's value, marked so that neither a log nor HTTP/2's memory of headers keeps it.
    header: HeaderValue,
}

/// Why a text is no token. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is of letters, digits and any of - . _ ~ + / =")]
pub struct InvalidToken;

impl Token {
    /// Makes a token of its text.
    ///
    /// # Errors
    /// [`InvalidToken`] where it is empty, or has a character that no header carries safely.
    pub fn try_new(text: &str) -> Result<Self, InvalidToken> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if text.is_empty() || !text.bytes().all(sound) {
            return Err(InvalidToken);
        }
        let mut header = HeaderValue::from_str(&format!("{SCHEME}{text}")).map_err(|_| InvalidToken)?;
        header.set_sensitive(true);
        Ok(Self { header })
    }

    /// Returns the text itself: to hand it on to a process that needs it, never for a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.header.to_str().ok().and_then(|header| header.strip_prefix(SCHEME)).unwrap_or_default()
    }

    /// Puts it on a call, in place of any other.
    pub(crate) fn attach(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.header.clone());
    }

    /// Says whether this is what a call has shown. How long that takes tells nothing of where they differ.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        self.expose().as_bytes().ct_eq(shown).into()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.expose().as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Returns the token that a header's value shows; the scheme's case does not matter.
pub(crate) fn shown(header: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = header.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME.as_bytes()).then_some(token)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_itself_nowhere() {
        let token = Token::try_new("hunter2").unwrap();
        let mut headers = HeaderMap::new();
        token.attach(&mut headers);
        let said = format!("{token:?} {headers:?}");
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(token.expose(), "hunter2");
        assert_eq!(headers[AUTHORIZATION].as_bytes(), b"Bearer hunter2");
    }

    #[test]
    fn what_no_header_carries_is_refused_without_being_repeated() {
        for wrong in ["", "a b", "a\n", "é", "\"a\"", "a,b"] {
            let refused = Token::try_new(wrong).unwrap_err().to_string();
            assert!(wrong.len() < 2 || !refused.contains(wrong), "{refused}");
        }
    }

    #[test]
    fn only_the_whole_token_is_it() {
        let token = Token::try_new("abc").unwrap();
        for (header, expected) in [
            ("Bearer abc", true),
            ("bearer abc", true),
            ("Bearer abcd", false),
            ("Bearer ab", false),
            ("Bearer ", false),
            ("Basic abc", false),
            ("abc", false),
        ] {
            let header = HeaderValue::from_static(header);
            assert_eq!(shown(&header).is_some_and(|shown| token.is(shown)), expected, "{header:?}");
        }
        assert_ne!(token, Token::try_new("abd").unwrap());
    }
}
