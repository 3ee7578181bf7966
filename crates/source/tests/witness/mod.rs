//! What the tests share that hold decoders against other programs on the same files.

use std::fs;
use std::path::Path;

use lapwing_source::{Decoded, FORMATS};

/// All that the capture decoder makes of a file.
pub fn decode(path: &Path) -> Decoded {
    let bytes = fs::read(path).unwrap();
    let mut decoder = (FORMATS[0].decoder)();
    let mut out = Decoded::default();
    let done = decoder.decode(&bytes, &mut out);
    decoder.finish(&bytes[done..], &mut out);
    out
}

/// Two ends of a conversation in a fixed order: which of them began is judged, not recorded.
pub fn key(a: String, b: String) -> (String, String) {
    if a <= b { (a, b) } else { (b, a) }
}
