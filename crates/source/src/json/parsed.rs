//! The leaves of a JSON object as `serde_json` finds them.

use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::flat::Flat;
use super::row::MAX_LEAVES;
use super::shapes::MAX_PATHS;

/// Gathers the leaves of one value.
pub(super) struct Leaves<'s, 'a> {
    pub(super) path: &'s mut String,
    pub(super) flat: &'s mut Flat<'a>,
}

impl<'a> Leaves<'_, 'a> {
    fn leaf<E: Error>(self, value: impl fmt::Display) -> Result<(), E> {
        match self.flat.take(self.path, value) {
            Some(()) => Ok(()),
            None => Err(E::custom(format_args!(
                "more than {MAX_LEAVES} values in one object, or more than {MAX_PATHS} bytes of keys \
                 about them"
            ))),
        }
    }

    fn within(&mut self) -> Leaves<'_, 'a> {
        Leaves { path: self.path, flat: self.flat }
    }
}

/// Puts a key behind the path of what it lies in.
struct Key<'s>(&'s mut String);

impl<'a> DeserializeSeed<'a> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(key);
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Leaves<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Leaves<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.leaf(value)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.leaf(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.leaf(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.leaf(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.leaf(value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        let length = self.path.len();
        while map.next_key_seed(Key(self.path))?.is_some() {
            map.next_value_seed(self.within())?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let length = self.path.len();
        for index in 0_usize.. {
            let dot = if length == 0 { "" } else { "." };
            write!(self.path, "{dot}{index}").map_err(A::Error::custom)?;
            let more = seq.next_element_seed(self.within())?.is_some();
            self.path.truncate(length);
            if !more {
                break;
            }
        }
        Ok(())
    }
}
