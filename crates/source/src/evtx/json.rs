//! The JSON that the `evtx` crate (and its `evtx_dump`) renders a record to.

use std::borrow::Cow;
use std::fmt;

use lapwing_event::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;
use crate::windows::WindowsRecord;

/// Reads one record.
pub(super) fn record(line: &[u8], offset: u64) -> serde_json::Result<WindowsRecord<'_>> {
    let Dump { event: EventRow { system, data } } = serde_json::from_slice(line)?;
    Ok(WindowsRecord {
        provider: system
            .provider
            .and_then(|provider| provider.attributes.name)
            .and_then(text)
            .unwrap_or_default(),
        event_id: system.event_id.and_then(text).and_then(|id| id.parse().ok()).unwrap_or_default(),
        computer: system.computer.and_then(text),
        written: system
            .time_created
            .and_then(|created| created.attributes.system_time)
            .and_then(text)
            .and_then(|time| Timestamp::parse_rfc3339(&time)),
        writer: system
            .execution
            .and_then(|execution| execution.attributes.process_id)
            .and_then(text)
            .and_then(|pid| pid.parse().ok()),
        data: data.map(|data| data.0).unwrap_or_default(),
        offset,
    })
}

#[derive(Deserialize)]
struct Dump<'a> {
    #[serde(borrow, rename = "Event")]
    event: EventRow<'a>,
}

#[derive(Deserialize)]
struct EventRow<'a> {
    #[serde(borrow, rename = "System")]
    system: System<'a>,
    #[serde(borrow, rename = "EventData", default)]
    data: Option<Data<'a>>,
}

#[derive(Deserialize)]
struct System<'a> {
    #[serde(borrow, rename = "Provider")]
    provider: Option<Attributed<Provider<'a>>>,
    #[serde(borrow, rename = "EventID")]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "TimeCreated")]
    time_created: Option<Attributed<TimeCreated<'a>>>,
    #[serde(borrow, rename = "Execution")]
    execution: Option<Attributed<Execution<'a>>>,
    #[serde(borrow, rename = "Computer")]
    computer: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Attributed<T> {
    #[serde(rename = "#attributes")]
    attributes: T,
}

#[derive(Deserialize)]
struct Provider<'a> {
    #[serde(borrow, rename = "Name")]
    name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TimeCreated<'a> {
    #[serde(borrow, rename = "SystemTime")]
    system_time: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Execution<'a> {
    #[serde(borrow, rename = "ProcessID")]
    process_id: Option<&'a RawValue>,
}

/// The named values of EventData, in their order.
struct Data<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Data<'a>, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Data<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the named values of an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, raw)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    pairs.extend(text(raw).map(|value| (name.0, value)));
                }
                Ok(Data(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A key, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value as text, the text of an element with attributes among them; `None` for lists of unnamed
/// values.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Element<'a> {
        #[serde(borrow, rename = "#text")]
        text: Option<&'a RawValue>,
    }
    match raw.get().as_bytes().first()? {
        b'{' => json::text(serde_json::from_str::<Element<'_>>(raw.get()).ok()?.text?.get()),
        b'[' => None,
        _ => json::text(raw.get()),
    }
}
