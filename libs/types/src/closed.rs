//! Closed lists: enums whose values have one text form, in the journal, the API, the CLI and the documents.

/// A text that names no value of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {list} '{given}'; known: {known}")]
pub struct UnknownName {
    /// The list's name.
    pub list: &'static str,
    /// What was given.
    pub given: String,
    /// All names of the list, separated by commas.
    pub known: String,
}

/// Declares a fieldless enum with one SCREAMING_SNAKE text a value, used for serde, `Display` and `FromStr`.
///
/// `FromStr` takes any case (PLAN.md: "enum values are read in any case, shown in capitals").
macro_rules! closed_list {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// Returns the one text form of this value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $(if text.eq_ignore_ascii_case($text) { return Ok($name::$variant); })+
                Err($crate::UnknownName {
                    list: stringify!($name),
                    given: text.chars().take(64).collect(),
                    known: [$($text,)+].join(", "),
                })
            }
        }
    };
}
