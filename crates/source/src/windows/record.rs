//! One Windows event as its dialect spells it.

use std::borrow::Cow;
use std::sync::Arc;

use lapwing_event::{Activity, Actor, Address, Event, LogSource, Record, Text, Timestamp};

use super::fields::{Field, Fields};
use super::value::{self, Value};
use super::{Side, Translated};

/// One Windows event: who wrote it, its number, and its data by field name.
#[derive(Debug, Default)]
pub(crate) struct WindowsRecord<'a> {
    /// The provider's name, such as `Microsoft-Windows-Sysmon`.
    pub(crate) provider: Cow<'a, str>,
    pub(crate) event_id: u32,
    /// The computer that wrote it, which for forwarded events is not the one that holds the log.
    pub(crate) computer: Option<Value<'a>>,
    /// When it was written.
    pub(crate) written: Option<Timestamp>,
    /// The process that wrote it (`Execution ProcessID`): for PowerShell the one that runs the script,
    /// for others a service.
    pub(crate) writer: Option<u32>,
    /// Fields that are set, of those that are asked for.
    pub(crate) data: Fields<'a>,
    /// Bytes from the start of the input.
    pub(crate) offset: u64,
}

impl WindowsRecord<'_> {
    /// The text of a field as it is, with its blanks.
    pub(super) fn raw(&self, field: Field) -> Option<Cow<'_, str>> {
        Some(self.data.get(field)?.text()).filter(|value| !value.is_empty())
    }

    /// The text of a field; `None` where it is absent, empty, or the `-` that stands for nothing.
    pub(super) fn text(&self, field: Field) -> Option<Cow<'_, str>> {
        let text = match self.data.get(field)?.text() {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) if text.trim().len() < text.len() => Cow::Owned(text.trim().into()),
            own @ Cow::Owned(_) => own,
        };
        Some(text).filter(|text| !text.is_empty() && text != "-")
    }

    /// The same as a text of its own.
    pub(super) fn own(&self, field: Field) -> Option<Text> {
        self.text(field).map(|text| Text::from(&*text))
    }

    /// What is made of the same text, which is not kept.
    pub(super) fn parsed<T>(
        &self,
        field: Field,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.data.get(field)?.with_text(|text| match text.trim() {
            "" | "-" => None,
            text => parse(text),
        })
    }

    /// A number, decimal or with `0x`: 4688 has hexadecimal process ids, 5156 decimal ones.
    pub(super) fn number(&self, field: Field) -> Option<u64> {
        if let Some(Value::Number(number) | Value::Hex(number)) = self.data.get(field) {
            return Some(*number);
        }
        let hexadecimal = |text: &str| {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
            Some(u64::from_str_radix(digits, 16).ok())
        };
        self.parsed(field, |text| hexadecimal(text).unwrap_or_else(|| text.parse().ok()))
    }

    /// A process id.
    pub(super) fn pid(&self, field: Field) -> Result<u32, Translated> {
        self.number(field).and_then(|pid| u32::try_from(pid).ok()).ok_or_else(|| self.misfit(field))
    }

    /// A GUID in lowercase without braces; all zeros name nothing.
    pub(super) fn guid(&self, field: Field) -> Option<Text> {
        if let Value::Guid(bytes) = self.data.get(field)? {
            return (*bytes != [0; 16]).then(|| value::guid(bytes));
        }
        self.parsed(field, |text| {
            let bare = text.trim_start_matches('{').trim_end_matches('}');
            let named = bare.bytes().any(|b| b != b'0' && b != b'-');
            named.then(|| match bare.bytes().any(|b| b.is_ascii_uppercase()) {
                true => bare.to_ascii_lowercase().into(),
                false => bare.into(),
            })
        })
    }

    /// An address and its port. A port where there is none to have (ICMP) is 0.
    pub(super) fn side(&self, address: Field, port: Field) -> Result<Side, Translated> {
        let parsed: Option<Address> = self.parsed(address, |text| text.parse().ok());
        let address = parsed.ok_or_else(|| self.misfit(address))?;
        let number = match self.number(port) {
            None if self.text(port).is_none() => Some(0),
            number => number.and_then(|port| u16::try_from(port).ok()),
        };
        Ok(Side { address, port: number.ok_or_else(|| self.misfit(port))? })
    }

    /// That a field does not hold what its name promises.
    pub(super) fn misfit(&self, field: Field) -> Translated {
        let (event_id, name) = (self.event_id, field.name());
        Translated::Misfit(match self.text(field) {
            Some(text) => {
                let text: String = text.chars().take(80).collect();
                format!("event {event_id}: {name} holds {text:?}")
            }
            None => format!("event {event_id}: {name} is missing"),
        })
    }

    /// When it happened, by Sysmon's own field where there is one, which is in UTC: the record is written up
    /// to seconds later.
    pub(super) fn time(&self) -> Result<Timestamp, Translated> {
        let stated = self.parsed(Field::UtcTime, Timestamp::parse_utc);
        stated.or(self.written).ok_or_else(|| Translated::Misfit("no time".to_string()))
    }

    /// Where it lies.
    pub(super) fn record(&self) -> Record {
        Record { offset: self.offset, ..Record::default() }
    }

    /// The event of this record.
    pub(super) fn event(
        &self,
        log_source: LogSource,
        actor: Option<Arc<Actor>>,
        activity: Activity,
    ) -> Result<Event, Translated> {
        Ok(Event { time: self.time()?, record: self.record(), log_source, actor, activity })
    }
}
