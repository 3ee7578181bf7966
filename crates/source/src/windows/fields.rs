//! The fields of Windows events that are asked for, and their values by field.

use super::value::Value;

macro_rules! fields {
    ($($name:ident)*) => {
        /// A field that is asked for, of any event; those of other names need not be read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Field {
            $($name,)*
        }

        impl Field {
            const ALL: &[Field] = &[$(Field::$name),*];
            const NAMES: &[&str] = &[$(stringify!($name)),*];
        }
    };
}

fields! {
    Application
    CommandLine
    Company
    Description
    DestAddress
    DestPort
    DestinationIp
    DestinationPort
    Direction
    Hashes
    Image
    Initiated
    LogonId
    MessageNumber
    MessageTotal
    NewProcessId
    NewProcessName
    OriginalFileName
    ParentCommandLine
    ParentImage
    ParentProcessGuid
    ParentProcessId
    ParentProcessName
    Path
    Payload
    ProcessGuid
    ProcessID
    ProcessId
    ProcessName
    Product
    Protocol
    QueryName
    QueryStatus
    ScriptBlockId
    ScriptBlockText
    SourceAddress
    SourceIp
    SourcePort
    SubjectDomainName
    SubjectLogonId
    SubjectUserName
    TargetDomainName
    TargetLogonId
    TargetUserName
    User
    UtcTime
}

impl Field {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied()
    }

    /// The field of this number, which is its own as one.
    pub(super) fn numbered(number: u8) -> Option<Field> {
        Field::ALL.get(usize::from(number)).copied()
    }

    /// The name that Windows gives it.
    pub(crate) fn name(self) -> &'static str {
        Field::NAMES[self as usize]
    }

    /// The field of this name.
    pub(crate) fn named(name: &str) -> Option<Field> {
        let mut slot = slot(name.as_bytes());
        // There are more slots than fields.
        while let Some(number) = SLOTS[slot].checked_sub(1).map(usize::from) {
            if Field::NAMES[number] == name {
                return Some(Field::ALL[number]);
            }
            slot = (slot + 1) % SLOTS.len();
        }
        None
    }
}

/// The number of the field that a name's slot, or the next one that is free, stands for, plus one.
static SLOTS: [u8; 256] = slots();

/// The slot of a name: names differ in their length and last bytes.
const fn slot(name: &[u8]) -> usize {
    let mut slot = name.len() * 8;
    if let [.., before, last] = name {
        slot += *last as usize * 37 + *before as usize * 5;
    }
    slot % 256
}

const fn slots() -> [u8; 256] {
    let mut slots = [0; 256];
    let mut number = 0;
    while number < Field::NAMES.len() {
        let mut slot = slot(Field::NAMES[number].as_bytes());
        while slots[slot] != 0 {
            slot = (slot + 1) % slots.len();
        }
        number += 1;
        slots[slot] = number as u8;
    }
    slots
}

/// How many values are made room for at first: events have up to about this many that are asked for.
const VALUES_AT_FIRST: usize = 16;

/// The values of an event by field. Of several of one field the first counts.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    /// The number of each field's value, plus one; 0 where it has none.
    numbers: [u8; Field::ALL.len()],
    values: Vec<Value<'a>>,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Fields { numbers: [0; Field::ALL.len()], values: Vec::new() }
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, field: Field) -> Option<&Value<'a>> {
        let number = usize::from(self.numbers[field as usize]);
        self.values.get(number.checked_sub(1)?)
    }

    pub(crate) fn has(&self, field: Field) -> bool {
        self.numbers[field as usize] != 0
    }

    /// Sets a field that has no value yet.
    pub(crate) fn set(&mut self, field: Field, value: impl Into<Value<'a>>) {
        if !self.has(field) {
            if self.values.is_empty() {
                self.values.reserve(VALUES_AT_FIRST);
            }
            self.values.push(value.into());
            self.numbers[field as usize] = self.values.len() as u8; // there are fewer fields than that
        }
    }

    /// Sets the field of this name, where it is one that is asked for.
    pub(crate) fn set_named(&mut self, name: &str, value: impl Into<Value<'a>>) {
        if let Some(field) = Field::named(name) {
            self.set(field, value);
        }
    }

    /// Takes a field's value away.
    pub(super) fn remove(&mut self, field: Field) {
        self.numbers[field as usize] = 0;
    }
}

/// Of names and values, in their order.
impl<'a, N: AsRef<str>, V: Into<Value<'a>>> FromIterator<(N, V)> for Fields<'a> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.set_named(name.as_ref(), value);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_found_by_its_name() {
        for field in Field::all() {
            assert_eq!(Field::named(field.name()), Some(field));
            for other in ["x", "X", "\u{e9}"] {
                assert_eq!(Field::named(&format!("{}{other}", field.name())), None);
            }
        }
        assert_eq!(Field::named(""), None);
    }
}
