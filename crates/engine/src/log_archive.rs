//! Archives of macOS' unified log: a `.logarchive`, or what one is made of on a Mac's disk,
//! `/var/db/diagnostics` beside `/var/db/uuidtext`. Their tracev3 files are inputs; all others are needed to
//! read those, and hold nothing alone.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_source::Companions;
use zip::ZipArchive;

/// How the name of an archive ends that macOS itself collected.
const ARCHIVE: &str = ".logarchive";

/// How the names of the files end that hold what was logged.
const LOG: &str = ".tracev3";

/// The folder that tells the time of day.
const TIMESYNC: &str = "timesync";

/// The folder that holds programs' texts, on a Mac's disk; in an archive they lie in its root.
const TEXTS: &str = "uuidtext";

/// Folders of log files, one of which every disk has.
const LOG_FOLDERS: [&str; 4] = ["Persist", "Special", "Signpost", "HighVolume"];

/// The largest companion that is read, in bytes. The texts of the kernel, among the largest, take less than
/// two megabytes, and a timesync file some kilobytes a month.
const MAX_COMPANION: u64 = 16 << 20;

/// The most timesync files that are read: macOS keeps a few dozen.
const MAX_TIMESYNC: usize = 1000;

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogArchive {
    /// What to call it: its path as given, or `archive.zip!folder`.
    pub(crate) name: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Folder(PathBuf),
    Members {
        zip: PathBuf,
        /// What the names of its members begin with, ending in a slash; empty where they lie in the root.
        prefix: String,
    },
}

impl LogArchive {
    /// The archive that a folder is, if it is one.
    pub(crate) fn of_folder(path: &Path) -> Option<LogArchive> {
        let name = path.to_string_lossy();
        let collected = name.trim_end_matches('/').ends_with(ARCHIVE);
        let on_disk = || {
            path.join(TIMESYNC).is_dir()
                && LOG_FOLDERS.iter().any(|folder| path.join(folder).is_dir())
        };
        (collected || on_disk()).then(|| LogArchive {
            name: name.clone().into_owned(),
            place: Place::Folder(path.to_path_buf()),
        })
    }

    /// The archive that a file lies in, where it is a log file of one.
    pub(crate) fn of_file(path: &Path) -> Option<LogArchive> {
        if !is_log(&path.to_string_lossy()) {
            return None;
        }
        // `logdata.LiveData.tracev3` lies in the root, all others in a folder of their own.
        path.ancestors().skip(1).take(2).find_map(LogArchive::of_folder)
    }

    /// The archives among the members of a zip archive, by their names.
    pub(crate) fn of_members(
        zip: &Path,
        members: &ZipArchive<impl Read + Seek>,
    ) -> Vec<LogArchive> {
        let root = |name: Cow<'_, str>| {
            let collected = name.find(&format!("{ARCHIVE}/")).map(|at| at + ARCHIVE.len() + 1);
            let on_disk = || {
                let timesync = name.ends_with(".timesync").then(|| name.rfind(TIMESYNC_FILE))??;
                (timesync == 0 || name[..timesync].ends_with('/')).then_some(timesync)
            };
            collected.or_else(on_disk).map(|at| name[..at].to_string())
        };
        let roots: BTreeSet<String> = members.file_names().flatten().filter_map(root).collect();
        let archive = |prefix: String| LogArchive {
            name: format!("{}!{}", zip.to_string_lossy(), prefix.trim_end_matches('/')),
            place: Place::Members { zip: zip.to_path_buf(), prefix },
        };
        roots.into_iter().map(archive).collect()
    }

    /// Whether a member of its zip archive is one of its files: a log file, or a companion of those.
    pub(crate) fn holds(&self, member: &str) -> bool {
        let Place::Members { prefix, .. } = &self.place else { return false };
        let texts =
            || !prefix.ends_with(&format!("{ARCHIVE}/")) && member.starts_with(&beside(prefix));
        member.starts_with(prefix.as_str()) || texts()
    }

    /// Its other files, ready to be read.
    pub(crate) fn companions(&self) -> Arc<dyn Companions> {
        match &self.place {
            Place::Folder(root) => Arc::new(Folder { root: root.clone() }),
            Place::Members { zip, prefix } => {
                let opened = File::open(zip).ok().map(BufReader::new);
                let opened = opened.and_then(|file| ZipArchive::new(file).ok());
                Arc::new(Members { zip: Mutex::new(opened), prefix: prefix.clone() })
            }
        }
    }
}

/// How the part of a timesync file's name begins that its archive's root does not hold.
const TIMESYNC_FILE: &str = "timesync/";

/// Whether a file of an archive holds what was logged, by its name.
pub(crate) fn is_log(name: &str) -> bool {
    name.ends_with(LOG)
}

/// Whether a folder holds the texts of a Mac's programs and nothing else.
pub(crate) fn is_texts(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == TEXTS) && path.join("dsc").is_dir()
}

/// Where a Mac's disk has the texts, beside this folder of logs.
fn beside(prefix: &str) -> String {
    let above = prefix.trim_end_matches('/').rfind('/').map_or("", |at| &prefix[..=at]);
    format!("{above}{TEXTS}/")
}

/// A program's texts lie in a folder of the first two digits of its UUID.
fn text_file(uuid: &str) -> Option<String> {
    let (folder, file) = uuid.split_at_checked(2)?;
    Some(format!("{folder}/{file}"))
}

/// All bytes, where they are no more than a companion has.
fn whole(reader: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_COMPANION + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_COMPANION).then_some(bytes)
}

/// The companions in a folder.
struct Folder {
    root: PathBuf,
}

impl Companions for Folder {
    fn timesync(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(self.root.join(TIMESYNC)).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let wanted = paths.iter().filter(|path| is_timesync(&path.to_string_lossy()));
        wanted.take(MAX_TIMESYNC).filter_map(|path| whole(File::open(path).ok()?)).collect()
    }

    fn uuidtext(&self, uuid: &str) -> Option<Vec<u8>> {
        let name = text_file(uuid)?;
        let roots = [Some(self.root.clone()), self.root.parent().map(|above| above.join(TEXTS))];
        roots.iter().flatten().find_map(|root| whole(File::open(root.join(&name)).ok()?))
    }
}

/// The companions among the members of a zip archive.
struct Members {
    zip: Mutex<Option<ZipArchive<BufReader<File>>>>,
    prefix: String,
}

impl Members {
    fn member(&self, name: &str) -> Option<Vec<u8>> {
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        whole(zip.as_mut()?.by_name(name).ok()?)
    }
}

impl Companions for Members {
    fn timesync(&self) -> Vec<Vec<u8>> {
        let folder = format!("{}{TIMESYNC_FILE}", self.prefix);
        let mut names: Vec<String> = {
            let zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
            let names = zip.iter().flat_map(ZipArchive::file_names).flatten();
            names
                .filter(|name| name.starts_with(&folder) && is_timesync(name))
                .map(Cow::into_owned)
                .collect()
        };
        names.sort();
        names.iter().take(MAX_TIMESYNC).filter_map(|name| self.member(name)).collect()
    }

    fn uuidtext(&self, uuid: &str) -> Option<Vec<u8>> {
        let name = text_file(uuid)?;
        let roots = [self.prefix.clone(), beside(&self.prefix)];
        roots.iter().find_map(|root| self.member(&format!("{root}{name}")))
    }
}

/// Whether a file tells the time of day, and is not what macOS leaves beside one that does.
fn is_timesync(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.ends_with(".timesync") && !last.starts_with("._")
}
