//! Which entries of a file are read, and what is set right in them before they become text.
//!
//! The crate names the types of entries nowhere, so they are met here as fields of what it does name.

use std::collections::BTreeSet;

use macos_unifiedlogs::unified_log::{LogData, UnifiedLogCatalogData};

use crate::{Decoded, Problem};

/// The subsystem that mDNSResponder writes under, as does no other program.
const SUBSYSTEM: &[u8] = b"com.apple.mDNSResponder\0";

/// An entry that is a message, and no activity, signpost or loss.
const MESSAGE: u8 = 0x4;

/// A number that stands behind its type.
const NUMBERS: [u8; 2] = [0x00, 0x02];

/// What stands for a masked value: a hash of it.
const MASK: u8 = 0xf2;

/// Values that macOS 15 and later keep hidden in a form of their own.
const HIDDEN: [u8; 2] = [0x81, 0xf1];

/// What the crate says of an argument that an entry lacks.
const MISSING: &str = "<Missing message data>";

/// The processes whose entries are read, by the numbers that a catalog gives them.
#[derive(Debug, Default)]
pub(super) struct Writers(BTreeSet<(u64, u32)>);

impl Writers {
    /// Those that write as mDNSResponder.
    pub(super) fn of(listed: &UnifiedLogCatalogData) -> Writers {
        let catalog = &listed.catalog;
        let writes = |offset: u16| {
            let name = catalog.catalog_subsystem_strings.get(usize::from(offset)..);
            name.is_some_and(|name| name.starts_with(SUBSYSTEM))
        };
        let writers = catalog.catalog_process_info_entries.values().filter(|process| {
            process.subsystem_entries.iter().any(|entry| writes(entry.subsystem_offset))
        });
        Writers(
            writers
                .map(|process| (process.first_number_proc_id, process.second_number_proc_id))
                .collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them wrote a chunk, whose data begin with the numbers of whoever did.
    pub(super) fn wrote(&self, data: &[u8]) -> bool {
        let numbers = || {
            let (first, rest) = data.split_first_chunk()?;
            Some((u64::from_le_bytes(*first), u32::from_le_bytes(*rest.first_chunk()?)))
        };
        numbers().is_some_and(|numbers| self.0.contains(&numbers))
    }
}

/// Reads the chunks of a file of chunk sets; `None` where the crate cannot.
pub(super) fn read(file: &[u8]) -> Option<UnifiedLogCatalogData> {
    let (_, mut read) = LogData::parse_unified_log(file, "").ok()?;
    read.catalog_data.pop()
}

/// Puts the messages that these processes wrote behind those that wait, in whose place each is told of:
/// that of its chunk set, counted on so that each has its own.
pub(super) fn wait(
    read: UnifiedLogCatalogData,
    writers: &Writers,
    at: u64,
    waiting: &mut UnifiedLogCatalogData,
    places: &mut Vec<u64>,
    out: &mut Decoded,
) {
    let mut place = at;
    for mut chunk in read.firehose {
        if !writers.0.contains(&(chunk.first_number_proc_id, chunk.second_number_proc_id)) {
            out.note_times(Problem::Note, "chunks of other processes", at, 1);
            continue;
        }
        let all = chunk.public_data.len();
        chunk.public_data.retain(|entry| {
            let told = &entry.firehose_non_activity;
            let library = told.firehose_formatters.shared_cache
                || told.firehose_formatters.large_shared_cache != 0;
            // Requests are told of by the program itself (uds_daemon.c), and briefly: neither in the words
            // of a shared library nor with arguments so long that they lie in a chunk of their own.
            entry.log_activity_type == MESSAGE && !library && told.data_ref_value == 0
        });
        let passed = all - chunk.public_data.len();
        out.records += passed as u64;
        out.note_times(Problem::Note, "events not used", at, passed as u64);
        for entry in &mut chunk.public_data {
            for item in &mut entry.message.item_info {
                let text = &mut item.message_strings;
                if NUMBERS.contains(&item.item_type) && item.item_type_size == 4 {
                    // The crate takes all for signed, and prints a hash as it would a negative number.
                    if let Some(number) = text.parse().ok().filter(|number: &i64| *number < 0) {
                        *text = (number & 0xffff_ffff).to_string();
                    }
                } else if item.item_type == MASK && !text.is_empty() {
                    *text = format!("<mask.hash: '{text}'>");
                } else if HIDDEN.contains(&item.item_type) || item.item_type == MASK {
                    *text = "<private>".to_string();
                }
            }
            // The crate looks behind the last argument where that is the length of one that is missing.
            for _ in 0..2 {
                entry.message.item_info.push(Default::default());
                if let Some(item) = entry.message.item_info.last_mut() {
                    item.item_type = 0x22;
                    item.message_strings = MISSING.to_string();
                }
            }
            places.push(place);
            place += 1;
        }
        waiting.firehose.push(chunk);
    }
}
