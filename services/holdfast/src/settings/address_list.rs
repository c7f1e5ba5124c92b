//! The addresses of a service's replicas.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `HOST:PORT` of each replica of a service, in one text with commas or as a list; never empty once it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AddressList(Vec<String>);

impl AddressList {
    /// The one address of a service on this machine.
    pub(crate) fn local(port: u16) -> Self {
        Self(vec![format!("127.0.0.1:{port}")])
    }

    /// The addresses, in their order.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    fn parse(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, String> {
        let mut addresses = Vec::new();
        for text in texts {
            for address in text.as_ref().split(',').map(str::trim).filter(|address| !address.is_empty()) {
                addresses.push(checked(address)?);
            }
        }
        Ok(Self(addresses))
    }
}

fn checked(address: &str) -> Result<String, String> {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(port)) if port > 0 => Ok(address.to_owned()),
        _ => Err(format!("'{address}' is not HOST:PORT, such as 10.0.0.7:7424")),
    }
}

impl From<SocketAddr> for AddressList {
    fn from(address: SocketAddr) -> Self {
        Self(vec![address.to_string()])
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl Serialize for AddressList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "HOST:PORT, several with commas or as a list")]
        enum Given {
            One(String),
            Many(Vec<String>),
        }
        let parsed = match Given::deserialize(deserializer)? {
            Given::One(text) => Self::parse([text]),
            Given::Many(texts) => Self::parse(texts),
        };
        parsed.map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<AddressList, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_text_and_a_list_say_the_same() {
        let both = AddressList(vec!["a:1".to_owned(), "b.example:2".to_owned()]);
        assert_eq!(read(r#""a:1, b.example:2""#).unwrap(), both);
        assert_eq!(read(r#"["a:1", "b.example:2"]"#).unwrap(), both);
        assert_eq!(both.to_string(), "a:1,b.example:2");
        assert_eq!(read(r#""""#).unwrap(), AddressList::default());
    }

    #[test]
    fn what_is_no_address_is_named() {
        for wrong in ["a", "a:", ":7424", "a:0", "a:70000", "http://a"] {
            let refused = read(&format!("\"{wrong}\"")).unwrap_err().to_string();
            assert!(refused.contains(wrong) && refused.contains("HOST:PORT"), "{refused}");
        }
    }
}
