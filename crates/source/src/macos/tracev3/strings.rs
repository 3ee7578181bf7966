//! The texts and the clocks that lie beside a file.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use macos_unifiedlogs::dsc::SharedCacheStrings;
use macos_unifiedlogs::timesync::TimesyncBoot;
use macos_unifiedlogs::traits::{FileProvider, SourceFile, StringCache};
use macos_unifiedlogs::uuidtext::UUIDText;

use super::guarded;
use crate::Companions;

/// How many programs' texts are held: mDNSResponder has one for each version of macOS that wrote the log.
const MAX_HELD: usize = 8;

/// The longest text with places for arguments, in bytes: mDNSResponder's are shorter than 600.
const MAX_TEXT: usize = 1024;

/// The most places for arguments in one text; a client's request has nine.
const MAX_PLACES: usize = 32;

/// The most digits of a width or a precision.
const MAX_DIGITS: usize = 3;

/// The clocks of every boot that the timesync files tell of. A file that breaks off tells nothing, as
/// does none.
pub(super) fn clocks(companions: &dyn Companions) -> HashMap<String, TimesyncBoot> {
    let mut clocks: HashMap<String, TimesyncBoot> = HashMap::new();
    for bytes in companions.timesync() {
        let read = guarded(|| TimesyncBoot::parse_timesync_data(&bytes).ok().map(|(_, read)| read));
        let mut read: Vec<_> = read.into_iter().flatten().collect();
        read.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (boot, mut clock) in read {
            // A long boot goes on in further files.
            let known = clocks.remove(&boot);
            if let Some(known) = known {
                clock.timesync.extend(known.timesync);
            }
            clock.timesync.sort_by_key(|record| record.kernel_time);
            clocks.insert(boot, clock);
        }
    }
    clocks
}

/// The texts of programs, read when they are asked for.
#[derive(Default)]
pub(super) struct Strings {
    companions: Option<Arc<dyn Companions>>,
    /// The last ones asked for, and whether there are any.
    held: Mutex<Vec<(String, Option<Arc<UUIDText>>)>>,
}

impl Strings {
    pub(super) fn new(companions: Arc<dyn Companions>) -> Strings {
        Strings { companions: Some(companions), held: Mutex::default() }
    }

    fn load(&self, uuid: &str) -> Option<Arc<UUIDText>> {
        // It becomes a path.
        let is_uuid = uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit());
        let companions = self.companions.as_ref().filter(|_| is_uuid)?;
        let bytes = companions.uuidtext(uuid)?;
        let mut read = guarded(|| UUIDText::parse_uuidtext(&bytes).ok().map(|(_, read)| read))?;
        tame(&mut read.footer_data);
        Some(Arc::new(read))
    }
}

/// The crate asks its cache first; here both are one.
impl StringCache for Strings {
    fn get_or_load_uuidtext(&self, uuid: &str, _: &impl FileProvider) -> Option<Arc<UUIDText>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = held.iter().find(|(known, _)| known == uuid) {
            return known.clone();
        }
        let text = self.load(uuid);
        if held.len() >= MAX_HELD {
            held.remove(0);
        }
        held.push((uuid.to_string(), text.clone()));
        text
    }

    /// Texts of shared libraries: what is read of mDNSResponder lies in its own program.
    fn get_or_load_dsc(&self, _: &str, _: &impl FileProvider) -> Option<Arc<SharedCacheStrings>> {
        None
    }
}

/// No file at all: files are read by whoever holds them.
struct NoFile;

impl SourceFile for NoFile {
    fn reader(&mut self) -> impl io::Read {
        io::empty()
    }

    fn source_path(&self) -> &str {
        ""
    }
}

impl FileProvider for Strings {
    fn tracev3_files(&self) -> impl Iterator<Item = impl SourceFile> {
        std::iter::empty::<NoFile>()
    }

    fn uuidtext_files(&self) -> impl Iterator<Item = impl SourceFile> {
        std::iter::empty::<NoFile>()
    }

    fn read_uuidtext(&self, _: &str) -> io::Result<UUIDText> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn dsc_files(&self) -> impl Iterator<Item = impl SourceFile> {
        std::iter::empty::<NoFile>()
    }

    fn read_dsc_uuid(&self, _: &str) -> io::Result<SharedCacheStrings> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn timesync_files(&self) -> impl Iterator<Item = impl SourceFile> {
        std::iter::empty::<NoFile>()
    }
}

/// Takes from the texts of a program what would make messages of any length of them: the crate pads to
/// whatever width a text asks for, and copies a text once for each place in it. Those of mDNSResponder
/// stay as they are. The bytes keep their places.
fn tame(texts: &mut [u8]) {
    for text in texts.split_mut(|byte| *byte == 0) {
        for at in (MAX_TEXT..text.len()).step_by(MAX_TEXT) {
            text[at] = 0;
        }
        let mut places = 0;
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b'%', rest)) {
            let place = at + found;
            at = place + 1;
            places += 1;
            if places > MAX_PLACES {
                text[place] = b'_';
                continue;
            }
            if text.get(at) == Some(&b'{') {
                at += memchr::memchr(b'}', &text[at..]).map_or(text.len() - at, |end| end + 1);
            }
            let mut digits = 0;
            while let Some(byte) =
                text.get_mut(at).filter(|byte| b"+-# .*0123456789".contains(byte))
            {
                digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
                // Both a width and a precision of zeros are none.
                if digits > MAX_DIGITS {
                    text[at + 1 - digits..=at].fill(b'0');
                }
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tame;

    fn tamed(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        tame(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    #[test]
    fn texts_cannot_grow_what_they_are_put_into() {
        let real = "[R%u] DNSServiceBrowse START -- service type: %{sensitive, mask.hash, \
            mdnsresponder:domain_name}.*P, flags: 0x%X, in 2026, %5.03f %%, client pid: %d (%{public}s)\0";
        assert_eq!(tamed(real), real);
        assert_eq!(
            tamed("%99999d %{public}-65535s %.1234567f %"),
            "%00000d %{public}-00000s %.0000000f %"
        );
        assert_eq!(tamed("%{never closed 99999"), "%{never closed 99999");
        assert_eq!(tamed(&"%d".repeat(40)).matches('%').count(), 32);
        let long = tamed(&"x".repeat(5000));
        assert!(long.split('\0').all(|text| text.len() <= 1024));
        assert_eq!(long.len(), 5000);
    }
}
