//! Reading a tree as a Rust type, with errors that a client understands.
//!
//! Guarantees: each error holds a JSON pointer (RFC 6901) to the very field, also to one that is unknown, missing or given
//! twice, and says in plain words what must be there; the words are made here and never taken from the names of Rust types.
//!
//! Why not the reader of `serde_json`: its errors are text, which would have to be taken apart again to find the field.

mod access;
mod error;

use std::collections::HashSet;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Number;

use super::node::Node;
use access::{Choice, Entries, Items};
pub(in crate::api::http) use error::ShapeError;
use error::{GIVEN_TWICE, one_of};

/// `node` as a `T`.
pub(in crate::api::http) fn read<T: DeserializeOwned>(node: Node) -> Result<T, ShapeError> {
    T::deserialize(node)
}

/// The digits of a number that is whole and written with a fraction or an exponent, as `4.0` is by some languages. Beyond
/// 2^53 a float may stand for a number that nobody wrote.
fn whole(number: &Number) -> Option<String> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64()?;
    let is_whole = float.fract() == 0.0 && float.abs() <= EXACT_MAX;
    is_whole.then(|| format!("{float:.0}"))
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
            // The limits of 64 bits are nobody's: what the field may hold is said once it is a number.
            let wanted = || match <$type>::MIN {
                0 => format!("a whole number from 0 to {}", <$type>::MAX),
                _ if <$type>::BITS < 64 => format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX),
                _ => "a whole number of at most 18 digits".to_owned(),
            };
            let number = match &self {
                Node::Number(number) => {
                    let unsigned = number.as_u64().map(<$type>::try_from);
                    let signed = number.as_i64().map(<$type>::try_from);
                    let exact = unsigned.and_then(Result::ok).or(signed.and_then(Result::ok));
                    exact.or_else(|| whole(number)?.parse().ok())
                }
                Node::Word(text) => text.parse().ok(),
                other => return Err(ShapeError::wrong_type(&wanted(), other)),
            };
            visitor.$visit(number.ok_or_else(|| ShapeError::here(format!("must be {}", wanted())))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = ShapeError;

    whole_numbers! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf ignored_any }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                // A number that is neither is a float.
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Self::Text(text) | Self::Word(text) => visitor.visit_string(text),
            Self::Array(_) => self.deserialize_seq(visitor),
            Self::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self {
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Word(text) => match text.as_str() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                _ => Err(ShapeError::here("must be true or false")),
            },
            other => Err(ShapeError::wrong_type("true or false", &other)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let number = match &self {
            Self::Number(number) => number.as_f64(),
            Self::Word(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            other => return Err(ShapeError::wrong_type("a number", other)),
        };
        visitor.visit_f64(number.ok_or_else(|| ShapeError::here("must be a number"))?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self {
            Self::Text(text) | Self::Word(text) => visitor.visit_string(text),
            other => Err(ShapeError::wrong_type("a string", &other)),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self {
            Self::Null => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self {
            Self::Null => visitor.visit_unit(),
            other => Err(ShapeError::wrong_type("null", &other)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let nodes = match self {
            Self::Array(nodes) => nodes,
            Self::Word(text) => text.split(',').map(|part| Self::Word(part.into())).collect(),
            other => return Err(ShapeError::wrong_type("an array", &other)),
        };
        let length = nodes.len();
        let mut items = Items::new(nodes);
        let value = visitor.visit_seq(&mut items)?;
        if items.are_used_up() {
            Ok(value)
        } else {
            Err(ShapeError::invalid_length(length, &"fewer items"))
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let fields = match self {
            Self::Object(fields) => fields,
            other => return Err(ShapeError::wrong_type("an object", &other)),
        };
        let mut seen = HashSet::with_capacity(fields.len());
        if let Some((name, _)) = fields.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            return Err(ShapeError::at(name, GIVEN_TWICE));
        }
        visitor.visit_map(Entries::new(fields))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match self {
            Self::Text(name) | Self::Word(name) => visitor.visit_enum(Choice::new(name, None)),
            Self::Object(mut fields) if fields.len() == 1 => match fields.pop() {
                Some((name, content)) => visitor.visit_enum(Choice::new(name, Some(content))),
                None => Err(ShapeError::here(one_of(variants))),
            },
            _ => Err(ShapeError::here(one_of(variants))),
        }
    }
}
