//! Packet captures: pcap and pcapng files to attempts.
//!
//! Rooms, each of which knows only its own: `file` (`classic`, `ng`) finds the packets in a file,
//! `link`, `ip`, `tunnel` and `packet` take one packet apart, `tracker` follows what became of each
//! attempt.

mod bytes;
mod classic;
mod discovery;
mod dns;
mod file;
mod ip;
mod left;
mod link;
mod maker;
mod ng;
mod packet;
mod pflog;
mod sampled;
mod tracker;
mod tunnel;

#[cfg(test)]
mod tests;

use self::file::{File, Frame, Step};
use self::maker::Makers;
use self::packet::{Message, Taken, dissect};
use self::tracker::{Moment, Tracker};
use crate::netflow::{self, Collector, Export};
use crate::sflow::{self, Samples};
use crate::{Decoded, Decoder, Problem};

pub(crate) use self::sampled::sampled;

/// Whether an input begins as a classic pcap file does.
pub(crate) fn is_pcap(head: &[u8]) -> bool {
    bytes::be32(head, 0).is_some_and(classic::is_magic)
}

/// Whether an input begins as a pcapng file does.
pub(crate) fn is_pcapng(head: &[u8]) -> bool {
    bytes::be32(head, 0) == Some(ng::SECTION_HEADER)
        && matches!(bytes::be32(head, 8), Some(0x1a2b_3c4d | 0x4d3c_2b1a))
}

/// A decoder of either, at the start of a capture.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Capture {
        file: File::Start,
        tracker: Tracker::new(),
        makers: Makers::default(),
        collector: Collector::default(),
        samples: Samples::default(),
        offset: 0,
    })
}

/// Decodes pcap and pcapng captures into the attempts that their packets make.
#[derive(Debug)]
struct Capture {
    file: File,
    tracker: Tracker,
    makers: Makers,
    /// Takes the flows that a capture of an export stream holds.
    collector: Collector,
    /// Takes the packets that a capture of a sampler's stream holds.
    samples: Samples,
    /// Bytes consumed so far.
    offset: u64,
}

impl Capture {
    fn steps(&mut self, bytes: &[u8], last: bool, out: &mut Decoded) -> usize {
        let mut done = 0;
        loop {
            let rest = bytes.get(done..).unwrap_or_default();
            let used = match self.file.step(rest, self.offset, last, out) {
                Step::More => return done,
                Step::Skip(used) => used,
                Step::Packet(frame, used) => {
                    out.records += 1;
                    self.frame(&frame, out);
                    used
                }
            };
            done += used;
            self.offset += used as u64;
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut Decoded) {
        let Some(time) = frame.time else {
            let (problem, key) = if frame.timed {
                (Problem::Malformed, "packets with an impossible time")
            } else {
                (Problem::Unsupported, "packets without a time")
            };
            out.note(problem, key, self.offset, || {
                "attempts are judged by when they were made; not used".to_string()
            });
            return;
        };
        let moment = Moment { time, offset: self.offset };
        if frame.link == pflog::LINK {
            match pflog::event(moment, frame.data) {
                Ok(event) => out.events.push(event),
                Err(left) => out.note(left.problem(), left.key(), self.offset, || left.detail()),
            }
            return;
        }
        match dissect(frame.link, frame.data) {
            Ok(taken) => {
                self.tracker.packet(moment, &taken.packet, out);
                if let Some(maker) = taken.maker {
                    self.makers.note(moment, taken.packet.source, maker, out);
                }
                if !taken.payload.is_empty() {
                    self.datagram(moment, &taken, out);
                }
            }
            Err(left) => {
                self.tracker.tick(time, out);
                out.note(left.problem(), left.key(), self.offset, || left.detail());
            }
        }
    }
}

impl Capture {
    /// Takes what a UDP datagram carries: questions of DNS, or flows or samples that are exported.
    fn datagram(&mut self, moment: Moment, taken: &Taken<'_>, out: &mut Decoded) {
        let Taken { packet, payload, .. } = *taken;
        let Message::Datagram(datagram) = packet.message else { return };
        if dns::is_asked(datagram.target_port) {
            let source = (packet.source, datagram.source_port);
            let target = (packet.target, datagram.target_port);
            out.events.extend(dns::questions(moment, source, target, payload));
        } else if netflow::is_datagram(payload) {
            let export = Export::new(packet.source, self.offset);
            self.collector.datagram(payload, export, out);
        } else if sflow::is_datagram(payload) {
            self.samples.datagram(payload, moment.time, self.offset, out);
        }
    }
}

impl Decoder for Capture {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        self.steps(bytes, false, out)
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        let done = self.steps(rest, true, out);
        let left = rest.len() - done;
        if left > 0 {
            out.note(Problem::Torn, "capture ends inside a record", self.offset, || {
                format!("expected a whole record, found its first {left} bytes; copy the file anew")
            });
        }
        self.tracker.finish(out);
        self.collector.finish(out);
        self.samples.finish(out);
    }
}
