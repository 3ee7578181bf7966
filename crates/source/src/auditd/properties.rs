//! What holds of the decoder whatever the bytes, their order and their pieces.

use proptest::prelude::*;

use super::Auditd;
use super::tests::{connect, decode, events, syscall, v4};
use crate::lines::Lines;
use crate::{Decoded, Decoder};

/// Launches and attempts of one process by turns, two records each, for the properties.
fn sample() -> Vec<String> {
    let mut lines = Vec::new();
    for serial in (100..160).step_by(2) {
        let millis = serial * 40;
        let exec = syscall(millis, serial, 44, "59 success=yes exit=0 a0=1")
            + &format!(
                "type=EXECVE msg=audit({}.{:03}:{serial}): argc=1 a0=\"a{serial}\"\n",
                millis / 1000,
                millis % 1000
            );
        let serial = serial + 1;
        let attempt = connect(millis, serial, 5, -111, &v4((serial - 100) as u8, 22));
        lines.extend(exec.lines().chain(attempt.lines()).map(String::from));
    }
    lines
}

fn sorted(mut events: Vec<String>) -> Vec<String> {
    events.sort();
    events
}

proptest! {
    #[test]
    fn lines_within_five_may_swap(swaps in prop::collection::vec((0usize..116, 1usize..5), 0..60)) {
        let mut lines = sample();
        let expected = sorted(decode(lines.join("\n")).0);
        // No line moves twice, so that each stays within five places of its own.
        let mut moved = vec![false; lines.len()];
        for (at, by) in swaps {
            if at + by < lines.len() && !moved[at] && !moved[at + by] {
                lines.swap(at, at + by);
                moved[at] = true;
                moved[at + by] = true;
            }
        }
        let (events, notes) = decode(lines.join("\n"));
        prop_assert_eq!(sorted(events), expected);
        prop_assert!(notes.is_empty());
    }

    #[test]
    fn what_is_complete_before_a_cut_is_not_changed_by_it(part in 0.0..1.0f64) {
        let text = sample().join("\n") + "\n";
        let cut = (text.len() as f64 * part) as usize;
        let whole = decode(&text).0;
        let (events, _) = decode(&text[..cut]);
        // The event that the cut goes through is the last one.
        let complete = text[..cut].lines().count().saturating_sub(1) / 2;
        prop_assert!(events.len() >= complete);
        prop_assert_eq!(&events[..complete], &whole[..complete]);
    }

    #[test]
    fn pieces_do_not_matter(pieces in prop::collection::vec(1usize..300, 1..20)) {
        let text = sample().join("\r\n");
        let mut out = Decoded::default();
        let mut lines = Lines::new(Auditd::new());
        let (mut given, mut done) = (0, 0);
        for piece in pieces.iter().cycle() {
            given = (given + piece).min(text.len());
            done += lines.decode(&text.as_bytes()[done..given], &mut out);
            if given == text.len() {
                break;
            }
        }
        lines.finish(&text.as_bytes()[done..], &mut out);
        prop_assert_eq!(events(&out), decode(&text).0);
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        decode(&bytes);
    }

    #[test]
    fn no_damage_to_a_log_brings_it_down(
        hits in prop::collection::vec((0.0..1.0f64, any::<u8>()), 0..200),
    ) {
        let mut bytes = sample().join("\n").into_bytes();
        for (at, byte) in hits {
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] = byte;
        }
        let (events, _) = decode(&bytes);
        prop_assert!(events.len() <= 2 * 60);
    }
}
