//! Text that many events say alike, held once: a program's path, a user's name, a command line.

use std::cell::RefCell;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Text that whoever has it shares: a copy costs no memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

/// What the allocator and the counts of holders take beside a text.
const BESIDE: usize = 32;

/// How many hold a text that is new: its event, and whoever remembers it to share it later.
const HOLDERS: usize = 2;

impl Text {
    /// About how many bytes of memory it takes that nobody else answers for: none where several events
    /// have it.
    pub(crate) fn own_bytes(&self) -> usize {
        if Arc::strong_count(&self.0) > HOLDERS { 0 } else { self.0.len() + BESIDE }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for Text {
    fn from(text: T) -> Text {
        Text(text.into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(recently_read(text))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// How many texts that were read back last are kept to be shared: what lies on disk names the same programs
/// and users again and again, and each by itself.
const RECENT: usize = 512;

/// How long such a text is at most, in bytes: paths and names are shorter, and command lines seldom come
/// again.
const RECENT_LENGTH: usize = 128;

thread_local! {
    static RECENTLY_READ: RefCell<Vec<Option<Text>>> = const { RefCell::new(Vec::new()) };
}

/// A text, shared with one of the same bytes where that was read lately on this thread.
fn recently_read(text: &str) -> Text {
    if text.len() > RECENT_LENGTH {
        return text.into();
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    let at = hasher.finish() as usize % RECENT;
    RECENTLY_READ.with_borrow_mut(|recent| {
        if recent.is_empty() {
            recent.resize(RECENT, None);
        }
        match &recent[at] {
            Some(known) if **known == *text => known.clone(),
            _ => recent[at].insert(text.into()).clone(),
        }
    })
}

/// The arguments of a command line one by one, shared as a [`Text`] is; empty where not recorded.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arguments(Option<Arc<[Box<str>]>>);

impl Arguments {
    /// No arguments.
    pub const NONE: Arguments = Arguments(None);

    /// As [`Text::own_bytes`].
    pub(crate) fn own_bytes(&self) -> usize {
        match &self.0 {
            Some(all) if Arc::strong_count(all) <= HOLDERS => {
                all.iter().map(|one| one.len() + size_of::<Box<str>>() + BESIDE).sum()
            }
            _ => 0,
        }
    }
}

impl Deref for Arguments {
    type Target = [Box<str>];

    fn deref(&self) -> &[Box<str>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<Box<str>>> for Arguments {
    fn from(arguments: Vec<Box<str>>) -> Arguments {
        Arguments((!arguments.is_empty()).then(|| arguments.into()))
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Arguments {
    fn from_iter<I: IntoIterator<Item = T>>(arguments: I) -> Arguments {
        arguments.into_iter().map(Into::into).collect::<Vec<Box<str>>>().into()
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self[..].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Arguments, D::Error> {
        Vec::<Box<str>>::deserialize(deserializer).map(Arguments::from)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn texts_that_are_read_back_are_shared_while_they_come_again() {
        let read = |text: &str| {
            Text::deserialize(StrDeserializer::<Error>::new(text)).unwrap_or_else(|_| "".into())
        };
        let first = read("/usr/bin/nmap");
        assert!(Arc::ptr_eq(&first.0, &read("/usr/bin/nmap").0));
        for n in 0..3 * RECENT {
            let other = format!("/opt/{n}");
            assert_eq!(&*read(&other), other);
        }
        assert_eq!(read("/usr/bin/nmap"), first);
        let long = "x".repeat(RECENT_LENGTH + 1);
        assert!(!Arc::ptr_eq(&read(&long).0, &read(&long).0));
    }
}
