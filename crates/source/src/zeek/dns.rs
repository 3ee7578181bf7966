//! A row of dns.log: one question, with its answer where one was seen.

use lapwing_event::{Activity, Dns, Event, LogSource, Outcome, Record};

use super::fields::{Field, Fields, Refused};

/// The event of one row.
pub(super) fn event(fields: &Fields<'_>, offset: u64) -> Result<Event, Refused> {
    let query_type = fields.number(Field::QueryType);
    // Zeek gives each unasked answer of multicast DNS a row: a reply code, no question type.
    let unasked = query_type.is_none()
        && (fields.text(Field::ReplyCode).is_some() || fields.text(Field::Answers).is_some());
    let name = match fields.text(Field::Query) {
        Some(name) if !unasked => name,
        _ => return Err(Refused::Nothing("DNS answers without a question")),
    };
    let target = fields.address(Field::RespHost)?;
    let outcome = match fields.number::<u16>(Field::ReplyCode) {
        Some(0) => Outcome::Served,
        Some(_) => Outcome::Refused,
        // Answers to a group come from others, in rows of their own.
        None if target.is_group() => Outcome::Unknown,
        None => Outcome::Unanswered,
    };
    let dns = Dns {
        source: fields.address(Field::OrigHost)?,
        target,
        source_port: fields.port(Field::OrigPort)?,
        target_port: fields.port(Field::RespPort)?,
        name: name.trim_end_matches('.').into(),
        query_type,
        outcome,
    };
    Ok(Event {
        time: fields.time()?,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::ZeekDns,
        actor: None,
        activity: Activity::Dns(Box::new(dns)),
    })
}
