//! JSON objects whose members keep the order in which they were put, and of which only what is
//! known is written.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::jsonl::inert;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    List(Vec<Field>),
    Object(Object),
}

/// A JSON object; a member that is not known, or is empty, is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(&'static str, Field)>);

impl Object {
    /// The object with one more member, where the value is known.
    pub(crate) fn with(mut self, key: &'static str, value: impl Told) -> Object {
        if let Some(field) = value.told() {
            self.0.push((key, field));
        }
        self
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object as JSON on one line, with what a terminal could obey as `\u` escapes.
    pub(crate) fn line(&self) -> String {
        // Plain data with string keys always serialises.
        inert(serde_json::to_string(self).unwrap_or_default())
    }

    /// The object as JSON over several lines, escaped as [`Object::line`].
    pub(crate) fn page(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.lines().map(|line| inert(line.to_string()) + "\n").collect()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, field) in &self.0 {
            map.serialize_entry(key, field)?;
        }
        map.end()
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Field::Text(text) => serializer.serialize_str(text),
            Field::Whole(number) => serializer.serialize_i64(*number),
            Field::Number(number) => serializer.serialize_f64(*number),
            Field::Flag(flag) => serializer.serialize_bool(*flag),
            Field::List(list) => serializer.collect_seq(list),
            Field::Object(object) => object.serialize(serializer),
        }
    }
}

/// What can become a value, if it is known.
pub(crate) trait Told {
    /// The value; `None` where nothing is known.
    fn told(self) -> Option<Field>;
}

impl Told for Field {
    fn told(self) -> Option<Field> {
        Some(self)
    }
}

impl Told for Object {
    fn told(self) -> Option<Field> {
        (!self.is_empty()).then_some(Field::Object(self))
    }
}

impl Told for &str {
    fn told(self) -> Option<Field> {
        (!self.is_empty()).then(|| Field::Text(self.to_string()))
    }
}

impl Told for String {
    fn told(self) -> Option<Field> {
        (!self.is_empty()).then_some(Field::Text(self))
    }
}

impl Told for &String {
    fn told(self) -> Option<Field> {
        self.as_str().told()
    }
}

impl Told for &Box<str> {
    fn told(self) -> Option<Field> {
        self.as_ref().told()
    }
}

impl Told for &lapwing_event::Text {
    fn told(self) -> Option<Field> {
        self.as_ref().told()
    }
}

impl Told for &Arc<str> {
    fn told(self) -> Option<Field> {
        self.as_ref().told()
    }
}

impl Told for bool {
    fn told(self) -> Option<Field> {
        Some(Field::Flag(self))
    }
}

impl Told for f64 {
    fn told(self) -> Option<Field> {
        Some(Field::Number(self))
    }
}

impl Told for i64 {
    fn told(self) -> Option<Field> {
        Some(Field::Whole(self))
    }
}

impl Told for u64 {
    fn told(self) -> Option<Field> {
        Some(Field::Whole(i64::try_from(self).unwrap_or(i64::MAX)))
    }
}

macro_rules! whole {
    ($($number:ty)+) => {
        $(impl Told for $number {
            fn told(self) -> Option<Field> {
                Some(Field::Whole(i64::from(self)))
            }
        })+
    };
}
whole!(u8 u16 u32 i32);

impl<T: Told> Told for Option<T> {
    fn told(self) -> Option<Field> {
        self.and_then(Told::told)
    }
}

impl<T: Told> Told for Vec<T> {
    fn told(self) -> Option<Field> {
        let list: Vec<Field> = self.into_iter().filter_map(Told::told).collect();
        (!list.is_empty()).then_some(Field::List(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out_and_order_is_kept() {
        let object = Object::default()
            .with("z", "last\u{1b}")
            .with("a", None::<u64>)
            .with("empty", Vec::<String>::new())
            .with("nothing", Object::default().with("x", ""))
            .with("m", vec![1u16, 2]);
        assert_eq!(object.line(), "{\"z\":\"last\\u001b\",\"m\":[1,2]}");
    }
}
