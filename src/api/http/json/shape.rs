//! Reading a tree as a Rust type, with errors that a client understands.
//!
//! Guarantees: each error holds a JSON pointer (RFC 6901) to the very field, also to one that is unknown, missing or given
//! twice, and says in plain words what must be there; the words are made here and never taken from the names of Rust types.
//!
//! Why not the reader of `serde_json`: its errors are text, which would have to be taken apart again to find the field.

use std::collections::HashSet;
use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::super::FieldError;
use super::super::validate::pointer_part;
use super::node::Node;

/// What is wrong with the shape of some JSON, and where.
#[derive(Debug)]
pub(in crate::api::http) struct ShapeError {
    /// The parts of the pointer, the innermost first.
    parts: Vec<String>,
    detail: String,
}

/// `node` as a `T`.
pub(in crate::api::http) fn read<T: DeserializeOwned>(node: Node) -> Result<T, ShapeError> {
    T::deserialize(node)
}

impl ShapeError {
    /// The error as it is told to a client.
    pub(in crate::api::http) fn into_field(self) -> FieldError {
        let pointer = self
            .parts
            .iter()
            .rev()
            .map(|part| format!("/{}", pointer_part(part)))
            .collect();
        FieldError {
            pointer,
            detail: self.detail,
        }
    }

    fn here(detail: impl Into<String>) -> Self {
        Self {
            parts: Vec::new(),
            detail: detail.into(),
        }
    }

    fn at(field: &str, detail: impl Into<String>) -> Self {
        Self {
            parts: vec![field.into()],
            detail: detail.into(),
        }
    }

    fn under(mut self, part: &str) -> Self {
        self.parts.push(part.into());
        self
    }

    fn wrong_type(wanted: &str, found: &Node) -> Self {
        Self::here(format!("must be {wanted}, not {}", found.kind()))
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ShapeError {}

impl de::Error for ShapeError {
    /// The words of our own types; those of derived code that name a Rust type are replaced.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        let derived = message.starts_with("data did not match any variant of untagged enum");
        Self::here(if derived {
            "is none of the forms that it may have".into()
        } else {
            message
        })
    }

    /// Reached for types that ask for any value; what they expected may name a Rust type, so it is not told.
    fn invalid_type(found: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::here(format!("must not be {}", kind_of(found)))
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::here("has a value that is not allowed")
    }

    fn invalid_length(length: usize, _: &dyn Expected) -> Self {
        Self::here(format!("has {length} items, which is not the number that it must have"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::here(one_of(expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = if expected.is_empty() {
            "there are none".into()
        } else {
            expected.join(", ")
        };
        Self::at(field, format!("is not a known field; known are: {known}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::at(field, "is required")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::at(field, GIVEN_TWICE)
    }
}

const GIVEN_TWICE: &str = "is given more than once";

fn one_of(expected: &[&str]) -> String {
    format!("must be one of: {}", expected.join(", "))
}

fn kind_of(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "of this type",
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
            let wanted = || format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX);
            let number = match &self {
                Node::Number(number) => {
                    let unsigned = number.as_u64().map(<$type>::try_from);
                    let signed = number.as_i64().map(<$type>::try_from);
                    unsigned.and_then(Result::ok).or(signed.and_then(Result::ok))
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
        let mut items = Items {
            nodes: nodes.into_iter(),
            index: 0,
        };
        let value = visitor.visit_seq(&mut items)?;
        if items.nodes.len() == 0 {
            Ok(value)
        } else {
            Err(de::Error::invalid_length(length, &"fewer items"))
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
        visitor.visit_map(Entries {
            fields: fields.into_iter(),
            value: None,
        })
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
            Self::Text(name) | Self::Word(name) => visitor.visit_enum(Choice { name, content: None }),
            Self::Object(mut fields) if fields.len() == 1 => match fields.pop() {
                Some((name, content)) => visitor.visit_enum(Choice {
                    name,
                    content: Some(content),
                }),
                None => Err(ShapeError::here(one_of(variants))),
            },
            _ => Err(ShapeError::here(one_of(variants))),
        }
    }
}

struct Items {
    nodes: std::vec::IntoIter<Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for &mut Items {
    type Error = ShapeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ShapeError> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(node)
            .map(Some)
            .map_err(|error| error.under(&index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.nodes.len())
    }
}

struct Entries {
    fields: std::vec::IntoIter<(String, Node)>,
    /// The value of the key that was asked for last.
    value: Option<(String, Node)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = ShapeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ShapeError> {
        let Some((name, node)) = self.fields.next() else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, ShapeError> = name.as_str().into_deserializer();
        // An unknown field names itself; any other error of a key is about this key.
        let named = |error: ShapeError| {
            if error.parts.is_empty() {
                error.under(&name)
            } else {
                error
            }
        };
        let key = seed.deserialize(key).map_err(named)?;
        self.value = Some((name, node));
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ShapeError> {
        // Whoever asks for a value without its key breaks the protocol of serde; no derived code does.
        let (name, node) = self.value.take().ok_or_else(|| ShapeError::here("cannot be read"))?;
        seed.deserialize(node).map_err(|error| error.under(&name))
    }
}

/// One variant of an enum: its name alone, or an object with its name as the only key.
struct Choice {
    name: String,
    content: Option<Node>,
}

impl<'de> EnumAccess<'de> for Choice {
    type Error = ShapeError;
    type Variant = Content;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content), ShapeError> {
        let name: StringDeserializer<ShapeError> = self.name.clone().into_deserializer();
        Ok((
            seed.deserialize(name)?,
            Content {
                name: self.name,
                node: self.content,
            },
        ))
    }
}

/// What comes with the name of a variant.
struct Content {
    name: String,
    node: Option<Node>,
}

impl Content {
    fn node(self) -> Result<(String, Node), ShapeError> {
        match self.node {
            Some(node) => Ok((self.name, node)),
            None => Err(ShapeError::here(format!(
                "must be an object with the field {}",
                self.name
            ))),
        }
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = ShapeError;

    fn unit_variant(self) -> Result<(), ShapeError> {
        match self.node {
            None | Some(Node::Null) => Ok(()),
            Some(_) => Err(ShapeError::at(&self.name, "must be null")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ShapeError> {
        let (name, node) = self.node()?;
        seed.deserialize(node).map_err(|error| error.under(&name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ShapeError> {
        let (name, node) = self.node()?;
        node.deserialize_seq(visitor).map_err(|error| error.under(&name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ShapeError> {
        let (name, node) = self.node()?;
        node.deserialize_map(visitor).map_err(|error| error.under(&name))
    }
}
