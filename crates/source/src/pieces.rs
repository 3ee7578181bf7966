//! Where an input may be cut, so that each piece can be decoded by itself, and what pieces leave to be
//! put together.

use crate::Decoded;
use crate::windows::Scripts;

/// Finds the first place at which an input may be cut: told the input's first bytes, and bytes of it that
/// lie `at` bytes into it, gives how far behind their start it is; `None` where there is none among them.
///
/// Nothing that a decoder keeps of the bytes before such a place changes what comes of those behind it, but
/// for what it leaves [unfinished](Unfinished).
pub type Cut = fn(head: &[u8], at: u64, bytes: &[u8]) -> Option<usize>;

/// How many bytes of text one piece leaves at most: a script whose first parts lie in the piece before,
/// and those that are still being written at its end, of at most 256 KiB each.
const MAX_UNFINISHED: usize = 1 << 20;

/// What a piece of an input holds that others may complete: scripts of which it has some parts.
#[derive(Default)]
pub struct Unfinished {
    scripts: Scripts,
}

impl Unfinished {
    /// Leaves these scripts; those that were begun first are given out as they are where it is too much.
    pub(crate) fn of(mut scripts: Scripts, out: &mut Decoded) -> Unfinished {
        scripts.shed(MAX_UNFINISHED, out);
        Unfinished { scripts }
    }

    /// Takes what the next piece of the same input leaves, and gives out what is whole by that.
    pub fn follow(&mut self, next: Unfinished, out: &mut Decoded) {
        self.scripts.follow(next.scripts, out);
    }

    /// Ends the input: gives out what none of its pieces completed.
    pub fn end(mut self, out: &mut Decoded) {
        self.scripts.end(out);
    }
}

/// Before a line: behind the first line's end.
pub(crate) fn before_line(_: &[u8], _: u64, bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|end| end + 1)
}

/// Before an object that begins a line, and cannot lie within another: an object that is not over by then was
/// cut off, as [`crate::json::Objects`] takes it.
pub(crate) fn before_object(_: &[u8], _: u64, bytes: &[u8]) -> Option<usize> {
    let stands_alone = |end: &usize| {
        let before = || bytes[..*end].trim_ascii_end().last();
        bytes.get(end + 1) == Some(&b'{') && before().is_some_and(|byte| !b"[,:".contains(byte))
    };
    memchr::memchr_iter(b'\n', bytes).find(stands_alone).map(|end| end + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)] // tests
mod tests {
    use lapwing_event::Event;
    use proptest::prelude::*;

    use super::*;
    use crate::{FORMATS, Format};

    fn row(name: &str) -> &'static Format {
        FORMATS.iter().find(|row| row.name == name).unwrap()
    }

    /// What comes of an input that is cut at these places, ascending: its events in their order, records, and
    /// what was noted.
    fn decoded(name: &str, bytes: &[u8], places: &[usize]) -> (Vec<Event>, u64, Vec<String>) {
        let mut all = Decoded::default();
        let mut unfinished = Unfinished::default();
        let starts = [0].into_iter().chain(places.iter().copied());
        for (start, end) in starts.zip(places.iter().copied().chain([bytes.len()])) {
            let mut decoder = (row(name).decoder)();
            decoder.begins_at(start as u64);
            let piece = &bytes[start..end];
            let done = decoder.decode(piece, &mut all);
            let left = decoder.leave(&piece[done..], end == bytes.len(), &mut all);
            unfinished.follow(left, &mut all);
        }
        unfinished.end(&mut all);
        let noted = all.diagnostics().map(|said| format!("{said:?}")).collect();
        let mut events = std::mem::take(&mut all.events);
        events.sort_by_key(|event| (event.time, event.record.offset));
        (events, all.records, noted)
    }

    /// Every place at which an input may be cut.
    fn places(name: &str, bytes: &[u8]) -> Vec<usize> {
        let cut = (row(name).decoder)().cut().unwrap();
        let mut places: Vec<usize> = (0..bytes.len())
            .filter_map(|at| Some(at + cut(bytes, at as u64, &bytes[at..])?))
            .filter(|place| *place < bytes.len())
            .collect();
        places.dedup();
        places
    }

    /// The formats whose inputs may be cut, each with its inputs in the corpus.
    fn inputs() -> Vec<(&'static str, Vec<u8>)> {
        let formats = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/formats");
        let mut inputs = Vec::new();
        for row in FORMATS.iter().filter(|row| (row.decoder)().cut().is_some()) {
            for case in std::fs::read_dir(format!("{formats}/{}", row.name)).unwrap() {
                let files = std::fs::read_dir(case.unwrap().path()).unwrap();
                let mut paths = files.map(|file| file.unwrap().path());
                let input = paths.find(|path| path.file_stem().is_some_and(|s| s == "input"));
                inputs.push((row.name, std::fs::read(input.unwrap()).unwrap()));
            }
        }
        inputs
    }

    #[test]
    fn pieces_of_every_input_give_what_the_whole_gives() {
        let mut cut = 0;
        for (name, bytes) in inputs() {
            if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0x1f, 0x8b]) {
                continue;
            }
            let whole = decoded(name, &bytes, &[]);
            let places = places(name, &bytes);
            cut += places.len();
            assert_eq!(decoded(name, &bytes, &places), whole, "{name}, at all of {places:?}");
            for place in places.iter().step_by(1 + places.len() / 16) {
                assert_eq!(decoded(name, &bytes, &[*place]), whole, "{name}, at {place}");
            }
        }
        assert!(cut > 200, "only {cut} places");
    }

    #[test]
    fn a_script_is_put_together_of_parts_in_several_pieces() {
        let part = |second: u32, id: &str, number: u32, total: u32, text: &str| {
            format!(
                "{{\"Event\":{{\"System\":{{\"Provider\":{{\"#attributes\":{{\"Name\":\"Microsoft-Windows-PowerShell\"}}}},\"EventID\":4104,\"TimeCreated\":{{\"#attributes\":{{\"SystemTime\":\"2026-01-01T00:00:{second:02}Z\"}}}},\"Execution\":{{\"#attributes\":{{\"ProcessID\":7}}}},\"Computer\":\"pc\"}},\"EventData\":{{\"MessageNumber\":{number},\"MessageTotal\":{total},\"ScriptBlockId\":\"{id}\",\"ScriptBlockText\":\"{text}\"}}}}}}\n"
            )
        };
        let lines = [
            part(1, "a", 1, 3, "Test-"),
            part(2, "b", 2, 2, "late"),
            part(3, "a", 3, 3, " x"),
            part(4, "c", 1, 2, "early"),
            part(5, "a", 2, 3, "NetConnection"),
        ];
        let bytes = lines.concat().into_bytes();
        let whole = decoded("windows-json", &bytes, &[]);
        let places = places("windows-json", &bytes);
        assert_eq!((whole.0.len(), places.len()), (3, 4), "{whole:?}");
        assert!(format!("{:?}", whole.0[0]).contains("Test-NetConnection x"), "{whole:?}");
        assert!(whole.2[0].contains("parts are missing"), "{:?}", whole.2);
        for few in 0..1_u32 << places.len() {
            let some = (0..places.len()).filter(|bit| few >> bit & 1 == 1);
            let some: Vec<usize> = some.map(|bit| places[bit]).collect();
            assert_eq!(decoded("windows-json", &bytes, &some), whole, "at {some:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_of_what_is_broken_give_what_the_whole_gives(
            parts in proptest::collection::vec(0_usize..12, 0..40),
        ) {
            let texts = [
                "{\"ts\":1.5,\"id.orig_h\":\"10.0.0.1\",\"id.resp_h\":\"10.0.0.2\",\"id.resp_p\":22,\"proto\":\"tcp\",\"conn_state\":\"S0\"}",
                "{\"event_type\":\"flow\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"src_ip\":\"10.0.0.1\",\"dest_ip\":\"10.0.0.2\",\"proto\":\"TCP\"}",
                "\n", "\r\n", "{", "}", "\"", "\\", ",", "[", "{\"a\":\n{\"b\":1}}", "x",
            ];
            let text: String = parts.iter().map(|part| texts[*part]).collect();
            for name in ["zeek-json", "suricata-eve", "windows-json", "tetragon"] {
                let bytes = text.as_bytes();
                let whole = decoded(name, bytes, &[]);
                let places = places(name, bytes);
                prop_assert_eq!(decoded(name, bytes, &places), whole, "{} at {:?}", name, places);
            }
        }
    }
}
