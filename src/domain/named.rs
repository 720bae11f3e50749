//! Enums whose variants have names: in code, SQL, JSON and logs the same.
//!
//! Guarantees: a name reads back to its variant, and any other text is refused with the names that are known.

/// A text that is not one of the names it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not one of {known}")]
pub struct UnknownName {
    name: String,
    known: String,
}

impl UnknownName {
    /// The longest part of a name that is repeated, in characters.
    const SHOWN_MAX: usize = 40;

    /// `name` is none of `known`.
    pub(super) fn new(name: &str, known: &[&str]) -> Self {
        Self {
            name: name.chars().take(Self::SHOWN_MAX).collect(),
            known: known.join(", "),
        }
    }
}

/// Declares an enum with a name for each variant.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name as it stands in SQL, JSON and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::named::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::domain::named::UnknownName::new(other, &[$($text,)+])),
                }
            }
        }
    };
}

pub(super) use named;
