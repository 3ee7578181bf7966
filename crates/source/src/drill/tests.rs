use std::collections::BTreeSet;

use super::*;
use crate::{Decoded, FORMATS, Sniffed, sniff};

/// Every drill, by format and analytic.
fn all() -> Vec<(&'static DrillFormat, &'static str, Vec<u8>)> {
    let at = Timestamp(1_772_442_847_551_000_000);
    let drill = Drill { at, origin: DRILL_ORIGIN.into() };
    let each = |format: &'static DrillFormat| {
        format
            .analytics
            .iter()
            .map(move |analytic| (format, *analytic, format.write(analytic, &drill)))
    };
    DRILLS.iter().flat_map(each).collect()
}

#[test]
fn every_drill_is_told_for_what_it_is_and_read_without_a_complaint() {
    for (format, analytic, bytes) in all() {
        let Sniffed::Format(told) = sniff(&bytes) else { unreachable!("{}: unknown", format.name) };
        assert_eq!(told.name, format.name);
        let mut decoder = (told.decoder)();
        let mut out = Decoded::default();
        let done = decoder.decode(&bytes, &mut out);
        decoder.finish(&bytes[done..], &mut out);
        let most = if analytic == "AN1059" { TYPES } else { PORTS.len() };
        assert!(out.events.len() >= most, "{}: {} events", format.name, out.events.len());
        let complaints: Vec<_> =
            out.take_diagnostics().into_iter().filter(|said| said.problem.loses_data()).collect();
        assert!(complaints.is_empty(), "{}: {complaints:?}", format.name);
    }
}

#[test]
fn names_are_those_of_formats() {
    let known: BTreeSet<&str> = FORMATS.iter().map(|format| format.name).collect();
    for format in DRILLS {
        assert!(known.contains(format.name), "{}", format.name);
    }
}

#[test]
fn times_are_written_to_the_digit() {
    let time = Timestamp(1_772_442_847_051_000_000);
    assert_eq!(decimal(time, 6), "1772442847.051000");
    assert_eq!(day_and_clock(time, 3), "2026-03-02 09:14:07.051");
    assert_eq!(day_and_clock(Timestamp(0), 6), "1970-01-01 00:00:00.000000");
}
