//! NetFlow v5, v9 and IPFIX as exporters send them: in captures of the export stream, and as raw
//! datagrams in a file.
//!
//! Templates belong to an exporter, its observation domain and their version; they come before or
//! after the data that needs them, and may be defined anew. Data without a template waits for it,
//! within bounds, and is counted where none comes.
//!
//! <https://www.cisco.com/c/en/us/td/docs/net_mgmt/netflow_collection_engine/3-6/user/guide/format.html>
//! (v5), RFC 3954 (v9), RFC 7011 and RFC 5103 (IPFIX, biflows).

mod datagrams;
mod fields;
mod plan;
#[cfg(test)]
mod tests;
mod v5;

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use lapwing_event::{Address, LogSource, Protocol, Record, Span, Timestamp};

use self::datagrams::Datagrams;
use self::fields::{Row, Template};
use self::plan::{Plan, Window};
use crate::flow::{Conversation, Direction, OneWay, Pairing, event};
use crate::{Decoded, Decoder, Problem};

/// Templates that are remembered over all exporters; more are let go and counted.
const MAX_TEMPLATES: usize = 4096;

/// Sets of data that wait for their template, and their bytes: an exporter repeats its templates
/// within minutes.
const MAX_WAITING: usize = 256;
const MAX_WAITING_BYTES: usize = 4 << 20;

/// Records that wait for their exporter's start: some minutes of a busy one.
const MAX_UNSTARTED: usize = 65_536;

/// Bytes of the headers of a v9 and of an IPFIX datagram.
const V9_HEADER: usize = 20;
const IPFIX_HEADER: usize = 16;

/// Whether the input begins with a datagram.
pub(crate) fn recognises(head: &[u8]) -> bool {
    matches!(measure(head), Length::Known(_) | Length::Open)
}

/// A decoder of datagrams one after another.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Datagrams::default())
}

/// How long a datagram is, by its own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// So many bytes.
    Known(usize),
    /// Version 9 does not say: it ends where its sets do.
    Open,
    /// The header is cut.
    Cut,
    /// It is no datagram.
    None,
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn measure(bytes: &[u8]) -> Length {
    let (Some(version), Some(second)) = (be16(bytes, 0), be16(bytes, 2)) else {
        return Length::Cut;
    };
    let second = usize::from(second);
    match version {
        5 => v5::length(second).map_or(Length::None, Length::Known),
        9 if (1..=1000).contains(&second) => match be16(bytes, V9_HEADER) {
            // Its first set is one of templates, of options, or of data.
            Some(0 | 1 | 256..) => Length::Open,
            Some(_) => Length::None,
            None => Length::Cut,
        },
        10 if second >= IPFIX_HEADER => Length::Known(second),
        _ => Length::None,
    }
}

/// Whether a UDP payload is one whole datagram: its own lengths must fill it, so that other traffic is
/// not taken for an export.
pub(crate) fn is_datagram(payload: &[u8]) -> bool {
    match measure(payload) {
        Length::Known(length) => {
            length == payload.len()
                && (be16(payload, 0) != Some(10) || sets_fill(payload, IPFIX_HEADER))
        }
        Length::Open => sets_fill(payload, V9_HEADER),
        Length::Cut | Length::None => false,
    }
}

fn sets_fill(payload: &[u8], mut at: usize) -> bool {
    while at < payload.len() {
        match (be16(payload, at), be16(payload, at + 2)) {
            (Some(0..=3 | 256..), Some(length)) if length >= 4 => at += usize::from(length),
            _ => return false,
        }
    }
    at == payload.len()
}

/// What is known of exporters.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    templates: HashMap<Key, Arc<Template>, RandomState>,
    waiting: Vec<(Key, Vec<u8>, Export)>,
    waiting_bytes: usize,
    /// When exporters started, in milliseconds since the epoch, as their options say.
    started: HashMap<(Address, u32), i64, RandomState>,
    /// Records that tell time by that, and wait for it.
    unstarted: Vec<(Row, Export)>,
    /// Exporters that look at one packet in many, by their domain, and in how many.
    sampling: HashMap<(Address, u32), u64, RandomState>,
    pairing: Pairing,
    sampled: Sampled,
}

/// Pairs the flows of exporters that sample.
#[derive(Debug)]
struct Sampled(Pairing);

impl Default for Sampled {
    fn default() -> Sampled {
        Sampled(Pairing::of_sample())
    }
}

/// A template's name: exporter, observation domain, version, number.
type Key = (Address, u32, u16, u16);

/// What is known of an exporter's domain.
#[derive(Clone, Copy, Debug)]
struct Exporter {
    /// When it started, in milliseconds since the epoch.
    started: Option<i64>,
    samples: bool,
}

/// One datagram's circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Export {
    pub(crate) exporter: Address,
    /// Where the datagram lies in the input.
    pub(crate) record: Record,
    version: u16,
    domain: u32,
    /// When it was sent, by the exporter's clock.
    sent: Timestamp,
    /// The exporter's time since it started, in milliseconds, at that moment (v5 and v9).
    uptime: u32,
}

impl Export {
    /// A datagram of this exporter that lies there.
    pub(crate) fn new(exporter: Address, offset: u64) -> Export {
        Export {
            exporter,
            record: Record { offset, ..Record::default() },
            version: 0,
            domain: 0,
            sent: Timestamp(0),
            uptime: 0,
        }
    }

    /// A moment of the exporter's own clock, in milliseconds since it started: at most about 25 days
    /// before the datagram, since the counter wraps after 49.7 days.
    fn at_uptime(&self, uptime: u32) -> Timestamp {
        let back = self.uptime.wrapping_sub(uptime) as i32;
        self.sent.minus(Span::millis(i64::from(back)))
    }
}

impl Collector {
    /// Takes one whole datagram.
    pub(crate) fn datagram(&mut self, bytes: &[u8], export: Export, out: &mut Decoded) {
        let seconds = |at: usize| be32(bytes, at).map(i64::from).and_then(Timestamp::from_seconds);
        let header = match be16(bytes, 0) {
            Some(5) => seconds(8).zip(be32(bytes, 4)).zip(Some(0)),
            Some(9) => seconds(8).zip(be32(bytes, 4)).zip(be32(bytes, 16)),
            Some(10) => seconds(4).zip(Some(0)).zip(be32(bytes, 12)),
            _ => None,
        };
        let (Some(version), Some(((sent, uptime), domain))) = (be16(bytes, 0), header) else {
            let key = "export header broken";
            return out.note(Problem::Malformed, key, export.record.offset, String::new);
        };
        let export = Export { version, domain, sent, uptime, ..export };
        match version {
            5 => self.v5(bytes, &export, out),
            9 => self.sets(&bytes[V9_HEADER..], &export, out),
            _ => self.sets(&bytes[IPFIX_HEADER..], &export, out),
        }
    }

    /// Learns in how many packets an exporter looks at one; 0 says that a sampler is not in use.
    fn note_sampling(&mut self, interval: u64, export: &Export, out: &mut Decoded) {
        let key = (export.exporter, export.domain);
        match interval {
            0 => {}
            1 => {
                self.sampling.remove(&key);
            }
            _ if self.sampling.len() >= MAX_TEMPLATES && !self.sampling.contains_key(&key) => {}
            _ => {
                if self.sampling.insert(key, interval) != Some(interval) {
                    out.note(Problem::Note, "exporters that sample", export.record.offset, || {
                        format!("one packet in {interval} is looked at: flows are a lower bound")
                    });
                }
            }
        }
    }

    /// Pairs a flow with its other direction, apart from those of exporters that see all packets.
    fn push(&mut self, sampled: bool, one: OneWay, out: &mut Decoded) {
        match sampled {
            true => self.sampled.0.push(LogSource::SampledFlow, one, out),
            false => self.pairing.push(LogSource::NetFlow, one, out),
        }
    }

    /// The sets of a v9 or IPFIX datagram, or of a part of one.
    fn sets(&mut self, mut bytes: &[u8], export: &Export, out: &mut Decoded) {
        while bytes.len() >= 4 {
            let id = be16(bytes, 0).unwrap_or_default();
            let length = usize::from(be16(bytes, 2).unwrap_or_default());
            let Some(body) = bytes.get(4..length) else {
                return out.note(
                    Problem::Malformed,
                    "set of a wrong length",
                    export.record.offset,
                    || format!("expected 4 to {} bytes, found {length}", bytes.len()),
                );
            };
            self.set(id, body, export, out);
            bytes = &bytes[length..];
        }
    }

    fn set(&mut self, id: u16, body: &[u8], export: &Export, out: &mut Decoded) {
        match (export.version, id) {
            (9, 0) | (10, 2) => self.define(body, export, out),
            // Options tell of the exporter: sampling, interfaces, when it started.
            (9, 1) | (10, 3) => self.define_options(body, export, out),
            (_, 256..) => {
                let key = (export.exporter, export.domain, export.version, id);
                match self.templates.get(&key).cloned() {
                    Some(template) => self.data(&template, body, export, out),
                    None => self.wait(key, body, export, out),
                }
            }
            _ => out.note(
                Problem::Unsupported,
                "sets of an unknown kind",
                export.record.offset,
                || format!("expected 0 to 3, or 256 and above, found {id}"),
            ),
        }
    }

    fn define(&mut self, mut body: &[u8], export: &Export, out: &mut Decoded) {
        while body.len() >= 4 {
            let id = be16(body, 0).unwrap_or_default();
            let count = usize::from(be16(body, 2).unwrap_or_default());
            let key = (export.exporter, export.domain, export.version, id);
            if count == 0 {
                // A withdrawal (RFC 7011 section 8.1), or padding.
                self.templates.remove(&key);
                body = &body[4..];
                continue;
            }
            let (template, used) = match Template::read(&body[4..], count, export.version) {
                Ok(read) => read,
                Err(why) => {
                    return out.note(
                        Problem::Malformed,
                        "template broken",
                        export.record.offset,
                        || why.to_string(),
                    );
                }
            };
            body = &body[4 + used..];
            if self.templates.len() >= MAX_TEMPLATES && !self.templates.contains_key(&key) {
                out.note(Problem::Shed, "templates beyond the bound", export.record.offset, || {
                    format!("at most {MAX_TEMPLATES} are remembered")
                });
                continue;
            }
            let template = Arc::new(template);
            self.templates.insert(key, Arc::clone(&template));
            let waiting = std::mem::take(&mut self.waiting);
            for (wanted, bytes, of) in waiting {
                if wanted == key {
                    self.waiting_bytes -= bytes.len();
                    self.data(&template, &bytes, &of, out);
                } else {
                    self.waiting.push((wanted, bytes, of));
                }
            }
        }
    }

    /// An options template: as others, but that IPFIX gives the number of its scope fields behind that
    /// of all (RFC 7011 section 3.4.2.2), and version 9 the bytes of both kinds of fields (RFC 3954
    /// section 6.1).
    fn define_options(&mut self, body: &[u8], export: &Export, out: &mut Decoded) {
        let (Some(id), Some(first), Some(second)) = (be16(body, 0), be16(body, 2), be16(body, 4))
        else {
            return;
        };
        let count = match export.version {
            9 => (first / 4).saturating_add(second / 4),
            _ => first,
        };
        let fields = body.get(6..).unwrap_or_default();
        let known = self.templates.len() < MAX_TEMPLATES;
        match Template::read(fields, usize::from(count), export.version) {
            Ok((template, _)) if known && count > 0 => {
                let key = (export.exporter, export.domain, export.version, id);
                self.templates.insert(key, Arc::new(template));
            }
            Ok(_) => {}
            Err(why) => {
                out.note(Problem::Malformed, "template broken", export.record.offset, || {
                    why.to_string()
                });
            }
        }
    }

    /// Learns when an exporter started, and takes the records that waited for it.
    fn note_start(&mut self, row: &Row, export: &Export, out: &mut Decoded) {
        let Some(started) = row.started() else { return };
        if self.started.len() < MAX_TEMPLATES {
            self.started.insert((export.exporter, export.domain), started);
        }
        for (row, of) in std::mem::take(&mut self.unstarted) {
            self.row(&row, &of, out);
        }
    }

    fn wait(&mut self, key: Key, body: &[u8], export: &Export, out: &mut Decoded) {
        let full = self.waiting.len() >= MAX_WAITING
            || self.waiting_bytes + body.len() > MAX_WAITING_BYTES;
        if full {
            return self.unknown(export, key, out);
        }
        self.waiting_bytes += body.len();
        self.waiting.push((key, body.to_vec(), *export));
    }

    fn unknown(&self, export: &Export, key: Key, out: &mut Decoded) {
        out.note(
            Problem::Unsupported,
            "flows without their template",
            export.record.offset,
            || format!("template {} of domain {} did not come; capture for longer", key.3, key.1),
        );
    }

    fn data(&mut self, template: &Template, body: &[u8], export: &Export, out: &mut Decoded) {
        if let Some(plan) = template.plan() {
            return self.planned(plan, body, export, out);
        }
        let mut rest = body;
        while rest.len() >= template.shortest() {
            let Some((row, used)) = template.row(rest) else {
                return out.note(
                    Problem::Malformed,
                    "flow record cut",
                    export.record.offset,
                    String::new,
                );
            };
            rest = &rest[used..];
            if let Some(interval) = row.sampling() {
                self.note_sampling(interval, export, out);
            }
            if template.is_options() {
                self.note_start(&row, export, out);
                continue;
            }
            out.records += 1;
            self.row(&row, export, out);
        }
    }

    /// Flows whose records say nothing of their exporter, so that what is known of it holds for all.
    fn planned(&mut self, plan: &Plan, body: &[u8], export: &Export, out: &mut Decoded) {
        let exporter = self.exporter(export);
        let mut rest = body;
        let mut last: Window;
        while rest.len() >= plan.length() {
            let window = match rest.first_chunk() {
                Some(window) => window,
                // The last records of a set have less behind them.
                None => {
                    last = plan::padded(rest);
                    &last
                }
            };
            out.records += 1;
            self.flow(&plan.row(window), exporter, export, out);
            rest = &rest[plan.length()..];
        }
    }

    #[inline(never)]
    fn row(&mut self, row: &Row, export: &Export, out: &mut Decoded) {
        self.flow(row, self.exporter(export), export, out);
    }

    fn exporter(&self, export: &Export) -> Exporter {
        let key = (export.exporter, export.domain);
        Exporter {
            started: self.started.get(&key).copied(),
            samples: self.sampling.contains_key(&key),
        }
    }

    // Within the loop over planned records a row is never put into memory.
    #[inline(always)]
    fn flow(&mut self, row: &Row, exporter: Exporter, export: &Export, out: &mut Decoded) {
        let (Some(source), Some(target), Some(number)) = (row.source, row.target, row.protocol)
        else {
            let key = "records that are no flows";
            return out.note_times(Problem::Note, key, export.record.offset, 1);
        };
        let started = exporter.started;
        if row.needs_start(export) && started.is_none() && self.unstarted.len() < MAX_UNSTARTED {
            self.unstarted.push((*row, *export));
            return;
        }
        // Without any the export's own time is the closest that is known.
        let start = row.start(export, started).unwrap_or(export.sent);
        let protocol = Protocol::from_number(number);
        let tcp = protocol == Protocol::Tcp;
        let flow = Conversation {
            source,
            target,
            source_port: row.source_port,
            target_port: row.target_port,
            protocol,
            icmp_type: row.icmp_type.unwrap_or((row.target_port >> 8) as u8),
            there: Direction {
                flags: row.flags.filter(|_| tcp),
                packets: row.packets,
                bytes: row.bytes.unwrap_or_default(),
            },
            back: Direction {
                flags: row.back_flags.filter(|_| tcp),
                packets: row.back_packets,
                bytes: row.back_bytes.unwrap_or_default(),
            },
            turned: false,
            refused: false,
        };
        if row.back_packets.is_none() {
            let one = OneWay { start, flow, record: export.record };
            return self.push(exporter.samples, one, out);
        }
        // A biflow holds both directions, and its source began (RFC 5103).
        if let Some(network) = flow.network() {
            out.events.push(event(LogSource::NetFlow, start, export.record, network));
        }
    }

    /// Gives out what waits for its other direction, and says what found no template.
    pub(crate) fn finish(&mut self, out: &mut Decoded) {
        for (key, _, export) in std::mem::take(&mut self.waiting) {
            self.unknown(&export, key, out);
        }
        for (row, export) in std::mem::take(&mut self.unstarted) {
            let key = "flows timed by their export, since their exporter's start is not told";
            out.note_times(Problem::Note, key, export.record.offset, 1);
            self.started.insert((export.exporter, export.domain), row.start_by(&export));
            self.row(&row, &export, out);
        }
        self.pairing.finish(LogSource::NetFlow, out);
        self.sampled.0.finish(LogSource::SampledFlow, out);
    }
}
