//! A JSON object as its leaves by path.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How many leaves an object may have: the largest Windows events have about a hundred.
const MAX_LEAVES: usize = 4096;

/// The leaves of one object, `a.b.0.c` by `a.b.0.c`: strings as they are, numbers and booleans as they
/// are written; nulls are left out.
#[derive(Debug, Default)]
pub(crate) struct Flat<'a> {
    leaves: Vec<(String, Cow<'a, str>)>,
}

impl<'a> Flat<'a> {
    /// Reads one object.
    pub(crate) fn read(object: &'a [u8]) -> serde_json::Result<Flat<'a>> {
        let mut flat = Flat::default();
        let mut path = String::new();
        let mut deserializer = serde_json::Deserializer::from_slice(object);
        Leaves { path: &mut path, flat: &mut flat }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(flat)
    }

    /// An object of these leaves, by path.
    pub(crate) fn of(leaves: Vec<(String, Cow<'a, str>)>) -> Flat<'a> {
        Flat { leaves }
    }

    /// The leaf at this path, if it holds anything.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        let (_, value) = self.leaves.iter().find(|(known, _)| known == path)?;
        Some(&**value).filter(|value| !value.is_empty())
    }

    /// The leaf at this path as a number, where it is one.
    pub(crate) fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.get(path)?.parse().ok()
    }

    /// The first of these paths that holds anything.
    pub(crate) fn first(&self, paths: &[&str]) -> Option<&str> {
        paths.iter().find_map(|path| self.get(path))
    }

    /// Whether any leaf lies under this path.
    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.leaves.iter().any(|(path, _)| path.starts_with(prefix))
    }

    /// The leaves under this path (which ends in a dot, or is empty), by what follows it.
    pub(crate) fn under<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.leaves
            .iter()
            .filter_map(move |(path, value)| Some((path.strip_prefix(prefix)?, &**value)))
    }

    /// The keys of the outermost object, in their order.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for (path, _) in &self.leaves {
            let key = path.split('.').next().unwrap_or(path);
            if keys.last() != Some(&key) {
                keys.push(key);
            }
        }
        keys
    }
}

/// Gathers the leaves of one value.
struct Leaves<'s, 'a> {
    path: &'s mut String,
    flat: &'s mut Flat<'a>,
}

impl<'a> Leaves<'_, 'a> {
    fn leaf<E: Error>(self, value: Cow<'a, str>) -> Result<(), E> {
        if self.flat.leaves.len() >= MAX_LEAVES {
            return Err(E::custom(format_args!("more than {MAX_LEAVES} values in one object")));
        }
        self.flat.leaves.push((self.path.clone(), value));
        Ok(())
    }

    /// The same for a value within this one.
    fn within<R>(&mut self, key: &str, read: impl FnOnce(Leaves<'_, 'a>) -> R) -> R {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        let read = read(Leaves { path: self.path, flat: self.flat });
        self.path.truncate(length);
        read
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

    fn visit_borrowed_str<E: Error>(self, value: &'a str) -> Result<(), E> {
        self.leaf(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.leaf(Cow::Owned(value.to_string()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.leaf(Cow::Borrowed(if value { "true" } else { "false" }))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.leaf(Cow::Owned(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.leaf(Cow::Owned(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.leaf(Cow::Owned(value.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.within(&key, |leaves| map.next_value_seed(leaves))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while self.within(&index.to_string(), |leaves| seq.next_element_seed(leaves))?.is_some() {
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;

    #[test]
    fn leaves_are_found_by_path() {
        let flat = Flat::read(br#"{"a":{"b":1,"c":[true,{"d":"x\ty"}]},"e":null,"f":-2.5,"":"z"}"#);
        let flat = flat.unwrap();
        assert_eq!(flat.get("a.b"), Some("1"));
        assert_eq!(flat.get("a.c.0"), Some("true"));
        assert_eq!(flat.get("a.c.1.d"), Some("x\ty"));
        assert_eq!(flat.get("e"), None);
        assert_eq!(flat.get("f"), Some("-2.5"));
        assert_eq!(flat.under("a.c.").collect::<Vec<_>>(), [("0", "true"), ("1.d", "x\ty")]);
        assert_eq!(flat.keys()[..2], ["a", "f"]);
    }

    #[test]
    fn what_is_no_object_or_too_deep_is_refused() {
        assert!(Flat::read(b"{\"a\":").is_err());
        assert!(Flat::read(b"{} x").is_err());
        let deep = "{\"a\":".repeat(200) + "1" + &"}".repeat(200);
        assert!(Flat::read(deep.as_bytes()).is_err());
        let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(5000));
        assert!(Flat::read(wide.as_bytes()).is_err());
    }
}
