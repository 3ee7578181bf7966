//! Which inputs a run has: files, the files of folders, the members of zip archives.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use lapwing_output::Trouble;
use lapwing_source::Problem;
use zip::ZipArchive;

use crate::log_archive::{LogArchive, is_log, is_texts};

/// The most members of one archive that are read; the rest is counted. Evidence archives hold
/// thousands of files, a hostile central directory can claim 2^32.
pub const MAX_MEMBERS: usize = 10_000;

/// How deep folders are walked: far deeper than evidence lies, and an end to any loop of mounts.
const MAX_DEPTH: usize = 64;

/// The first bytes of an AppleDouble companion (`._name`, RFC 1740), which macOS leaves beside
/// each file on foreign volumes: it holds no telemetry.
const APPLE_DOUBLE: [u8; 4] = [0x00, 0x05, 0x16, 0x07];

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    /// What to call it: the path as given, or `archive.zip!member`.
    pub(crate) name: String,
    pub(crate) place: Place,
    /// Its size as it lies on disk, 0 where not known (standard input).
    pub(crate) bytes: u64,
    /// The archive of a unified log that it lies in, without which it says nothing.
    pub(crate) archive: Option<LogArchive>,
}

/// Where an input lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Stdin,
    File(PathBuf),
    Member { archive: PathBuf, index: usize },
}

/// Finds every input under these paths, sorted by name, each once however often it is named;
/// beside them what could not be looked into.
pub(crate) fn find_inputs(paths: &[PathBuf]) -> (Vec<Source>, Vec<Trouble>) {
    let mut walk = Walk::default();
    for path in paths {
        if path.as_os_str() == "-" {
            let name = "-".to_string();
            walk.add(Source { name, place: Place::Stdin, bytes: 0, archive: None });
        } else {
            walk.visit(path, 0);
        }
    }
    let mut found: Vec<Source> = walk.found.into_values().collect();
    found.sort();
    (found, walk.troubles)
}

#[derive(Default)]
struct Walk {
    /// By canonical place, so that links and repeated paths are read once, under the first of
    /// their names.
    found: BTreeMap<(PathBuf, usize), Source>,
    troubles: Vec<Trouble>,
    /// The archive of a unified log that is being walked.
    archive: Option<LogArchive>,
}

impl Walk {
    fn visit(&mut self, path: &Path, depth: usize) {
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) => return self.unreadable(path, &error),
        };
        if meta.is_dir() && is_texts(path) {
            // They are read with the logs beside them.
        } else if meta.is_dir() {
            self.folder(path, depth);
        } else if meta.is_file() {
            self.file(path, meta.len());
        } else {
            self.trouble(
                path,
                Problem::Note,
                "no regular file",
                "a device, socket or pipe; left alone",
            );
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        if depth >= MAX_DEPTH {
            let detail = format!("expected folders at most {MAX_DEPTH} deep; name it by itself");
            return self.trouble(path, Problem::Shed, "folder too deep", &detail);
        }
        let entries: io::Result<Vec<PathBuf>> = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
        match entries {
            Ok(mut entries) => {
                entries.sort();
                let archive = self.archive.is_none().then(|| LogArchive::of_folder(path)).flatten();
                let begins = archive.is_some();
                self.archive = self.archive.take().or(archive);
                for entry in entries {
                    let is_input = || entry.is_dir() || is_log(&entry.to_string_lossy());
                    if self.archive.is_none() || is_input() {
                        self.visit(&entry, depth + 1);
                    }
                }
                if begins {
                    self.archive = None;
                }
            }
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn file(&mut self, path: &Path, bytes: u64) {
        let mut head = [0; 4];
        let length =
            match fs::File::open(path).and_then(|mut file| read_up_to(&mut file, &mut head)) {
                Ok(length) => length,
                Err(error) => return self.unreadable(path, &error),
            };
        if head[..length] == APPLE_DOUBLE {
            return self.trouble(
                path,
                Problem::Note,
                "AppleDouble companion",
                "holds no telemetry",
            );
        }
        if head[..length] == *b"PK\x03\x04" || head[..length] == *b"PK\x05\x06" {
            return self.archive(path);
        }
        let name = path.to_string_lossy().into_owned();
        let archive = self.archive.clone().or_else(|| LogArchive::of_file(path));
        self.add(Source { name, place: Place::File(path.to_path_buf()), bytes, archive });
    }

    fn archive(&mut self, path: &Path) {
        let opened = fs::File::open(path)
            .map_err(zip::result::ZipError::from)
            .and_then(|file| ZipArchive::new(BufReader::new(file)));
        let mut archive = match opened {
            Ok(archive) => archive,
            Err(error) => {
                let detail =
                    format!("expected a zip archive: {error}; unpack what can be saved of it");
                return self.trouble(path, Problem::Malformed, "archive broken", &detail);
            }
        };
        let members = archive.len();
        let logs = LogArchive::of_members(path, &archive);
        for index in 0..members.min(MAX_MEMBERS) {
            let member = match archive.by_index_raw(index) {
                Ok(member) => member,
                Err(error) => {
                    self.trouble(
                        path,
                        Problem::Malformed,
                        "archive member broken",
                        &error.to_string(),
                    );
                    continue;
                }
            };
            if !member.is_file() {
                continue;
            }
            let member_name = String::from_utf8_lossy(member.name_raw());
            let name = format!("{}!{member_name}", path.to_string_lossy());
            let bytes = member.compressed_size();
            let log = logs.iter().find(|log| log.holds(&member_name));
            if log.is_some() && !is_log(&member_name) {
                continue;
            }
            // macOS' own archiver puts companions into a folder of their own, or beside their files.
            let last = member_name.rsplit('/').next().unwrap_or_default();
            let is_companion = last.starts_with("._");
            drop(member);
            if is_companion && begins_with(&mut archive, index, APPLE_DOUBLE) {
                let key = "AppleDouble companion";
                let said = "holds no telemetry".to_string();
                self.troubles.push(trouble(name, Problem::Note, key, said));
                continue;
            }
            self.add(Source {
                name,
                place: Place::Member { archive: path.to_path_buf(), index },
                bytes,
                archive: log.cloned(),
            });
        }
        if members > MAX_MEMBERS {
            let detail = format!("{members} members, the first {MAX_MEMBERS} are read; unpack it");
            self.trouble(path, Problem::Shed, "archive members", &detail);
        }
    }

    fn add(&mut self, source: Source) {
        let key = match &source.place {
            Place::Stdin => (PathBuf::from("-"), usize::MAX),
            Place::File(path) => (canonical(path), usize::MAX),
            Place::Member { archive, index } => (canonical(archive), *index),
        };
        match self.found.get_mut(&key) {
            None => {
                self.found.insert(key, source);
            }
            Some(known) => {
                let again = known.name.clone().max(source.name.clone());
                if source.name < known.name {
                    *known = source;
                }
                let detail = format!("read once, as {}", known.name);
                self.troubles.push(trouble(again, Problem::Note, "named more than once", detail));
            }
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let detail = format!("{error}; check the path and its permissions");
        self.trouble(path, Problem::Malformed, "cannot be opened", &detail);
    }

    fn trouble(&mut self, path: &Path, problem: Problem, key: &'static str, detail: &str) {
        let name = path.to_string_lossy().into_owned();
        self.troubles.push(trouble(name, problem, key, detail.to_string()));
    }
}

/// Whether a member of an archive begins with these bytes.
fn begins_with(
    archive: &mut ZipArchive<BufReader<fs::File>>,
    index: usize,
    bytes: [u8; 4],
) -> bool {
    let mut head = [0; 4];
    let read = archive.by_index(index).map(|mut member| read_up_to(&mut member, &mut head));
    matches!(read, Ok(Ok(4))) && head == bytes
}

/// A trouble of an input as a whole.
pub(crate) fn trouble(
    input: String,
    problem: Problem,
    key: &'static str,
    detail: String,
) -> Trouble {
    Trouble {
        input,
        problem: problem.name(),
        loses_data: problem.loses_data(),
        key,
        offset: None,
        count: 1,
        detail,
    }
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Reads until `buffer` is full or the reader ends; how many bytes it got.
pub(crate) fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
