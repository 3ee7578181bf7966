//! Datagrams one after another in a file, which no format announces: each tells its own length, or
//! ends where its sets do.

use lapwing_event::Address;

use super::{Collector, Export, Length, V9_HEADER, be16, measure};
use crate::{Decoded, Decoder, MAX_RECORD, Problem};

/// Datagrams one after another in a file.
#[derive(Default)]
pub(super) struct Datagrams {
    collector: Collector,
    offset: u64,
    /// A datagram's end could not be told: nothing after it can be read.
    lost: bool,
}

impl Datagrams {
    /// The length of the datagram that the bytes begin with; `None` where they hold less.
    fn whole(bytes: &[u8], last: bool) -> Option<Result<usize, ()>> {
        match measure(bytes) {
            Length::Known(length) if bytes.len() >= length => Some(Ok(length)),
            Length::Known(_) | Length::Cut => None,
            Length::None => Some(Err(())),
            Length::Open => {
                let mut at = V9_HEADER;
                loop {
                    match (be16(bytes, at), be16(bytes, at + 2)) {
                        // Another datagram's version, which is no set's number.
                        (Some(5 | 9 | 10), _) => return Some(Ok(at)),
                        (Some(0 | 1 | 256..), Some(length)) if length >= 4 => {
                            let next = at + usize::from(length);
                            if next > bytes.len() {
                                return last.then_some(Ok(bytes.len()));
                            }
                            at = next;
                        }
                        (None, _) | (_, None) => {
                            return (last && at == bytes.len()).then_some(Ok(at));
                        }
                        _ => return Some(if at > V9_HEADER { Ok(at) } else { Err(()) }),
                    }
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8], last: bool, out: &mut Decoded) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            if self.lost {
                done = bytes.len();
                break;
            }
            match Datagrams::whole(&bytes[done..], last) {
                None => break,
                Some(Ok(length)) => {
                    let export = Export::new(Address::UNSPECIFIED, self.offset + done as u64);
                    self.collector.datagram(&bytes[done..done + length], export, out);
                    done += length;
                }
                Some(Err(())) => {
                    let at = self.offset + done as u64;
                    out.note(Problem::Malformed, "no datagram", at, || {
                        "expected NetFlow v5, v9 or IPFIX; the rest is not read".to_string()
                    });
                    self.lost = true;
                }
            }
        }
        self.offset += done as u64;
        done
    }
}

impl Decoder for Datagrams {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        let done = self.take(bytes, false, out);
        if done == 0 && bytes.len() >= MAX_RECORD { self.take(bytes, true, out) } else { done }
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        let done = self.take(rest, true, out);
        if done < rest.len() {
            out.note(Problem::Torn, "datagram cut off", self.offset, || {
                format!("found its first {} bytes", rest.len() - done)
            });
        }
        self.collector.finish(out);
    }
}
