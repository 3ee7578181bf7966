//! Records whose fields all have their lengths in the template: what is used of them is read from where
//! it lies, and the rest is not looked at.

use lapwing_event::Address;

use super::fields::{self, Column, Layout, Row};

/// The longest records that are read this way; those of flows have 30 to 120 bytes.
const MAX_RECORD: usize = 256;

/// The most bytes that are read at once: an address.
const MAX_WIDTH: usize = 16;

/// A record and whatever lies behind it, so that no field of the longest record ends outside.
pub(super) type Window = [u8; MAX_RECORD + MAX_WIDTH];

/// Where what is used lies in each record of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The bytes of a record.
    length: usize,
    parts: [Part; Column::COUNT],
}

/// Where a field lies; of no width where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    at: u8,
    width: u8,
    /// How many bits of eight bytes lie behind it, where it is a number.
    behind: u8,
}

impl Plan {
    /// The plan of these fields; `None` where a row needs more than a look at each: fields whose lengths
    /// the records tell, that are told twice, of odd lengths, or that tell of samplers.
    pub(super) fn of(fields: &[Layout]) -> Option<Plan> {
        let mut parts = [Part::default(); Column::COUNT];
        let mut at = 0;
        for field in fields {
            let width = field.length()?;
            if let Some(column) = field.column {
                let fits = match column {
                    Column::Source | Column::Target => matches!(width, 4 | 16),
                    Column::Ntp => width == 8,
                    Column::Interval
                    | Column::LookedAt
                    | Column::PassedOver
                    | Column::Population => false,
                    _ => (1..=8).contains(&width),
                };
                let part = parts.get_mut(column as usize)?;
                (fits && part.width == 0).then_some(())?;
                let width = width as u8;
                let behind = 64 - 8 * width.min(8);
                *part = Part { at: u8::try_from(at).ok()?, width, behind };
            }
            at += usize::from(width);
        }
        let has = |column: Column| usize::from(parts[column as usize].width > 0);
        let times = has(Column::Seconds) + has(Column::Millis) + has(Column::Ntp);
        let kinds = has(Column::IcmpType) + has(Column::IcmpBoth);
        let plain = times <= 1 && kinds <= 1 && at <= MAX_RECORD;
        plain.then_some(Plan { length: at, parts })
    }

    /// The bytes of a record; at least one.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// What the record says that a window begins with: the same as [`super::fields::Template::row`].
    #[inline]
    pub(super) fn row(&self, window: &Window) -> Row {
        let number = |column: Column| self.parts[column as usize].number(window);
        let address = |column: Column| self.parts[column as usize].address(window);
        let began = match (number(Column::Millis), number(Column::Seconds)) {
            (Some(told), _) => fields::millis(told),
            (_, Some(told)) => fields::seconds(told),
            _ => number(Column::Ntp).and_then(fields::ntp),
        };
        Row {
            source: address(Column::Source),
            target: address(Column::Target),
            source_port: fields::port(number(Column::SourcePort)),
            target_port: fields::port(number(Column::TargetPort)),
            protocol: number(Column::Protocol).and_then(|number| u8::try_from(number).ok()),
            icmp_type: number(Column::IcmpType)
                .or_else(|| number(Column::IcmpBoth).map(|both| both >> 8))
                .map(|kind| kind as u8),
            flags: number(Column::Flags).map(fields::flags),
            packets: number(Column::Packets),
            bytes: number(Column::Bytes),
            back_flags: number(Column::BackFlags).map(fields::flags),
            back_packets: number(Column::BackPackets),
            back_bytes: number(Column::BackBytes),
            began,
            first_uptime: number(Column::FirstUptime).and_then(|n| u32::try_from(n).ok()),
            started: number(Column::Started).and_then(|n| i64::try_from(n).ok()),
            before: number(Column::Before).and_then(|n| u32::try_from(n).ok()),
            interval: None,
            looked_at: None,
            passed_over: None,
        }
    }
}

impl Part {
    /// The number of one to eight bytes.
    #[inline]
    fn number(self, window: &Window) -> Option<u64> {
        let told = || u64::from_be_bytes(bytes(window, self.at)) >> (self.behind % 64);
        (self.width > 0).then(told)
    }

    #[inline]
    fn address(self, window: &Window) -> Option<Address> {
        match self.width {
            4 => Some(Address::from(bytes::<4>(window, self.at))),
            16 => Some(Address::from(bytes::<16>(window, self.at))),
            _ => None,
        }
    }
}

/// The window of records that nothing lies behind.
pub(super) fn padded(records: &[u8]) -> Window {
    let mut window = [0; MAX_RECORD + MAX_WIDTH];
    let length = records.len().min(window.len());
    window[..length].copy_from_slice(&records[..length]);
    window
}

/// Bytes of a window, which has room for [`MAX_WIDTH`] of them anywhere.
#[inline]
fn bytes<const N: usize>(window: &Window, at: u8) -> [u8; N] {
    let at = usize::from(at);
    std::array::from_fn(|byte| window[at + byte])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fields::Template;
    use super::*;

    /// A template's field as version 10 writes it: one that is used, mostly, of a length that it mostly has.
    fn fields() -> impl Strategy<Value = Vec<u8>> {
        let used = prop::sample::select(vec![
            1_u16, 2, 4, 6, 7, 8, 11, 12, 22, 27, 28, 32, 85, 86, 139, 150, 152, 154, 156, 158,
            160, 176, 178, 231, 232, 298, 299, 34, 50, 305, 306, 309, 310,
        ]);
        let id = prop_oneof![12 => used, 1 => 0..400_u16];
        let length = prop_oneof![
            12 => prop::sample::select(vec![1_u16, 2, 4, 8, 16]),
            1 => 0..40_u16,
            1 => Just(65_535),
        ];
        let enterprise =
            prop_oneof![3 => Just(None), 1 => Just(Some(29_305_u32)), 1 => any::<Option<u32>>()];
        (id, length, enterprise).prop_map(|(id, length, enterprise)| {
            let private = if enterprise.is_some() { 0x8000 } else { 0 };
            let mut bytes = (id | private).to_be_bytes().to_vec();
            bytes.extend(length.to_be_bytes());
            bytes.extend(enterprise.map(u32::to_be_bytes).into_iter().flatten());
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn a_plan_reads_the_same_row(
            fields in prop::collection::vec(fields(), 1..16),
            // Small numbers fit where large ones do not.
            record in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 300),
            behind in 0..300_usize,
        ) {
            let read = Template::read(&fields.concat(), fields.len(), 10);
            let Ok((template, _)) = read else { return Ok(()) };
            let Some(plan) = template.plan() else { return Ok(()) };
            let told = template.row(&record);
            prop_assert_eq!(told, Some((plan.row(&padded(&record)), plan.length())));
            // What lies behind a record is no part of it.
            let end = (plan.length() + behind).min(record.len());
            prop_assert_eq!(told.map(|(row, _)| row), Some(plan.row(&padded(&record[..end]))));
        }
    }

    #[test]
    fn usual_templates_have_a_plan() {
        let read = |fields: &[(u16, u16)]| {
            let bytes =
                fields.iter().flat_map(|(id, length)| [id.to_be_bytes(), length.to_be_bytes()]);
            let bytes: Vec<u8> = bytes.flatten().collect();
            let plan = Template::read(&bytes, fields.len(), 10)
                .ok()
                .and_then(|(read, _)| read.plan().copied());
            plan.map(|plan| plan.length())
        };
        let flow = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 8), (1, 8), (152, 8)];
        assert_eq!(read(&flow), Some(38));
        let softflowd = [
            (27, 16),
            (28, 16),
            (22, 4),
            (21, 4),
            (1, 4),
            (2, 4),
            (7, 2),
            (11, 2),
            (4, 1),
            (6, 1),
            (5, 1),
            (61, 1),
        ];
        assert_eq!(read(&softflowd), Some(56));
        // A name of variable length, both families at once, a sampler's interval.
        for odd in [(82, 65_535), (27, 16), (34, 4)] {
            assert_eq!(read(&[&flow[..], &[odd]].concat()), None, "{odd:?}");
        }
    }
}
