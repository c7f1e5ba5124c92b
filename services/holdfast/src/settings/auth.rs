//! The tokens by which callers and members are known.

use holdfast_rpc::Token;
use serde::{Deserialize, Serialize};

/// The tokens by which callers and members are known; both empty: nobody is asked, which is for loopback.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// What callers of the published API carry.
    #[serde(with = "token")]
    pub(crate) api_token: Option<Token>,
    /// What the members of a platform carry among themselves.
    #[serde(with = "token")]
    pub(crate) cluster_token: Option<Token>,
    /// Where a service may listen that asks for no token.
    pub(crate) tokenless: Tokenless,
}

/// Where a service may listen that asks for no token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tokenless {
    /// On this machine only.
    #[default]
    Loopback,
    /// Anywhere: the network itself is closed to strangers.
    Anywhere,
}

/// A token as a text; an empty one is none, and none is shown.
mod token {
    use holdfast_rpc::Token;
    use holdfast_runtime::Secret;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(token: &Option<Token>, serializer: S) -> Result<S::Ok, S::Error> {
        let secret = token.as_ref().map(|token| Secret::new(token.expose()));
        secret.unwrap_or_default().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Token>, D::Error> {
        let secret = Secret::deserialize(deserializer)?;
        if secret.is_empty() {
            return Ok(None);
        }
        Token::try_new(secret.expose()).map(Some).map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_and_never_shown() {
        let auth: Auth =
            serde_json::from_str(r#"{"api_token": "hunter2", "tokenless": "anywhere"}"#).unwrap();
        assert_eq!(auth.api_token, Some(Token::try_new("hunter2").unwrap()));
        assert_eq!((&auth.cluster_token, auth.tokenless), (&None, Tokenless::Anywhere));
        let shown = format!("{auth:?} {}", serde_json::to_string(&auth).unwrap());
        assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
        let refused = serde_json::from_str::<Auth>(r#"{"api_token": "hunter 2"}"#).unwrap_err().to_string();
        assert!(!refused.contains("hunter") && refused.contains("letters"), "{refused}");
    }
}
