//! macOS' unified log as it lies on disk: tracev3 files, for what mDNSResponder says of who browses for
//! which services.
//!
//! A file is a sequence of chunks: a header, which names the boot; catalogs, which list processes; and
//! compressed sets of what those processes wrote. An entry holds no text and no time of day: what its
//! arguments are put into lies in the program's uuidtext file, and what its clock means in the timesync
//! files ([`Companions`]). Without them it is counted and nothing is made up.
//!
//! The `macos-unifiedlogs` crate reads catalogs, entries and texts. What it is given is picked and
//! measured here first: only what mDNSResponder wrote, so that a file is read many times as fast, and
//! nothing that says of itself to be larger than logd makes it, since the crate takes each size for true.
//!
//! <https://github.com/libyal/dtformats/blob/main/documentation/Apple%20Unified%20Logging%20and%20Activity%20Tracing%20formats.asciidoc>

mod chunks;
mod entries;
mod strings;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lapwing_event::Timestamp;
use macos_unifiedlogs::parser::build_log;
use macos_unifiedlogs::timesync::TimesyncBoot;
use macos_unifiedlogs::unified_log::{LogData, UnifiedLogData};

use self::chunks::{CATALOG, CHUNK_SET, Chunk, HEADER};
use self::entries::Writers;
use self::strings::Strings;
use super::unified_log::Messages;
use crate::{Companions, Decoded, Decoder, Problem};

/// The largest catalog, in bytes: its own offsets are of 16 bits, and what follows the last of them takes
/// no more again than a few times that.
const MAX_CATALOG: usize = 1 << 20;

/// How many catalogs may have entries that wait.
const MAX_CATALOGS: usize = 16;

/// How many entries are turned into text at once. Each takes about a kilobyte; the pattern that finds
/// arguments in texts is made anew each time.
const BATCH: usize = 4096;

/// What to do where a companion is missing.
const ADVICE: &str = "collect /var/db/diagnostics and /var/db/uuidtext whole, side by side, or on a Mac \
    print what is read with log show --archive NAME.logarchive --info --style ndjson";

/// What the crate's text begins with where it found none.
const NO_TEXT: [&str; 4] = [
    "Failed to get string message",
    "Error: Invalid ",
    "Unknown shared string",
    "Could not extract",
];

/// Whether the input begins with a header chunk.
pub(crate) fn recognises(head: &[u8]) -> bool {
    head.starts_with(b"\x00\x10\x00\x00\x11\x00\x00\x00")
}

/// A decoder of chunks.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(TraceV3::default())
}

#[derive(Default)]
struct TraceV3 {
    /// Bytes done with since the input began.
    at: u64,
    /// Padding that is still to come.
    padding: usize,
    /// No chunk begins where one should: nothing behind it can be told.
    lost: bool,
    /// The last header, the last catalogs, and in them the entries that wait to be told of.
    data: UnifiedLogData,
    /// Where each of those that wait lies.
    places: Vec<u64>,
    /// Of the last catalog.
    writers: Writers,
    strings: Strings,
    clocks: HashMap<String, TimesyncBoot>,
    messages: Messages,
}

impl Decoder for TraceV3 {
    fn beside(&mut self, companions: Arc<dyn Companions>) {
        self.clocks = strings::clocks(companions.as_ref());
        self.strings = Strings::new(companions);
    }

    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let mut done = 0;
        while !self.lost {
            let padding = self.padding.min(bytes.len() - done);
            done += padding;
            self.padding -= padding;
            let rest = &bytes[done..];
            let at = self.at + done as u64;
            let Some(chunk) = Chunk::begins(rest) else { break };
            let Some(length) = chunk.length() else {
                out.note(Problem::Malformed, "no record found", at, || {
                    format!(
                        "expected a chunk, found one of {} bytes; the rest is not read",
                        chunk.size
                    )
                });
                self.lost = true;
                break;
            };
            let Some(whole) = rest.get(..length) else { break };
            self.chunk(chunk.tag, whole, at, out);
            done += length;
            self.padding = length.next_multiple_of(8) - length;
        }
        if self.lost {
            done = bytes.len();
        }
        self.at += done as u64;
        done
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        let rest = &rest[self.padding.min(rest.len())..];
        if !self.lost && !rest.is_empty() {
            out.note(Problem::Torn, "input ends inside a record", self.at, String::new);
        }
        self.tell(out);
        self.messages.finish(out);
    }
}

impl TraceV3 {
    fn chunk(&mut self, tag: u32, bytes: &[u8], at: u64, out: &mut Decoded) {
        match tag {
            HEADER => {
                self.tell(out);
                self.header(bytes, at, out);
            }
            CATALOG => self.catalog(bytes, at, out),
            CHUNK_SET => self.chunk_set(bytes, at, out),
            _ => out.note_times(Problem::Note, "chunks not used", at, 1),
        }
    }

    fn header(&mut self, bytes: &[u8], at: u64, out: &mut Decoded) {
        let read = guarded(|| LogData::parse_unified_log(bytes, "").ok());
        self.data.header = read.map(|(_, read)| read.header).unwrap_or_default();
        if self.data.header.is_empty() {
            out.note(Problem::Malformed, "header broken", at, || {
                "its boot is not known".to_string()
            });
        }
    }

    fn catalog(&mut self, bytes: &[u8], at: u64, out: &mut Decoded) {
        let fits = bytes.len() <= MAX_CATALOG;
        let read = guarded(|| fits.then(|| entries::read(bytes))?);
        if read.is_none() {
            out.note(Problem::Malformed, "catalog broken", at, || {
                "what lies behind it, up to the next, is not read".to_string()
            });
        }
        self.writers = read.as_ref().map(Writers::of).unwrap_or_default();
        let catalogs = &mut self.data.catalog_data;
        catalogs.pop_if(|last| last.firehose.is_empty());
        if catalogs.len() >= MAX_CATALOGS {
            self.tell(out);
        }
        self.data.catalog_data.extend(read);
    }

    fn chunk_set(&mut self, bytes: &[u8], at: u64, out: &mut Decoded) {
        let Some(catalog) = self.data.catalog_data.last_mut().filter(|_| !self.writers.is_empty())
        else {
            return out.note_times(Problem::Note, "chunk sets not used", at, 1);
        };
        let picked = match chunks::pick(bytes, &self.writers) {
            Ok(picked) => picked,
            Err(what) => return broken(at, what, out),
        };
        out.note_times(Problem::Note, "chunks of other processes", at, picked.passed);
        let Some(read) = guarded(|| entries::read(&picked.file)) else {
            return broken(at, "what is in it", out);
        };
        if read.firehose.len() < picked.wanted {
            broken(at, "a chunk in it", out);
        }
        entries::wait(read, &self.writers, at, catalog, &mut self.places, out);
        if self.places.len() >= BATCH {
            self.tell(out);
        }
    }

    /// Turns the entries that wait into messages and those into events, in the order of their times:
    /// what one thread wrote lies together.
    fn tell(&mut self, out: &mut Decoded) {
        let places = std::mem::take(&mut self.places);
        let Some(first) = places.first().copied() else { return };
        let count = places.len() as u64;
        out.records += count;
        let boot = self.data.header.first().map(|header| header.boot_uuid.as_str());
        let clock = boot.and_then(|boot| self.clocks.get(boot));
        let logs = match clock.filter(|clock| !clock.timesync.is_empty()) {
            Some(_) => {
                let (data, strings, clocks) = (&self.data, &self.strings, &self.clocks);
                guarded(|| Some(build_log(data, strings, strings, clocks, false).0))
            }
            None => {
                let key = "messages whose time is not known";
                let boot = boot.unwrap_or("that no header names");
                let said = || format!("no timesync file tells of boot {boot}: {ADVICE}");
                out.note_count(Problem::Unsupported, key, first, count, said);
                Some(Vec::new())
            }
        };
        let mut last = self.data.catalog_data.pop();
        self.data.catalog_data.clear();
        last.iter_mut().for_each(|last| last.firehose.clear());
        self.data.catalog_data.extend(last);
        let Some(logs) = logs else {
            let key = "messages that cannot be put together";
            return out.note_times(Problem::Malformed, key, first, count);
        };
        let mut told: Vec<(Option<Timestamp>, u64, LogData)> = Vec::with_capacity(logs.len());
        for (log, place) in logs.into_iter().zip(places) {
            if NO_TEXT.iter().any(|none| log.raw_message.starts_with(none)) {
                out.note(Problem::Unsupported, "messages whose text is not known", place, || {
                    format!("{}: {ADVICE}", log.raw_message)
                });
                continue;
            }
            told.push((time(log.time), place, log));
        }
        told.sort_by_key(|(time, place, _)| (*time, *place));
        for (time, place, log) in told {
            let by = if log.subsystem.is_empty() { &log.process } else { &log.subsystem };
            self.messages.message(by, &log.message, time, place, out);
        }
    }
}

/// The crate's time, in microseconds as `log show` prints it: today its floats are 256 ns apart.
fn time(nanoseconds: f64) -> Option<Timestamp> {
    let microseconds = (nanoseconds / 1e3).round() as i64;
    microseconds.checked_mul(1000).filter(|time| *time > 0).map(Timestamp)
}

fn broken(at: u64, what: &str, out: &mut Decoded) {
    out.note(Problem::Malformed, "chunk set broken", at, || format!("{what} cannot be read"));
}

/// Runs what hands bytes to the crate; `None` where it panics. It adds and indexes what files hold in
/// places without asking whether it fits (a string's offset, a private part's size), and a file may hold
/// anything.
fn guarded<T>(read: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_default()
}
