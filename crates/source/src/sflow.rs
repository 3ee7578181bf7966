//! sFlow version 5: packets that switches sampled, in captures of the export stream.
//!
//! A sample is the head of one packet in many, so that silence says nothing: what is known of an
//! outcome is what a sampled answer says. Datagrams state no time but their sender's uptime; the time
//! of a capture is theirs. A file of datagrams alone has none, and is told of as that.
//!
//! <https://sflow.org/sflow_version_5.txt>

use lapwing_event::{LogSource, Protocol, Record, Timestamp};

use crate::capture;
use crate::flow::{Conversation, Direction, OneWay, Pairing};
use crate::{Decoded, Decoder, MAX_RECORD, Problem};

/// The most samples and records that a datagram is looked through for: one of 9,000 bytes holds some
/// dozens.
const MAX_SAMPLES: u32 = 512;
const MAX_RECORDS: u32 = 64;

/// Sample formats of sFlow.org (enterprise 0): a flow sample, and the one with 32-bit interface numbers.
const FLOW_SAMPLE: u32 = 1;
const EXPANDED_FLOW_SAMPLE: u32 = 3;

/// Record formats within them: the head of a packet, and its IPv4 or IPv6 fields.
const RAW_HEADER: u32 = 1;
const IPV4: u32 = 3;
const IPV6: u32 = 4;

/// Protocols of a raw head, as link types of captures.
const ETHERNET: u32 = 1;
const RAW_IP: u32 = 101;

/// Big-endian words one after another, as XDR (RFC 4506) writes them.
#[derive(Clone, Copy)]
struct Words<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Words<'b> {
    fn word(&mut self) -> Option<u32> {
        let word = u32::from_be_bytes(*self.bytes.get(self.at..)?.first_chunk()?);
        self.at += 4;
        Some(word)
    }

    fn skip(&mut self, words: usize) -> Option<()> {
        self.at = self.at.checked_add(words.checked_mul(4)?)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    /// The next bytes, which are padded to whole words.
    fn opaque(&mut self, length: usize) -> Option<Words<'b>> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length.checked_next_multiple_of(4)?.min(self.bytes.len() - self.at);
        Some(Words { bytes, at: 0 })
    }
}

/// Whether a UDP payload is a datagram whose samples fill it.
pub(crate) fn is_datagram(payload: &[u8]) -> bool {
    length(payload).is_some_and(|length| length == payload.len())
}

/// Whether the input begins with a datagram.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let mut words = Words { bytes: head, at: 0 };
    start(&mut words).is_some_and(|samples| (1..=MAX_SAMPLES).contains(&samples))
        && words.word().is_some_and(|format| format >> 12 != 0 || (1..=5).contains(&format))
}

/// A decoder of datagrams one after another in a file, which have no time.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Datagrams { offset: 0 })
}

/// Reads a datagram's header; how many samples follow.
fn start(words: &mut Words<'_>) -> Option<u32> {
    (words.word()? == 5).then_some(())?;
    // The agent's address, IPv4 or IPv6.
    match words.word()? {
        1 => words.skip(1)?,
        2 => words.skip(4)?,
        _ => return None,
    }
    // Sub-agent, sequence, uptime.
    words.skip(3)?;
    words.word()
}

/// How long the datagram is that the bytes begin with; `None` where they hold less or none.
fn length(bytes: &[u8]) -> Option<usize> {
    let mut words = Words { bytes, at: 0 };
    let samples = start(&mut words).filter(|samples| *samples <= MAX_SAMPLES)?;
    for _ in 0..samples {
        words.word()?;
        let length = words.word()? as usize;
        words.opaque(length)?;
    }
    Some(words.at)
}

/// Gathers what samples tell.
#[derive(Debug)]
pub(crate) struct Samples {
    pairing: Pairing,
}

impl Default for Samples {
    fn default() -> Samples {
        Samples { pairing: Pairing::of_sample() }
    }
}

impl Samples {
    /// Takes a datagram that was received at this time.
    pub(crate) fn datagram(
        &mut self,
        payload: &[u8],
        time: Timestamp,
        offset: u64,
        out: &mut Decoded,
    ) {
        let mut words = Words { bytes: payload, at: 0 };
        let samples = start(&mut words).unwrap_or_default().min(MAX_SAMPLES);
        for _ in 0..samples {
            let (Some(format), Some(length)) = (words.word(), words.word()) else { return };
            let Some(sample) = words.opaque(length as usize) else { return };
            let flows = match format {
                FLOW_SAMPLE => flows(sample, 7),
                EXPANDED_FLOW_SAMPLE => flows(sample, 10),
                // Counters, and what makers add.
                _ => None,
            };
            out.records += u64::from(flows.is_some());
            for (at, flow) in flows.unwrap_or_default().into_iter().enumerate() {
                let record =
                    Record { offset: offset + (words.at + at) as u64, ..Record::default() };
                let one = OneWay { start: time, flow, record };
                self.pairing.push(LogSource::SFlow, one, out);
            }
        }
    }

    /// Gives out what is still held.
    pub(crate) fn finish(&mut self, out: &mut Decoded) {
        self.pairing.finish(LogSource::SFlow, out);
    }
}

/// What a flow sample tells, after the words of its own header and before its number of records.
fn flows(mut sample: Words<'_>, header: usize) -> Option<Vec<Conversation>> {
    sample.skip(header)?;
    let records = sample.word()?.min(MAX_RECORDS);
    let mut found = Vec::new();
    for _ in 0..records {
        let (format, length) = (sample.word()?, sample.word()? as usize);
        let mut record = sample.opaque(length)?;
        let flow = match format {
            RAW_HEADER => raw(&mut record),
            IPV4 => fields(&mut record, 1),
            IPV6 => fields(&mut record, 4),
            _ => None,
        };
        // A packet's head tells all; its fields beside it tell the same again.
        if found.is_empty() {
            found.extend(flow);
        }
    }
    Some(found)
}

/// The head of a packet: its protocol, its whole length, bytes stripped, and the head's length.
fn raw(record: &mut Words<'_>) -> Option<Conversation> {
    let protocol = record.word()?;
    let whole = record.word()?;
    record.skip(1)?;
    let length = record.word()? as usize;
    let head = record.opaque(length)?;
    let link = match protocol {
        1 => ETHERNET,
        11 | 12 => RAW_IP,
        _ => return None,
    };
    let mut flow = capture::sampled(link, head.bytes)?;
    flow.there.bytes = u64::from(whole);
    Some(flow)
}

/// A packet's fields, with addresses of so many words.
fn fields(record: &mut Words<'_>, address: usize) -> Option<Conversation> {
    let length = record.word()?;
    let protocol = Protocol::from_number(u8::try_from(record.word()?).ok()?);
    let mut side = || -> Option<lapwing_event::Address> {
        let bytes = record.bytes.get(record.at..record.at + 4 * address)?;
        record.at += 4 * address;
        match bytes.first_chunk::<16>() {
            Some(octets) => Some((*octets).into()),
            None => bytes.first_chunk::<4>().map(|octets| (*octets).into()),
        }
    };
    let (source, target) = (side()?, side()?);
    let (source_port, target_port) = (record.word()? as u16, record.word()? as u16);
    let flags = record.word()? as u8;
    Some(Conversation {
        source,
        target,
        source_port,
        target_port,
        protocol,
        // The type of an ICMP message is not among the fields.
        icmp_type: 0,
        there: Direction {
            flags: (protocol == Protocol::Tcp).then_some(flags & 0x3f),
            packets: Some(1),
            bytes: u64::from(length),
        },
        back: Direction::default(),
        turned: false,
        refused: false,
    })
}

/// Datagrams one after another in a file.
struct Datagrams {
    offset: u64,
}

impl Datagrams {
    fn take(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        while let Some(length) = length(&bytes[done..]).filter(|length| *length > 0) {
            out.records += 1;
            let at = self.offset + done as u64;
            out.note(Problem::Unsupported, "sFlow datagrams without a time", at, || {
                "a datagram states its sender's uptime alone; capture the export stream as pcap"
                    .to_string()
            });
            done += length;
        }
        self.offset += done as u64;
        done
    }
}

impl Decoder for Datagrams {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        match self.take(bytes, out) {
            0 if bytes.len() >= MAX_RECORD => {
                out.note(Problem::Malformed, "no sFlow datagram", self.offset, String::new);
                self.offset += bytes.len() as u64;
                bytes.len()
            }
            done => done,
        }
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        let done = self.take(rest, out);
        if done < rest.len() {
            out.note(Problem::Torn, "datagram cut off", self.offset, || {
                format!("found its first {} bytes", rest.len() - done)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A datagram of an IPv4 agent with these samples.
    fn datagram(samples: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = words(&[5, 1, 0x0a00_00fe, 0, 1, 5000, samples.len() as u32]);
        for (format, body) in samples {
            bytes.extend(words(&[*format, body.len() as u32]));
            bytes.extend(body);
        }
        bytes
    }

    /// A flow sample with one record; an expanded one names its interfaces in two words each.
    fn sample(expanded: bool, format: u32, record: &[u8]) -> (u32, Vec<u8>) {
        let header: &[u32] = if expanded {
            &[1, 0, 3, 1000, 1000, 0, 0, 3, 0, 4, 1]
        } else {
            &[1, 3, 1000, 1000, 0, 3, 4, 1]
        };
        let mut body = words(header);
        body.extend(words(&[format, record.len() as u32]));
        body.extend(record);
        body.resize(body.len().next_multiple_of(4), 0);
        (if expanded { 3 } else { 1 }, body)
    }

    /// The head of an Ethernet frame that holds a packet, as a record.
    fn head(protocol: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        frame.extend(protocol.to_be_bytes());
        frame.extend(packet);
        let mut record = words(&[1, frame.len() as u32 + 4, 4, frame.len() as u32]);
        record.extend(&frame);
        record.resize(record.len().next_multiple_of(4), 0);
        record
    }

    fn syn(number: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let length = (20 + payload.len() as u16).to_be_bytes();
        let head = [0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, number, 0, 0];
        [&head[..], &from, &to, payload].concat()
    }

    const SEGMENT: [u8; 20] =
        [0x9c, 0x40, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0];

    fn told(bytes: &[u8]) -> Vec<String> {
        let mut samples = Samples::default();
        let mut out = Decoded::default();
        assert!(is_datagram(bytes));
        samples.datagram(bytes, Timestamp(1_000_000_000), 0, &mut out);
        samples.finish(&mut out);
        out.events
            .iter()
            .map(|event| event.to_string().split(" network ").nth(1).unwrap_or("").to_string())
            .collect()
    }

    #[test]
    fn samples_of_each_form_tell_the_same() {
        let packet = syn(6, [10, 0, 0, 9], [10, 0, 0, 1], &SEGMENT);
        let fields = words(&[60, 6, 0x0a00_0009, 0x0a00_0001, 40_000, 22, 2, 0]);
        let expected = ["tcp 10.0.0.9|40000 -> 10.0.0.1|22 unknown by=tcp-syn"];
        for expanded in [false, true] {
            assert_eq!(
                told(&datagram(&[sample(expanded, RAW_HEADER, &head(0x0800, &packet))])),
                expected
            );
            assert_eq!(told(&datagram(&[sample(expanded, IPV4, &fields)])), expected);
        }
        // Tags, and a tunnel, around the packet that is sampled.
        let tagged = [&[0, 5, 0x81, 0, 0, 6, 8, 0][..], &packet].concat();
        assert_eq!(told(&datagram(&[sample(false, RAW_HEADER, &head(0x88a8, &tagged))])), expected);
        let tunnel = syn(4, [192, 0, 2, 1], [192, 0, 2, 2], &packet);
        assert_eq!(told(&datagram(&[sample(false, RAW_HEADER, &head(0x0800, &tunnel))])), expected);
    }

    #[test]
    fn counters_and_what_makers_add_are_passed() {
        let packet = syn(6, [10, 0, 0, 9], [10, 0, 0, 1], &SEGMENT);
        let counters = (2, words(&[1, 3, 0]));
        let maker = (0x0012_3001, words(&[1, 2, 3]));
        let all = datagram(&[counters, maker, sample(false, RAW_HEADER, &head(0x0800, &packet))]);
        assert_eq!(told(&all).len(), 1);
        assert!(!is_datagram(&all[..all.len() - 4]), "its samples do not fill it");
        let mut other = all.clone();
        other[3] = 4;
        assert!(!is_datagram(&other), "another version");
    }

    #[test]
    fn an_ipv6_agent_and_its_fields_are_read() {
        let mut bytes = words(&[5, 2, 0xfd00_0000, 0, 0, 1, 0, 1, 5000, 1]);
        let mut record = words(&[60, 17]);
        record.extend(words(&[0xfd77_0000, 0, 0, 9, 0xfd77_0000, 0, 0, 1]));
        record.extend(words(&[40_000, 161, 0, 0]));
        let (format, body) = sample(false, IPV6, &record);
        bytes.extend(words(&[format, body.len() as u32]));
        bytes.extend(body);
        assert_eq!(told(&bytes), ["udp fd77::9|40000 -> fd77::1|161 unknown by=udp"]);
    }

    #[test]
    fn a_file_of_datagrams_has_no_time_and_says_so() {
        let packet = syn(6, [10, 0, 0, 9], [10, 0, 0, 1], &SEGMENT);
        let one = datagram(&[sample(false, RAW_HEADER, &head(0x0800, &packet))]);
        let bytes = [one.clone(), one.clone()].concat();
        assert!(recognises(&bytes));
        let mut out = Decoded::default();
        decoder().finish(&bytes[..bytes.len() - 5], &mut out);
        assert!(out.events.is_empty());
        let told: Vec<_> = out.diagnostics().map(|d| (d.key, d.count)).collect();
        assert!(told.contains(&("sFlow datagrams without a time", 1)));
        assert!(told.contains(&("datagram cut off", 1)));
    }
}
