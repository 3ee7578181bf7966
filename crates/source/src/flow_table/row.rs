//! One row of a table of flows.

use lapwing_event::{Address, Protocol, Timestamp};

use super::{FIELDS, Field, Layout, MAX_COLUMNS};
use crate::flow::{Conversation, Direction};
use crate::flow_text::{letters, protocol};
use crate::plain::{self, Cells};
use crate::zeek;

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) start: Timestamp,
    /// Whether the time named its zone.
    pub(super) zoned: bool,
    source: Address,
    target: Address,
    source_port: u16,
    target_port: u16,
    protocol: Protocol,
    /// What Zeek says of the connection.
    pub(super) state: Option<&'static str>,
    flags: Option<u8>,
    packets: Option<u64>,
    packets_back: Option<u64>,
    bytes: Option<u64>,
    bytes_back: Option<u64>,
    refused: bool,
}

impl Values {
    /// Those of a row in which no cell is quoted, or of more than its value; `None` where they may be, or
    /// something does not fit: [`Values::of`] must be asked then, which says the same of any row.
    pub(super) fn plain(line: &[u8], layout: &Layout) -> Option<Values> {
        let mut cells = Cells::new(line, layout.separator);
        let (mut started, mut source, mut target, mut named) = (None, None, None, None);
        let (mut state, mut flags, mut refused) = (None, None, false);
        let mut numbers = [None; FIELDS];
        for column in &layout.columns {
            let Some(field) = *column else {
                unquoted(&mut cells)?;
                continue;
            };
            match field {
                Field::Time => started = Some(time_of(&mut cells)?),
                Field::Source => source = Some(address_of(&mut cells)?),
                Field::Target => target = Some(address_of(&mut cells)?),
                Field::Protocol => named = protocol(unquoted(&mut cells)?),
                Field::State => state = trimmed(unquoted(&mut cells)?).and_then(zeek::conn_state),
                Field::Flags => flags = trimmed(unquoted(&mut cells)?).and_then(letters),
                Field::Action => refused = is_refusal(unquoted(&mut cells)?),
                number => numbers[number as usize] = number_of(&mut cells)?,
            }
        }
        let number = |field: Field| numbers[field as usize];
        let port = |field: Field| u16::try_from(number(field).unwrap_or_default()).ok();
        let (start, zoned) = started?;
        Some(Values {
            start,
            zoned,
            source: source?,
            target: target?,
            source_port: port(Field::SourcePort)?,
            target_port: port(Field::TargetPort)?,
            protocol: named?,
            state,
            flags,
            packets: number(Field::Packets),
            packets_back: number(Field::PacketsBack),
            bytes: number(Field::Bytes),
            bytes_back: number(Field::BytesBack),
            refused,
        })
    }

    /// Those of a row.
    ///
    /// # Errors
    /// The column that does not fit.
    pub(super) fn of(row: &Row<'_>) -> Result<Values, &'static str> {
        let (start, zoned) = row.text(Field::Time).and_then(time).ok_or("time")?;
        let protocol = row.get(Field::Protocol).and_then(protocol).ok_or("protocol")?;
        let target_port = row.port(Field::TargetPort, "target port")?;
        let source_port = row.port(Field::SourcePort, "source port")?;
        Ok(Values {
            start,
            zoned,
            source: row.address(Field::Source, "source address")?,
            target: row.address(Field::Target, "target address")?,
            source_port,
            target_port,
            protocol,
            state: row.get(Field::State).and_then(zeek::conn_state),
            flags: row.get(Field::Flags).and_then(letters),
            packets: row.number(Field::Packets),
            packets_back: row.number(Field::PacketsBack),
            bytes: row.number(Field::Bytes),
            bytes_back: row.number(Field::BytesBack),
            refused: is_refusal(row.0[Field::Action as usize]),
        })
    }

    /// The conversation that it tells of.
    pub(super) fn conversation(&self) -> Conversation {
        let Values { source_port, target_port, protocol, bytes_back, .. } = *self;
        // Without the packets the bytes tell whether anything came back.
        let packets_back = self.packets_back.or(bytes_back.map(|bytes| u64::from(bytes > 0)));
        Conversation {
            source: self.source,
            target: self.target,
            source_port,
            target_port,
            protocol,
            // NetFlow's way, type times 256 plus code, or Zeek's, the type in the source port.
            icmp_type: if target_port > 255 { (target_port >> 8) as u8 } else { source_port as u8 },
            there: Direction {
                flags: self.flags.filter(|_| protocol == Protocol::Tcp),
                packets: self.packets,
                bytes: self.bytes.unwrap_or_default(),
            },
            back: Direction {
                flags: None,
                packets: packets_back,
                bytes: bytes_back.unwrap_or_default(),
            },
            turned: false,
            refused: self.refused,
        }
    }
}

/// The next cell, where it is not quoted.
#[inline]
fn unquoted<'l>(cells: &mut Cells<'l>) -> Option<&'l [u8]> {
    cells.any().filter(|cell| cell.first() != Some(&b'"'))
}

/// The next cell's time, and whether it named its zone.
#[inline]
fn time_of(cells: &mut Cells<'_>) -> Option<(Timestamp, bool)> {
    match cells.whole(plain::leading_seconds) {
        Some(time) => Some((time, true)),
        None => time(std::str::from_utf8(trimmed(unquoted(cells)?)?).ok()?),
    }
}

// Large as it looks, it is of two cells in every row.
#[inline(always)]
fn address_of(cells: &mut Cells<'_>) -> Option<Address> {
    match cells.whole(plain::leading_dotted) {
        None => other_address(unquoted(cells)?),
        dotted => dotted,
    }
}

#[inline(never)]
fn other_address(cell: &[u8]) -> Option<Address> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// The next cell's number, where it has any.
#[inline]
fn number_of(cells: &mut Cells<'_>) -> Option<Option<u64>> {
    match cells.whole(plain::leading_number) {
        None => trimmed(unquoted(cells)?).is_none().then_some(None),
        number => Some(number),
    }
}

/// Whether a cell holds the action of a policy that lets nothing pass.
fn is_refusal(cell: &[u8]) -> bool {
    let action = std::str::from_utf8(cell).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    ["den", "drop", "block", "reject", "refus"].iter().any(|word| action.starts_with(word))
}

/// A time, and whether it named its zone: since the epoch in seconds, milliseconds, microseconds or
/// nanoseconds, told apart by their size (1e11 seconds lie in the year 5138), or as a date with a clock.
fn time(text: &str) -> Option<(Timestamp, bool)> {
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    if whole == text.len() {
        let number: i64 = text.parse().ok()?;
        // The largest unit in which the number is a moment of these centuries.
        let units = [(11, 1_000_000_000), (14, 1_000_000), (17, 1_000)];
        let unit = units.iter().find(|(digits, _)| number < 10_i64.pow(*digits));
        let unit = unit.map_or(1, |(_, unit)| *unit);
        return Some((Timestamp(number.checked_mul(unit)?), true));
    }
    if text.as_bytes().get(whole) == Some(&b'.')
        && let Some(time) = Timestamp::parse_decimal_seconds(text)
    {
        return Some((time, true));
    }
    // Year first: what begins with a day or a month cannot be told from its opposite.
    let (day, clock) = text.split_once(['T', ' '])?;
    let text = format!("{}T{clock}", day.replace('/', "-"));
    match Timestamp::parse_rfc3339(&text) {
        Some(time) => Some((time, true)),
        None => Some((Timestamp::parse_rfc3339(&format!("{text}Z"))?, false)),
    }
}

/// The cells of a line; a cell in quotes may hold the separator (RFC 4180).
pub(super) fn cells(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        if let Some(quoted) = line.strip_prefix(b"\"")
            && let Some(end) = closing_quote(quoted)
        {
            let after = &quoted[end + 1..];
            rest = memchr::memchr(separator, after).map(|at| &after[at + 1..]);
            return Some(&quoted[..end]);
        }
        let (cell, after) = match memchr::memchr(separator, line) {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        rest = after;
        Some(cell)
    })
    .take(MAX_COLUMNS)
}

/// Where the quote is that ends a cell: two of them stand for one.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'"', &text[from..])?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// One row's cells by what they hold; those that are no text hold nothing.
pub(super) struct Row<'l>([&'l [u8]; FIELDS]);

impl<'l> Row<'l> {
    pub(super) fn of(line: &'l [u8], layout: &Layout) -> Row<'l> {
        let mut row = Row([b""; FIELDS]);
        for (cell, field) in cells(line, layout.separator).zip(&layout.columns) {
            if let Some(field) = field
                && std::str::from_utf8(cell).is_ok()
            {
                row.0[*field as usize] = cell;
            }
        }
        row
    }

    /// What the cell of this field holds, if anything.
    fn get(&self, field: Field) -> Option<&'l [u8]> {
        trimmed(self.0[field as usize])
    }

    /// The same as text.
    fn text(&self, field: Field) -> Option<&'l str> {
        std::str::from_utf8(self.get(field)?).ok()
    }

    /// A count; data sets write some of theirs as `3.0`.
    fn number(&self, field: Field) -> Option<u64> {
        let text = self.text(field)?;
        text.strip_suffix(".0").unwrap_or(text).parse().ok()
    }

    fn address(&self, field: Field, name: &'static str) -> Result<Address, &'static str> {
        self.get(field).and_then(other_address).ok_or(name)
    }

    /// A port; 0 where none is told, as protocols without ports leave it.
    fn port(&self, field: Field, name: &'static str) -> Result<u16, &'static str> {
        match self.number(field) {
            Some(number) => number.try_into().map_err(|_| name),
            None if self.get(field).is_none() => Ok(0),
            None => Err(name),
        }
    }
}

/// What a cell holds, if anything; `-` stands for nothing.
fn trimmed(cell: &[u8]) -> Option<&[u8]> {
    match cell.trim_ascii() {
        [] | b"-" => None,
        text => Some(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use proptest::prelude::*;

    use super::*;

    const HEADING: &[u8] =
        b"ts,note,src,dst,sport,dport,proto,state,flags,packets,packets_in,action";

    /// Cells of every column, as they are mostly, and as they are not.
    fn rows() -> impl Strategy<Value = String> {
        let time = "1767225600\\.[0-9]{0,6}|17672256000{0,9}|2026-01-01[T ]0[0-9]:00:00(Z|)";
        let address = "10\\.0\\.[0-9]{1,3}\\.[0-9]{1,3}|fe80::[0-9a-f]{1,4}|[0-9.]{0,9}";
        let number = "[0-9]{1,5}|[0-9]{0,20}|[0-9]\\.0|-|";
        let word = "tcp|udp|TCP|icmp|6|SF|REJ|S0|\\.AP\\.SF|den[yi]|Block|allow|-|";
        let odd = "\\PC{0,4}|\"[a-z,]{0,3}\"|\"| [0-9]| tcp|\t";
        let cell = move |plain: &'static str| prop_oneof![9 => plain, 1 => odd];
        let cells =
            [time, word, address, address, number, number, word, word, word, number, number, word];
        cells.map(cell).prop_map(|cells| cells.join(","))
    }

    proptest! {
        #[test]
        fn plain_rows_say_what_any_row_says(row in rows(), cut in 0..200_usize) {
            let layout = Layout::of(HEADING).unwrap();
            let bytes = row.as_bytes();
            for line in [bytes, &bytes[..cut.min(bytes.len())]] {
                if let Some(values) = Values::plain(line, &layout) {
                    prop_assert_eq!(Values::of(&Row::of(line, &layout)), Ok(values));
                }
            }
        }
    }

    #[test]
    fn times_are_told_apart_by_their_size() {
        let at = Timestamp(1_767_225_600_000_000_000);
        for text in [
            "1767225600",
            "1767225600000",
            "1767225600000000",
            "1767225600000000000",
            "1767225600.0",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+01:00",
        ] {
            assert_eq!(time(text), Some((at, true)), "{text}");
        }
        assert_eq!(time("2026/01/01 00:00:00"), Some((at, false)));
        assert_eq!(time("01/02/2026 00:00:00"), None);
    }
}
