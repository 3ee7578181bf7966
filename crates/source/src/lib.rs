//! Bytes in, events out: one decoder per format; no files, no sockets, no threads.
//!
//! [`FORMATS`] lists every format once: its name, how its bytes are recognised and how its decoder
//! is made. The command line, the docs, the fuzz targets and coverage are all built from that one
//! slice. To add a format, write one module, add one row, and one folder to `corpus/formats`.

mod auditd;
mod capture;
mod cloud;
mod container;
mod decoder;
mod drill;
mod evtx;
mod firewall;
mod flow;
mod flow_table;
mod flow_text;
mod formats;
mod generations;
mod journal;
mod json;
mod lines;
mod macos;
mod netflow;
mod nfcapd;
mod ocsf;
mod osquery;
mod pieces;
mod plain;
mod question;
mod sflow;
mod suricata;
mod syslog;
mod unknown;
mod windows;
mod words;
mod zeek;

pub use decoder::{Companions, Decoded, Decoder, Diagnostic, Half, MAX_RECORD, Problem};
pub use drill::{DRILL_ORIGIN, DRILLS, Drill, DrillFormat};
pub use formats::{FORMATS, Format, SNIFF_BYTES, Sniffed, sniff};
pub use lines::{LineFormat, Lines, MAX_LINE};
pub use pieces::{Cut, Unfinished};
pub use unknown::describe_unknown;
