//! Images: a detector as bytes, so that a watch that ends, or breaks off, goes on as if it had not.
//!
//! An image holds everything that a detector remembers, and neither its tunables nor its time: the fold
//! goes on from it with whatever inputs come next (invariant I2). It is of one version of its layout,
//! which is not read by any other.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::bounded::identity;
use crate::detector::{Detector, State};
use crate::intake::Intake;
use crate::tunables::Tunables;

/// What an image begins with.
const MAGIC: &[u8; 8] = b"LAPWING\x1a";

/// The layout of images: to be raised when anything that is remembered changes its shape, which a test
/// tells of.
pub const IMAGE_VERSION: u32 = 5;

/// Bytes before what is remembered: magic, version, checksum.
const HEADER: usize = MAGIC.len() + 4 + 8;

/// Why bytes are no image that a detector can go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrestorable {
    /// They do not begin as an image does.
    NoImage,
    /// The image is of another version of the layout: this one.
    Version(u32),
    /// The image is cut, or its bytes are not those that were written.
    Damaged,
    /// The image was made with another budget of memory (MiB), by which its tables are sized.
    Memory(usize),
}

impl fmt::Display for Unrestorable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unrestorable::NoImage => write!(
                f,
                "this is no saved state: expected it to begin with LAPWING; point to the file that \
                 was saved, or start without one"
            ),
            Unrestorable::Version(version) => write!(
                f,
                "the saved state has layout {version}, and this version of lapwing reads \
                 {IMAGE_VERSION}: go on with the version that saved it, or start without it"
            ),
            Unrestorable::Damaged => write!(
                f,
                "the saved state is damaged: its checksum or its layout is not as it was written; \
                 take an earlier copy, or start without it"
            ),
            Unrestorable::Memory(budget) => write!(
                f,
                "the saved state was made with [memory] budget = {budget}: set that budget, or start \
                 without it"
            ),
        }
    }
}

impl std::error::Error for Unrestorable {}

/// What an image holds behind its header.
#[derive(Serialize, Deserialize)]
struct Image<I, S> {
    budget: usize,
    intake: I,
    state: S,
}

/// A set in ascending order, so that one state has one image.
pub(crate) fn ascending<T: Ord + Serialize, H, S: Serializer>(
    set: &HashSet<T, H>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(set.iter().collect::<BTreeSet<_>>())
}

impl Detector {
    /// An image of everything that is remembered, from which [`Detector::restore`] goes on.
    ///
    /// # Errors
    /// Where the bytes cannot be put together, for want of memory.
    pub fn snapshot(&self) -> Result<Vec<u8>, postcard::Error> {
        let Detector { tunables, intake, state, .. } = self;
        let budget = tunables.memory.budget;
        let image = Image { budget, intake, state };
        let mut bytes = postcard::to_extend(&image, vec![0; HEADER])?;
        let checksum = identity(&[&bytes[HEADER..]]);
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&IMAGE_VERSION.to_le_bytes());
        bytes[12..HEADER].copy_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    /// The detector that an image is of, with these tunables from here on. Texts that were shared are
    /// each held by whoever holds them, so that it takes somewhat more memory at first.
    ///
    /// # Errors
    /// Where the bytes are no image, or one of another version, damaged, or of another memory budget.
    pub fn restore(image: &[u8], tunables: Tunables) -> Result<Detector, Unrestorable> {
        let Some((header, body)) = image.split_at_checked(HEADER) else {
            return Err(Unrestorable::NoImage);
        };
        let Some((version, checksum)) =
            header.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<4>())
        else {
            return Err(Unrestorable::NoImage);
        };
        match u32::from_le_bytes(*version) {
            IMAGE_VERSION => {}
            other => return Err(Unrestorable::Version(other)),
        }
        if checksum != identity(&[body]).to_le_bytes() {
            return Err(Unrestorable::Damaged);
        }
        let Ok((image, [])) = postcard::take_from_bytes::<Image<Intake, State>>(body) else {
            return Err(Unrestorable::Damaged);
        };
        let Image { budget, intake, state } = image;
        if budget != tunables.memory.budget {
            return Err(Unrestorable::Memory(budget));
        }
        Ok(Detector { intake, state, ..Detector::sorted(tunables) })
    }
}

#[cfg(test)]
mod tests {
    use lapwing_event::{
        Activity, Address, Event, Initiator, LogSource, Network, Outcome, Protocol, Record,
        Technique, Timestamp,
    };

    use super::*;
    use crate::detector::Input;

    /// A detector that watches a scan and forty clients.
    fn busy() -> Detector {
        let mut detector = Detector::new(Tunables::default());
        feed(&mut detector, 0, 400);
        detector
    }

    fn feed(detector: &mut Detector, from: u32, count: u32) {
        let mut said = Vec::new();
        for n in from..from + count {
            let scans = n % 8 == 0;
            let network = Network {
                source: Address::from([10, 1, 0, if scans { 1 } else { 2 + (n % 40) as u8 }]),
                target: Address::from([10, 2, 0, (n % 7) as u8]),
                source_port: 40_000,
                target_port: if scans { 1 + n as u16 } else { 443 },
                protocol: Protocol::Tcp,
                initiator: Initiator::Source,
                outcome: if scans { Outcome::Refused } else { Outcome::Served },
                technique: Technique::Syn,
            };
            let event = Event {
                time: Timestamp(i64::from(n) * 500_000_000),
                record: Record { offset: n.into(), ..Record::default() },
                log_source: LogSource::Packets,
                actor: None,
                activity: Activity::Network(network),
            };
            detector.step(Input::Event(event), &mut said);
        }
    }

    fn saved(detector: &Detector) -> Vec<u8> {
        detector.snapshot().unwrap_or_default()
    }

    fn refused(image: &[u8]) -> Option<Unrestorable> {
        Detector::restore(image, Tunables::default()).err()
    }

    #[test]
    fn an_image_of_a_restored_detector_is_the_same_image() {
        let image = saved(&busy());
        let restored = Detector::restore(&image, Tunables::default());
        let again = restored.map(|detector| saved(&detector));
        assert!(again == Ok(image), "a detector and what is restored of it have other images");
    }

    #[test]
    fn what_is_no_whole_image_of_this_layout_is_refused_with_the_reason() {
        let image = saved(&busy());
        assert_eq!(refused(b""), Some(Unrestorable::NoImage));
        assert_eq!(refused(&[0; 4096]), Some(Unrestorable::NoImage));
        let mut other = image.clone();
        other[8] += 1;
        assert_eq!(refused(&other), Some(Unrestorable::Version(IMAGE_VERSION + 1)));
        for cut in (HEADER..image.len()).step_by(image.len() / 100) {
            assert_eq!(refused(&image[..cut]), Some(Unrestorable::Damaged), "cut at {cut}");
            let mut other = image.clone();
            other[cut] ^= 1;
            assert_eq!(refused(&other), Some(Unrestorable::Damaged), "changed at {cut}");
        }
        let mut tunables = Tunables::default();
        tunables.memory.budget *= 2;
        let other = Detector::restore(&image, tunables).err();
        assert_eq!(other, Some(Unrestorable::Memory(Tunables::default().memory.budget)));
    }

    #[test]
    fn an_image_that_was_made_up_is_refused_or_harmless() {
        let image = saved(&busy());
        for at in (HEADER..image.len()).step_by(image.len() / 150) {
            for change in [1, 0x7f, 0x80] {
                let mut other = image.clone();
                other[at] ^= change;
                let checksum = identity(&[&other[HEADER..]]);
                other[12..HEADER].copy_from_slice(&checksum.to_le_bytes());
                if let Ok(mut detector) = Detector::restore(&other, Tunables::default()) {
                    feed(&mut detector, 400, 40);
                    detector.finish(&mut Vec::new());
                }
            }
        }
    }

    /// The checksum of the image of [`busy`]: changes with the layout, and with what is judged there.
    const KNOWN: u64 = 1_074_785_769_078_005_601;

    #[test]
    fn another_layout_is_another_version() {
        let image = saved(&busy());
        assert_eq!(
            identity(&[&image[HEADER..]]),
            KNOWN,
            "what is remembered has changed: where its shape has, raise IMAGE_VERSION; then set KNOWN"
        );
    }
}
