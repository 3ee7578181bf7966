//! One fuzz target for each row of the format table.
//!
//! A target is a plain function of bytes, so that any fuzzer can drive it: the test beside it does
//! with proptest on every run, by damaging the golden inputs of `corpus/formats`; a coverage-guided
//! one (cargo-fuzz, honggfuzz) needs three lines around [`target`]. What crashes becomes a case of
//! `corpus/formats`.

use lapwing_source::{Decoded, FORMATS, Format, SNIFF_BYTES, describe_unknown, sniff};

/// Feeds bytes to the sniffer, and to the decoder of a format in two ways: whole, and in pieces
/// whose sizes the bytes themselves choose. Panics where the two differ, or where the decoder takes
/// more than it was given.
pub fn target(format: &Format, bytes: &[u8]) {
    let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
    let _ = sniff(head);
    let _ = describe_unknown(head);
    let whole = decode(format, bytes, std::iter::repeat(bytes.len().max(1)));
    let pieces = bytes.iter().rev().map(|byte| usize::from(*byte) * 7 + 1).cycle();
    let parts = decode(format, bytes, pieces);
    assert_eq!(whole, parts, "{}: pieces change what is decoded", format.name);
}

/// Every format's name, for fuzzers that make one binary each.
pub fn formats() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter()
}

/// Events and troubles as text.
fn decode(format: &Format, bytes: &[u8], mut pieces: impl Iterator<Item = usize>) -> Vec<String> {
    let mut decoder = (format.decoder)();
    let mut out = Decoded::default();
    let (mut done, mut fed) = (0, 0);
    while fed < bytes.len() {
        let piece = pieces.next().unwrap_or(1);
        fed = (fed + piece).min(bytes.len());
        let taken = decoder.decode(&bytes[done..fed], &mut out);
        assert!(taken <= fed - done, "{}: took more than it was given", format.name);
        done += taken;
    }
    decoder.finish(&bytes[done..], &mut out);
    let events = out.events.iter().map(ToString::to_string);
    let said = out.diagnostics().map(|said| format!("{said:?}"));
    events.chain(said).collect()
}
