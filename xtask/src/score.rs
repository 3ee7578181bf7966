//! Counts outcomes by group and kind, prints them, and holds the floor.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lapwing_detect::Tunables;
use lapwing_engine::labels::{self, Case};

use crate::judge::{Outcome, judge};

/// The share of demanded attacks that must be found, over all groups. What keeps it under 1 is a
/// sweep that only Zeek's rdp log shows, in two spellings; neighbour solicitations in flows, which
/// hold the group that each was sent to and not the address that it asked for; and an ARP sweep in an
/// nfcapd file, which holds no ARP and so nothing.
const MIN_RECALL: f64 = 0.97;
/// The share of files with findings that must hold an attack, over all groups. What keeps it under
/// 1 is a capture of seven ports labelled as under usual thresholds, three of whose probes have
/// flags that no network stack sends, and two telnet sweeps of the internet's background in an
/// IPFIX file labelled as ordinary.
const MIN_PRECISION: f64 = 0.985;

/// How to score.
#[derive(Default)]
pub(crate) struct Options {
    /// How to judge the cases that have no configuration of their own.
    pub(crate) tunables: Tunables,
    /// Whether each attack that was found is worth a line too.
    pub(crate) found: bool,
}

/// What came of a group of cases.
#[derive(Default)]
pub(crate) struct Count {
    attacks: u64,
    found: u64,
    right_kind: u64,
    /// Attempts before detection, of each attack that was found.
    after: Vec<u64>,
    weak: u64,
    weak_found: u64,
    benign: u64,
    false_files: u64,
    days: f64,
    not_read: u64,
}

/// What came of all cases.
#[derive(Default)]
pub(crate) struct Scored {
    groups: BTreeMap<String, Count>,
    kinds: BTreeMap<String, Count>,
    total: Count,
    /// Misses, false findings and kinds named wrong, a line each.
    pub(crate) remarks: Vec<String>,
    /// Whether the shared corpus was there.
    pub(crate) whole: bool,
}

/// Judges every labelled case under the folders; without any, the shared corpus and the project's
/// own scenarios.
///
/// # Errors
/// Where there is no labelled case, or a hunt fails.
pub(crate) fn measure(dirs: &[PathBuf], options: &Options) -> io::Result<Scored> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().unwrap_or(manifest);
    let shared = root.with_file_name("shared").join("corpus");
    let mut scored = Scored { whole: true, ..Scored::default() };
    let mut cases = Vec::new();
    for dir in dirs {
        cases.extend(labels::cases(dir)?);
    }
    if dirs.is_empty() {
        scored.whole = shared.is_dir();
        if scored.whole {
            cases.extend(labels::cases(&shared)?);
        }
        cases.extend(labels::scenarios(&root.join("corpus/scenarios"))?);
    }
    if cases.is_empty() {
        return Err(io::Error::other(
            "no labelled case found: expected manifest.tsv or truth.tsv in the folder",
        ));
    }
    for case in &cases {
        let outcome = judge(case, &options.tunables).map_err(io::Error::other)?;
        let kind = format!("{} {}", or_dash(&case.analytic), or_dash(&case.kind));
        scored.groups.entry(case.group.clone()).or_default().add(case, &outcome);
        scored.kinds.entry(kind).or_default().add(case, &outcome);
        scored.total.add(case, &outcome);
        scored.remarks.extend(remark(case, &outcome, &shared, options.found));
    }
    Ok(scored)
}

/// Judges every labelled case and prints the score; whether it is at the floor or above it.
///
/// # Errors
/// As [`measure`].
pub(crate) fn score(dirs: &[PathBuf], options: &Options) -> io::Result<bool> {
    let scored = measure(dirs, options)?;
    let mut out = io::stdout().lock();
    if !scored.whole {
        writeln!(
            out,
            "NOT SCORED: ../shared/corpus is not here, so real files go unjudged; only the \
             project's own corpus/scenarios is"
        )?;
    }
    write!(out, "{}\n{}\n", scored.by_folder(), scored.by_kind())?;
    for line in &scored.remarks {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "\n{}", scored.summary())?;
    if !scored.holds() {
        writeln!(
            out,
            "UNDER THE FLOOR: expected recall {MIN_RECALL:.3} and precision {MIN_PRECISION:.3}"
        )?;
    }
    Ok(scored.holds())
}

impl Scored {
    /// The score by corpus folder, as a table.
    pub(crate) fn by_folder(&self) -> String {
        table("folder", &self.groups)
    }

    /// The score by analytic and kind, as a table.
    pub(crate) fn by_kind(&self) -> String {
        table("analytic kind", &self.kinds)
    }

    /// Whether it is at the floor or above it.
    pub(crate) fn holds(&self) -> bool {
        self.total.recall() >= MIN_RECALL && self.total.precision() >= MIN_PRECISION
    }

    /// All of it in one line.
    pub(crate) fn summary(&self) -> String {
        let total = &self.total;
        let per_day = total.false_files as f64 / total.days.max(f64::MIN_POSITIVE);
        format!(
            "recall {:.3} ({} of {}), precision {:.3} ({} false of {} benign files, \
             {per_day:.4} a computer-day), kind right in {} of {}, median attempts before detection \
             {}; {} cases not read yet",
            total.recall(),
            total.found,
            total.attacks,
            total.precision(),
            total.false_files,
            total.benign,
            total.right_kind,
            total.found,
            total.median_after(),
            total.not_read
        )
    }
}

impl Count {
    fn add(&mut self, case: &Case, outcome: &Outcome) {
        match outcome {
            Outcome::NotRead => self.not_read += 1,
            Outcome::Silent { days } => {
                self.benign += 1;
                self.days += days;
            }
            Outcome::False { days, .. } => {
                self.benign += 1;
                self.false_files += 1;
                self.days += days;
            }
            Outcome::Found { .. } | Outcome::Missed(_) if case.weak => {
                self.weak += 1;
                self.weak_found += u64::from(matches!(outcome, Outcome::Found { .. }));
            }
            Outcome::Found { right_kind, after } => {
                self.after.push(*after);
                self.attacks += 1;
                self.found += 1;
                self.right_kind += u64::from(*right_kind);
            }
            Outcome::Missed(_) => self.attacks += 1,
        }
    }

    /// The middle of the attempts before detection.
    fn median_after(&self) -> u64 {
        let mut after = self.after.clone();
        after.sort_unstable();
        after.get(after.len() / 2).copied().unwrap_or(0)
    }

    /// The share of demanded attacks that were found; 1 where there is none.
    fn recall(&self) -> f64 {
        if self.attacks == 0 { 1.0 } else { self.found as f64 / self.attacks as f64 }
    }

    /// The share of files with findings that hold an attack; 1 where there is none.
    fn precision(&self) -> f64 {
        let said = self.found + self.weak_found + self.false_files;
        if said == 0 { 1.0 } else { (said - self.false_files) as f64 / said as f64 }
    }
}

fn table(title: &str, rows: &BTreeMap<String, Count>) -> String {
    let mut text = format!(
        "{title:28} {:>7} {:>5} {:>6} {:>6} {:>10} {:>6} {:>5} {:>9} {:>8}\n",
        "attacks",
        "found",
        "kind",
        "median",
        "weak found",
        "benign",
        "false",
        "precision",
        "not read"
    );
    for (name, count) in rows {
        text += &format!(
            "{name:28} {:>7} {:>5} {:>6} {:>6} {:>10} {:>6} {:>5} {:>9.3} {:>8}\n",
            count.attacks,
            count.found,
            count.right_kind,
            count.median_after(),
            format!("{}/{}", count.weak_found, count.weak),
            count.benign,
            count.false_files,
            count.precision(),
            count.not_read
        );
    }
    text
}

/// What is worth a line: misses, false findings, kinds named wrong, and what was not read; what was
/// found where that is asked for.
fn remark(case: &Case, outcome: &Outcome, shared: &Path, found: bool) -> Option<String> {
    let path = case.path.strip_prefix(shared).unwrap_or(&case.path).display();
    let weak = if case.weak { "weak, " } else { "" };
    match outcome {
        Outcome::Missed(instead) => {
            let instead = if instead.is_empty() { "nothing" } else { instead };
            Some(format!("missed  {weak}{path}: {}; found {instead}", clipped(&case.note)))
        }
        Outcome::False { findings, .. } => {
            Some(format!("false   {path}: {}; found {}", clipped(&case.note), findings.join("; ")))
        }
        Outcome::Found { right_kind: false, .. } => {
            Some(format!("kind    {path}: labelled {}", case.kind))
        }
        Outcome::NotRead => Some(format!("unread  {weak}{path}: {}", case.format)),
        Outcome::Found { after, .. } if found => {
            Some(format!("found   {weak}{path}: after {after} attempts"))
        }
        Outcome::Found { .. } | Outcome::Silent { .. } => None,
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(90).collect()
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
