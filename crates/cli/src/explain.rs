//! `lapwing explain`.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use lapwing_output::{escaped, explain};
use serde_json::Value;

use crate::args::ExplainArgs;
use crate::{Exit, say};

/// How much of a record is read to be shown: as much as a line of text is cut to, and room beside.
const RECORD_BYTES: u64 = 8192;

/// Tells one finding of a findings file at length.
pub(crate) fn run(args: &ExplainArgs) -> Result<Exit, String> {
    let name = escaped(&args.findings.to_string_lossy()).into_owned();
    let text = fs::read_to_string(&args.findings)
        .map_err(|error| format!("{name}: {error}; expected what `hunt --format jsonl` printed"))?;
    let mut found: Option<Value> = None;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines {
        let finding: Value = serde_json::from_str(line)
            .map_err(|error| format!("{name}, line {}: {error}", number + 1))?;
        let uid = finding["uid"].as_str().unwrap_or_default();
        if uid == args.uid || (args.uid.len() >= 6 && uid.starts_with(&args.uid)) {
            // Of tellings of one finding the last holds.
            match &found {
                Some(before) if before["uid"] != finding["uid"] => {
                    return Err(format!("{}: more than one finding begins so", escaped(&args.uid)));
                }
                _ => found = Some(finding),
            }
        }
    }
    let finding = found
        .ok_or_else(|| format!("{}: no finding of {name} has this uid", escaped(&args.uid)))?;
    let open = args
        .evidence
        .as_deref()
        .map(|folder| move |file: &str, offset: u64| record(folder, file, offset));
    let open = open.as_ref().map(|open| open as explain::Open<'_>);
    say(&explain::explain(&finding, open))
}

/// The text of a record, where its file lies within the folder: a findings file must not choose what
/// else is read.
fn record(folder: &Path, file: &str, offset: u64) -> Result<String, String> {
    let whole = |path: &Path| path.canonicalize().map_err(|error| error.to_string());
    let folder = whole(folder)?;
    let named = PathBuf::from(file);
    let candidates = [whole(&folder.join(&named)), whole(&named)];
    let path = candidates
        .into_iter()
        .flatten()
        .find(|path| path.starts_with(&folder) && path.is_file())
        .ok_or("its file is not within the evidence folder, or is packed")?;
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    file.seek(SeekFrom::Start(offset)).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(RECORD_BYTES).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(text) if !text.contains('\0') && !text.is_empty() => Ok(text.to_string()),
        _ => Err("it is binary, or packed; open the file at this byte with its own program".into()),
    }
}
