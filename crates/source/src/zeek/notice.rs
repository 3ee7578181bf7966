//! A row of notice.log: what Zeek's own scripts say of a host.

use lapwing_event::{Activity, Address, Claim, Event, LogSource, Record};

use super::fields::{Field, Fields, Refused};

/// The event of one row: a claim, where it is that somebody scanned (`Scan::Address_Scan`,
/// `Scan::Port_Scan`, `Scan::Random_Scan`).
pub(super) fn event(fields: &Fields<'_>, offset: u64) -> Result<Event, Refused> {
    let note = fields.text(Field::Note).unwrap_or_default();
    if !note.starts_with("Scan::") {
        return Err(Refused::Nothing("notices of other kinds"));
    }
    let source = match fields.text(Field::Source) {
        Some(_) => fields.address(Field::Source)?,
        None => fields.address(Field::OrigHost)?,
    };
    let target = match fields.text(Field::Destination) {
        Some(_) => fields.address(Field::Destination)?,
        None => Address::UNSPECIFIED,
    };
    let text = fields.text(Field::Message).unwrap_or(note);
    Ok(Event {
        time: fields.time()?,
        record: Record { offset, ..Record::default() },
        log_source: LogSource::ZeekNotice,
        actor: None,
        activity: Activity::Claim(Box::new(Claim { source, target, text: text.into() })),
    })
}
