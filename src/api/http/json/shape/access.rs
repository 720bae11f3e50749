//! The parts of arrays, objects and enums, each of which adds its name or index to the pointer of an error.

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::super::node::Node;
use super::ShapeError;

/// The items of an array.
pub(super) struct Items {
    nodes: std::vec::IntoIter<Node>,
    index: usize,
}

impl Items {
    pub(super) fn new(nodes: Vec<Node>) -> Self {
        Self {
            nodes: nodes.into_iter(),
            index: 0,
        }
    }

    /// Whether whoever read the array took all of it.
    pub(super) fn are_used_up(&self) -> bool {
        self.nodes.len() == 0
    }
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

/// The fields of an object.
pub(super) struct Entries {
    fields: std::vec::IntoIter<(String, Node)>,
    /// The value of the key that was asked for last.
    value: Option<(String, Node)>,
}

impl Entries {
    pub(super) fn new(fields: Vec<(String, Node)>) -> Self {
        Self {
            fields: fields.into_iter(),
            value: None,
        }
    }
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
            if error.is_here() { error.under(&name) } else { error }
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
pub(super) struct Choice {
    name: String,
    content: Option<Node>,
}

impl Choice {
    pub(super) fn new(name: String, content: Option<Node>) -> Self {
        Self { name, content }
    }
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
pub(super) struct Content {
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
