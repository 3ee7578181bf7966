//! Templates, and what the fields of a record mean.
//!
//! <https://www.iana.org/assignments/ipfix/ipfix.xhtml>; RFC 3954 section 8 for version 9.

use lapwing_event::{Address, Span, Timestamp};

use super::plan::Plan;
use super::{Export, be16};

/// The most fields of one template: a record of one byte each fills a datagram many times over.
const MAX_FIELDS: usize = 512;

/// A length that says that the record holds it (RFC 7011 section 7).
const VARIABLE: u16 = 65_535;

/// The enterprise whose fields are a biflow's other direction (RFC 5103 section 6.1).
const REVERSE: u32 = 29_305;

/// How far an exporter's own clocks may be apart.
const CLOCK: Span = Span::seconds(3600);

/// From the epoch of NTP to that of Unix, in seconds (RFC 5905 section 6).
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// What a field says of its flow, or of its exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Source,
    Target,
    SourcePort,
    TargetPort,
    Protocol,
    /// ICMP's type alone, or in the upper byte with its code below.
    IcmpType,
    IcmpBoth,
    Flags,
    Packets,
    Bytes,
    BackFlags,
    BackPackets,
    BackBytes,
    /// When it began, in seconds, in milliseconds, or as NTP writes it.
    Seconds,
    Millis,
    Ntp,
    FirstUptime,
    Started,
    Before,
    Interval,
    LookedAt,
    PassedOver,
    Population,
}

impl Column {
    /// How many there are.
    pub(super) const COUNT: usize = Column::Population as usize + 1;

    /// What the field of this number is, where it is used.
    fn of(enterprise: u32, id: u16) -> Option<Column> {
        Some(match (enterprise, id) {
            (0, 1 | 85 | 231) => Column::Bytes,
            (0, 2 | 86 | 298) => Column::Packets,
            (0, 4) => Column::Protocol,
            (0, 6) => Column::Flags,
            (0, 7) => Column::SourcePort,
            (0, 11) => Column::TargetPort,
            (0, 8 | 27) => Column::Source,
            (0, 12 | 28) => Column::Target,
            (0, 32 | 139) => Column::IcmpBoth,
            (0, 176 | 178) => Column::IcmpType,
            (0, 22) => Column::FirstUptime,
            (0, 150) => Column::Seconds,
            (0, 152) => Column::Millis,
            (0, 154 | 156) => Column::Ntp,
            (0, 158) => Column::Before,
            (0, 160) => Column::Started,
            // samplingInterval, samplerRandomInterval; samplingPacketInterval and -Space (RFC 5477),
            // samplingSize and -Population.
            (0, 34 | 50) => Column::Interval,
            (0, 305 | 309) => Column::LookedAt,
            (0, 306) => Column::PassedOver,
            (0, 310) => Column::Population,
            // RFC 5103, and the responder's counters of RFC 5102's successors.
            (0, 232) | (REVERSE, 1 | 85) => Column::BackBytes,
            (0, 299) | (REVERSE, 2 | 86) => Column::BackPackets,
            (REVERSE, 6) => Column::BackFlags,
            _ => return None,
        })
    }
}

/// How records of one kind are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    fields: Vec<Layout>,
    shortest: usize,
    is_options: bool,
    plan: Option<Plan>,
}

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// What it says, where that is used.
    pub(super) column: Option<Column>,
    length: u16,
}

impl Layout {
    /// How many bytes it has, where not each record says so itself.
    pub(super) fn length(&self) -> Option<u16> {
        (self.length != VARIABLE).then_some(self.length)
    }
}

impl Template {
    /// Reads a template of `count` fields; how many bytes they took.
    pub(super) fn read(
        bytes: &[u8],
        count: usize,
        version: u16,
    ) -> Result<(Template, usize), &'static str> {
        if count > MAX_FIELDS {
            return Err("more fields than any record has");
        }
        let mut fields = Vec::with_capacity(count);
        let mut is_options = true;
        let mut at = 0;
        for _ in 0..count {
            let (Some(id), Some(length)) = (be16(bytes, at), be16(bytes, at + 2)) else {
                return Err("ends inside its fields");
            };
            at += 4;
            let private = version == 10 && id & 0x8000 != 0;
            let enterprise = match private {
                true => {
                    let number = super::be32(bytes, at).ok_or("ends inside its fields")?;
                    at += 4;
                    number
                }
                // IANA's own.
                false => 0,
            };
            let id = if private { id & 0x7fff } else { id };
            is_options &= !matches!(id, 8 | 12 | 27 | 28);
            fields.push(Layout { column: Column::of(enterprise, id), length });
        }
        let least = |field: &Layout| match field.length {
            VARIABLE if version == 10 => 1,
            length => usize::from(length),
        };
        let shortest = fields.iter().map(least).sum();
        if shortest == 0 {
            return Err("describes records of no bytes, of which any set holds endlessly many");
        }
        let plan = if is_options { None } else { Plan::of(&fields) };
        Ok((Template { fields, shortest, is_options, plan }, at))
    }

    /// The fewest bytes of a record.
    pub(super) fn shortest(&self) -> usize {
        self.shortest
    }

    /// Whether its records are of the exporter rather than of flows.
    pub(super) fn is_options(&self) -> bool {
        self.is_options
    }

    /// A shorter way to its rows, where there is one.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Reads one record; how many bytes it took.
    pub(super) fn row(&self, bytes: &[u8]) -> Option<(Row, usize)> {
        let mut row = Row::default();
        let mut at = 0;
        for field in &self.fields {
            let length = match field.length {
                VARIABLE => {
                    let first = *bytes.get(at)?;
                    at += 1;
                    match first {
                        255 => {
                            let length = be16(bytes, at)?;
                            at += 2;
                            usize::from(length)
                        }
                        short => usize::from(short),
                    }
                }
                length => usize::from(length),
            };
            let value = bytes.get(at..at.checked_add(length)?)?;
            if let Some(column) = field.column {
                row.set(column, value);
            }
            at += length;
        }
        Some((row, at))
    }
}

/// What a record says of its flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) source: Option<Address>,
    pub(super) target: Option<Address>,
    pub(super) source_port: u16,
    pub(super) target_port: u16,
    pub(super) protocol: Option<u8>,
    pub(super) icmp_type: Option<u8>,
    pub(super) flags: Option<u8>,
    pub(super) packets: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) back_flags: Option<u8>,
    pub(super) back_packets: Option<u64>,
    pub(super) back_bytes: Option<u64>,
    /// When it began, in absolute time.
    pub(super) began: Option<Timestamp>,
    /// When it began, by the exporter's uptime in milliseconds.
    pub(super) first_uptime: Option<u32>,
    /// When the exporter started, in milliseconds since the epoch.
    pub(super) started: Option<i64>,
    /// Microseconds before the export.
    pub(super) before: Option<u32>,
    /// One packet in how many is looked at, as NetFlow's samplers say it.
    pub(super) interval: Option<u64>,
    /// The same as IPFIX says it: so many packets looked at, and so many after them not.
    pub(super) looked_at: Option<u64>,
    pub(super) passed_over: Option<u64>,
}

/// A number of at most eight bytes; fewer than the field has by definition are allowed (reduced size,
/// RFC 7011 section 6.2).
fn number(value: &[u8]) -> Option<u64> {
    (value.len() <= 8).then(|| value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn address(value: &[u8]) -> Option<Address> {
    match value.len() {
        4 => Some(Address::from(*value.first_chunk::<4>()?)),
        16 => Some(Address::from(*value.first_chunk::<16>()?)),
        _ => None,
    }
}

/// Seconds and a fraction of 2^32 since 1900.
pub(super) fn ntp(both: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(both >> 32).ok()? - NTP_TO_UNIX;
    let nanos = ((both & 0xffff_ffff) * 1_000_000_000) >> 32;
    Timestamp::from_parts(seconds, u32::try_from(nanos).ok()?)
}

pub(super) fn millis(value: u64) -> Option<Timestamp> {
    i64::try_from(value).ok()?.checked_mul(1_000_000).map(Timestamp)
}

pub(super) fn seconds(value: u64) -> Option<Timestamp> {
    Timestamp::from_seconds(i64::try_from(value).ok()?)
}

/// Flags that may come with those that newer standards have added.
pub(super) fn flags(value: u64) -> u8 {
    (value & 0xff) as u8
}

pub(super) fn port(value: Option<u64>) -> u16 {
    value.and_then(|number| u16::try_from(number).ok()).unwrap_or_default()
}

impl Row {
    fn set(&mut self, column: Column, value: &[u8]) {
        let number = number(value);
        match column {
            // An all-zero address of the other family stands beside the real one in some templates.
            Column::Source => set_address(&mut self.source, value),
            Column::Target => set_address(&mut self.target, value),
            Column::SourcePort => self.source_port = port(number),
            Column::TargetPort => self.target_port = port(number),
            Column::Protocol => self.protocol = number.and_then(|n| u8::try_from(n).ok()),
            Column::IcmpType => self.icmp_type = number.map(|kind| kind as u8),
            Column::IcmpBoth => self.icmp_type = number.map(|both| (both >> 8) as u8),
            Column::Flags => self.flags = number.map(flags),
            Column::Packets => self.packets = number,
            Column::Bytes => self.bytes = number,
            Column::BackFlags => self.back_flags = number.map(flags),
            Column::BackPackets => self.back_packets = number,
            Column::BackBytes => self.back_bytes = number,
            Column::Seconds => self.began = number.and_then(seconds),
            Column::Millis => self.began = number.and_then(millis),
            Column::Ntp => self.began = number.filter(|_| value.len() == 8).and_then(ntp),
            Column::FirstUptime => self.first_uptime = number.and_then(|n| u32::try_from(n).ok()),
            Column::Started => self.started = number.and_then(|n| i64::try_from(n).ok()),
            Column::Before => self.before = number.and_then(|n| u32::try_from(n).ok()),
            Column::Interval => {
                self.interval = number.filter(|number| *number > 0).or(self.interval);
            }
            Column::LookedAt => self.looked_at = number,
            Column::PassedOver => self.passed_over = number,
            Column::Population => {
                let looked_at = self.looked_at.unwrap_or(1);
                self.passed_over = number.map(|all| all.saturating_sub(looked_at));
            }
        }
    }

    /// One packet in how many the exporter looks at, where the record says so. An interval of 0 is a
    /// sampler that is not in use.
    pub(super) fn sampling(&self) -> Option<u64> {
        self.interval.or_else(|| {
            let looked_at = self.looked_at.filter(|looked_at| *looked_at > 0)?;
            Some(looked_at.saturating_add(self.passed_over?) / looked_at)
        })
    }

    /// When the exporter started, in milliseconds since the epoch, where the record says so.
    pub(super) fn started(&self) -> Option<i64> {
        self.started
    }

    /// Whether it tells time since its exporter's start alone.
    pub(super) fn needs_start(&self, export: &Export) -> bool {
        export.version != 9
            && self.began.is_none()
            && self.before.is_none()
            && self.started.is_none()
            && self.first_uptime.is_some()
    }

    /// The start that would put the record at the moment of its export.
    pub(super) fn start_by(&self, export: &Export) -> i64 {
        export.sent.0 / 1_000_000 - i64::from(self.first_uptime.unwrap_or_default())
    }

    /// When the flow began; `started` is when its exporter did, as far as that was told elsewhere.
    pub(super) fn start(&self, export: &Export, started: Option<i64>) -> Option<Timestamp> {
        if self.began.is_some() {
            return self.began;
        }
        if let Some(before) = self.before {
            return Some(export.sent.minus(Span(i64::from(before).saturating_mul(1000))));
        }
        let uptime = self.first_uptime?;
        match self.started.or(started) {
            Some(started) => {
                let at = |uptime: i64| {
                    started.checked_add(uptime)?.checked_mul(1_000_000).map(Timestamp)
                };
                // softflowd counts flows that it read before its start below zero: a flow cannot
                // have begun after it was exported.
                let began = at(i64::from(uptime))?;
                if began > export.sent.plus(CLOCK) {
                    at(i64::from(uptime as i32))
                } else {
                    Some(began)
                }
            }
            None if export.version == 9 => Some(export.at_uptime(uptime)),
            None => None,
        }
    }
}

fn set_address(known: &mut Option<Address>, value: &[u8]) {
    let told = address(value);
    if known.is_none_or(|known| known.is_unspecified()) {
        *known = told.or(*known);
    }
}
