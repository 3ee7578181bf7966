//! The JSON that the `evtx` crate (and its `evtx_dump`) renders a record to.

use std::borrow::Cow;
use std::fmt;

use lapwing_event::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{self, Found, Scalar, Scanner};
use crate::windows::{Fields, Value, WindowsRecord, is_used};

/// Reads one record; of those that are not used who wrote it and its number alone.
pub(super) fn record(line: &[u8], offset: u64) -> serde_json::Result<WindowsRecord<'_>> {
    match std::str::from_utf8(line).ok().and_then(|line| scanned(line, offset)) {
        Some(record) => Ok(record),
        None => parsed(line, offset),
    }
}

/// Reads a record that has nothing rare in it; `None` for others.
fn scanned(line: &str, offset: u64) -> Option<WindowsRecord<'_>> {
    let mut record = WindowsRecord { offset, ..WindowsRecord::default() };
    let (mut times, mut data, mut enough) = (0, None, false);
    let mut scanner = Scanner::new(line);
    scanner.object()?;
    let whole = scanner.members(|scanner, key| {
        (key.raw == "Event").then_some(())?;
        scanner.object()?;
        scanner.members(|scanner, key| match key.raw {
            "System" => {
                times += 1;
                scanner.object()?;
                scanner.members(|scanner, key| system(scanner, key.raw, &mut record))
            }
            "EventData" if times == 1 && !is_used(&record.provider, record.event_id) => {
                // What it holds will not be asked for.
                let found = scanner.value()?;
                enough = matches!(found, Found::Object | Found::Scalar(Scalar::Null));
                None
            }
            "EventData" => {
                let raw = scanner.raw_value()?;
                (data.is_none() && (raw == "null" || raw.starts_with('{'))).then_some(())?;
                data = Some(raw);
                Some(())
            }
            _ => scanner.raw_value().map(|_| ()),
        })
    });
    if enough {
        return Some(record);
    }
    (whole.is_some() && times == 1).then_some(())?;
    let data = data.filter(|data| *data != "null" && is_used(&record.provider, record.event_id));
    if let Some(data) = data {
        let mut scanner = Scanner::new(data);
        scanner.object()?;
        scanner.members(|scanner, key| {
            (!key.escaped).then_some(())?;
            if let Some(value) = text(scanner.raw_value()?) {
                record.data.set_named(key.raw, value);
            }
            Some(())
        })?;
    }
    Some(record)
}

/// Reads one member of an event's System.
fn system<'a>(scanner: &mut Scanner<'a>, key: &str, record: &mut WindowsRecord<'a>) -> Option<()> {
    match key {
        "Provider" => record.provider = attribute(scanner, "Name")?.unwrap_or_default(),
        "EventID" => {
            let id = text(scanner.raw_value()?);
            record.event_id = id.and_then(|id| id.parse().ok()).unwrap_or_default();
        }
        "TimeCreated" => {
            let time = attribute(scanner, "SystemTime")?;
            record.written = time.and_then(|time| Timestamp::parse_rfc3339(&time));
        }
        "Execution" => {
            let pid = attribute(scanner, "ProcessID")?;
            record.writer = pid.and_then(|pid| pid.parse().ok());
        }
        "Computer" => record.computer = text(scanner.raw_value()?).map(Value::from),
        _ => {
            scanner.raw_value()?;
        }
    }
    Some(())
}

/// The attribute of this name of an element that has nothing else.
fn attribute<'a>(scanner: &mut Scanner<'a>, name: &str) -> Option<Option<Cow<'a, str>>> {
    let mut found = None;
    scanner.object()?;
    scanner.members(|scanner, key| {
        (key.raw == "#attributes").then_some(())?;
        scanner.object()?;
        scanner.members(|scanner, key| {
            let raw = scanner.raw_value()?;
            if key.raw == name {
                found = text(raw);
            }
            Some(())
        })
    })?;
    Some(found)
}

/// Reads any record.
fn parsed(line: &[u8], offset: u64) -> serde_json::Result<WindowsRecord<'_>> {
    let Dump { event: EventRow { system, data } } = serde_json::from_slice(line)?;
    Ok(WindowsRecord {
        provider: system
            .provider
            .and_then(|provider| provider.attributes.name)
            .and_then(raw_text)
            .unwrap_or_default(),
        event_id: system
            .event_id
            .and_then(raw_text)
            .and_then(|id| id.parse().ok())
            .unwrap_or_default(),
        computer: system.computer.and_then(raw_text).map(Value::from),
        written: system
            .time_created
            .and_then(|created| created.attributes.system_time)
            .and_then(raw_text)
            .and_then(|time| Timestamp::parse_rfc3339(&time)),
        writer: system
            .execution
            .and_then(|execution| execution.attributes.process_id)
            .and_then(raw_text)
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

/// The named values of EventData.
struct Data<'a>(Fields<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Data<'a>, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Data<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the named values of an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, raw)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    if let Some(value) = text(raw.get()) {
                        fields.set_named(&name.0, value);
                    }
                }
                Ok(Data(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A key, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn raw_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    text(raw.get())
}

/// A value as text, the text of an element with attributes among them; `None` for lists of unnamed
/// values.
fn text(raw: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Element<'a> {
        #[serde(borrow, rename = "#text")]
        text: Option<&'a RawValue>,
    }
    match raw.as_bytes().first()? {
        b'{' => json::text(serde_json::from_str::<Element<'_>>(raw).ok()?.text?.get()),
        b'[' => None,
        _ => json::text(raw),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;
    use crate::windows::Field;

    fn line(event_id: &str, data: &str) -> String {
        format!(
            "{{\"Event\":{{\"#attributes\":{{\"xmlns\":\"x\"}},\"System\":{{\"Provider\":{{\
             \"#attributes\":{{\"Name\":\"Microsoft-Windows-Sysmon\",\"Guid\":\"5770385F\"}}}},\
             \"EventID\":{event_id},\"Level\":4,\"TimeCreated\":{{\"#attributes\":{{\"SystemTime\":\
             \"2026-01-01T00:00:00.5Z\"}}}},\"Execution\":{{\"#attributes\":{{\"ProcessID\":7,\
             \"ThreadID\":8}}}},\"Computer\":\"pc\",\"Security\":null}}{data}}}}}"
        )
    }

    #[test]
    fn both_ways_of_reading_are_of_one_mind() {
        let data = ",\"EventData\":{\"Image\":\"C:\\\\a\\u00e9.exe\",\"ProcessId\":1,\"User\":1.50,\"no\":null,\
                    \"Path\":[1],\"Hashes\":{\"#text\":\"t\",\"#attributes\":{}},\"Initiated\":true}";
        for (event_id, data) in [
            ("1", data),
            ("{\"#attributes\":{},\"#text\":3}", data),
            ("5", ""),
            ("\"22\"", ",\"EventData\":null"),
        ] {
            let line = line(event_id, data);
            let scanned = scanned(&line, 9).unwrap();
            let parsed = parsed(line.as_bytes(), 9).unwrap();
            assert_eq!(format!("{scanned:?}"), format!("{parsed:?}"), "{line}");
        }
    }

    #[test]
    fn of_a_record_that_is_not_used_the_number_is_enough() {
        let line = line("7", ",\"EventData\":{\"Image\":\"a\"}");
        let record = scanned(&line, 0).unwrap();
        assert_eq!((record.event_id, &*record.provider), (7, "Microsoft-Windows-Sysmon"));
        assert!(!record.data.has(Field::Image));
    }

    #[test]
    fn what_is_odd_is_left_to_the_parser() {
        for line in [
            line("1", ",\"EventData\":\"text\""),
            line("1", ",\"EventData\":{},\"EventData\":{}"),
            line("1", ",\"EventData\":{\"a\\u0062\":1}"),
            "{\"Event\":{}}".to_string(),
            "{}".to_string(),
        ] {
            assert!(scanned(&line, 0).is_none(), "{line}");
        }
    }
}
