//! Every command that the documents show runs; pages on analytics are generated from the code; numbers
//! and links of the documents hold. `LAPWING_BLESS=1` rewrites generated pages.

#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lapwing_detect::{ANALYTICS, Analytic, DEFAULT_CONFIG};
use lapwing_source::FORMATS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents whose commands run.
const DOCUMENTS: [&str; 5] =
    ["README.md", "docs/quick-start.md", "docs/siem.md", "docs/judgement.md", "docs/coverage.md"];

/// The lines of a document's fenced blocks, each with the block's language.
fn fenced(text: &str) -> Vec<(String, String)> {
    let mut language: Option<String> = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        match (line.trim().strip_prefix("```"), &language) {
            (Some(_), Some(_)) => language = None,
            (Some(name), None) => language = Some(name.to_string()),
            (None, Some(language)) => lines.push((language.clone(), line.trim().to_string())),
            (None, None) => {}
        }
    }
    lines
}

#[cfg(unix)]
/// A folder as the documents assume it: the corpus, and the README's names for evidence.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documents").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    let scan = root().join("corpus/scenarios/AN1058/connect-scan-two-witnesses/inputs");
    let week = root().join("corpus/baselines/office-week/inputs");
    for (link, to) in [
        ("corpus", root().join("corpus")),
        ("evidence", scan.clone()),
        ("logs", scan),
        ("ordinary-week", week),
    ] {
        std::os::unix::fs::symlink(to, dir.join(link)).unwrap();
    }
    fs::write(dir.join("lapwing.toml"), DEFAULT_CONFIG).unwrap();
    let found = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["hunt", "--format", "jsonl", "evidence"])
        .current_dir(&dir)
        .output()
        .unwrap();
    fs::write(dir.join("findings.jsonl"), found.stdout).unwrap();
    dir
}

#[test]
#[cfg(unix)]
fn every_command_of_the_documents_runs() {
    let bin = Path::new(env!("CARGO_BIN_EXE_lapwing")).parent().unwrap().to_path_buf();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut ran = 0;
    for document in DOCUMENTS {
        let dir = folder(&document.replace('/', "-"));
        for (language, line) in fenced(&read(document)) {
            // What builds, tests, or needs another's server is shown and not run.
            if language != "sh" || !line.starts_with("lapwing ") {
                continue;
            }
            let line = line.replace(" UID ", " lw-769001 ");
            let output = Command::new("sh")
                .args(["-c", &line])
                .current_dir(&dir)
                .env("PATH", &path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let fine = match output.status.code() {
                Some(0) => true,
                Some(1) => line.contains("--fail-on"),
                _ => false,
            };
            assert!(fine, "{document}: {line}: {:?} {said}", output.status.code());
            let quiet = line.contains(" > ") || line.contains("--since");
            assert!(quiet || !output.stdout.is_empty(), "{document}: {line} prints nothing");
            ran += 1;
        }
    }
    assert!(ran > 30, "only {ran} commands: the walk is broken");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents: Vec<String> = DOCUMENTS.iter().map(ToString::to_string).collect();
    documents.extend(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(str::to_string));
    documents.extend(ANALYTICS.iter().map(|analytic| page(analytic)));
    for document in documents {
        let text = read(&document);
        let base = root().join(&document).parent().unwrap().to_path_buf();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap();
            assert!(base.join(file).exists(), "{document}: {link}");
        }
    }
}

/// One setting of the default configuration.
struct Setting {
    value: String,
    comment: String,
}

/// The default configuration by dotted key: values on one line, comments as they stand above.
fn settings() -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    let (mut section, mut comment) = (String::new(), String::new());
    let mut lines = DEFAULT_CONFIG.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix('#') {
            comment += words;
            comment.push('\n');
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_string();
            comment.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let mut value = value.to_string();
            if value == "[" {
                let inner = lines.by_ref().take_while(|line| *line != "]");
                let inner: Vec<&str> =
                    inner.map(|line| line.trim().trim_end_matches(',')).collect();
                value = format!("[{}]", inner.join(", "));
            }
            let key = if section.is_empty() { key.into() } else { format!("{section}.{key}") };
            let comment = std::mem::take(&mut comment);
            settings.insert(key, Setting { value, comment });
        } else {
            comment.clear();
        }
    }
    settings
}

#[test]
fn numbers_in_the_documents_are_the_defaults() {
    let settings = settings();
    let mut checked = 0;
    for document in ["docs/judgement.md", "docs/siem.md", "docs/coverage.md"] {
        for code in read(document).split('`').skip(1).step_by(2) {
            let Some((key, value)) = code.split_once(" = ") else { continue };
            if !key.starts_with("detection.") && !key.starts_with("analytics.") {
                continue;
            }
            let setting = settings.get(key).unwrap_or_else(|| panic!("{document}: no key {key}"));
            assert_eq!(setting.value, value, "{document}: {key}");
            checked += 1;
        }
    }
    assert!(checked > 25, "only {checked} numbers: the walk is broken");
}

fn page(analytic: &Analytic) -> String {
    format!("docs/analytics/{}.md", analytic.id)
}

/// What the code says of an analytic, in the comment at its head.
fn described(analytic: &Analytic) -> String {
    let file = format!("crates/detect/src/analytics/{}.rs", analytic.id.to_lowercase());
    let text = read(&file);
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// A scenario whose finding shows what the analytic is about.
fn example(analytic: &Analytic) -> &'static str {
    match analytic.id {
        "AN1057" => "corpus/scenarios/AN1057/renamed-scanner-splunk/inputs",
        "AN1058" => "corpus/scenarios/AN1058/loop-of-curl/inputs",
        "AN1059" => "corpus/scenarios/AN1059/dns-sd-two-witnesses/inputs",
        _ => "corpus/scenarios/AN1060/pod-sweep-falco/inputs",
    }
}

fn sources(analytic: &Analytic) -> String {
    let mut text = String::from(
        "| Data component | Published log source | Read for it | To turn it on |\n|---|---|---|---|\n",
    );
    for source in analytic.log_sources {
        let met: Vec<String> =
            source.met_by.iter().map(|met| format!("`{}`", met.name())).collect();
        let turn_on = source.turn_on.replace('|', "\\|");
        text += &format!("| {} | {source} | {} | {turn_on} |\n", source.component, met.join(", "));
    }
    text
}

/// The formats in which its log sources come.
fn formats(analytic: &Analytic) -> String {
    let read = |source| analytic.log_sources.iter().any(|own| own.met_by.contains(&source));
    let holding = FORMATS.iter().filter(|format| format.log_sources.iter().any(|s| read(*s)));
    holding.map(|format| format!("- `{}`: {}\n", format.name, format.title)).collect()
}

fn elements(analytic: &Analytic) -> String {
    let settings = settings();
    let mut text = String::new();
    for name in analytic.mutable_elements {
        let key = format!("analytics.{}.{name}", analytic.id);
        let setting = settings.get(&key).unwrap_or_else(|| panic!("{key} has no default"));
        let (examples, words): (Vec<&str>, Vec<&str>) =
            setting.comment.lines().partition(|line| line.starts_with("  "));
        let words: Vec<&str> = words.iter().map(|line| line.trim()).collect();
        text += &format!("### `{name}`\n\n{}\n\n", words.join(" "));
        if !examples.is_empty() {
            let examples: Vec<&str> = examples.iter().map(|line| line.trim()).collect();
            text += &format!("```toml\n{}\n```\n\n", examples.join("\n"));
        }
        // A long list is in the reference.
        text += &match setting.value.len() {
            0..=80 => format!("Default: `{}`\n\n", setting.value),
            _ => "Default: the shipped list, in the [reference](../reference.md).\n\n".to_string(),
        };
    }
    text
}

fn printed(args: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(args.split_whitespace())
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "lapwing {args}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn pages_on_analytics_are_what_the_code_says() {
    for analytic in ANALYTICS {
        let id = analytic.id;
        let command = format!("hunt {}", example(analytic));
        let shown = printed(&command);
        let (finding, _) = shown.split_once("\nCoverage\n").unwrap();
        assert!(finding.contains(id), "{id}: {finding}");
        let text = format!(
            "# {id}: {}\n\nGenerated from the code: `LAPWING_BLESS=1 cargo test -p lapwing --test documents` writes this page anew.\n\n\
             {}\n\
             ## Log sources\n\n{}\nThey come as:\n\n{}\n\
             ## Mutable elements\n\nUnder `[analytics.{id}]` of the configuration; `lapwing config default` prints them.\n\n{}\
             ## What else is looked at\n\nThe threshold above is where the judgement begins. Outcomes, order and density, slower \
             windows, the reflected walk, tools, benign explanations and the joining of witnesses are the same for every analytic: \
             [how a scan is judged](../judgement.md). What to turn on first: [what could be seen](../coverage.md).\n\n\
             ## An example\n\n```sh\nlapwing {command}\n```\n\n```text\n{}\n```\n",
            analytic.platform,
            described(analytic),
            sources(analytic),
            formats(analytic),
            elements(analytic),
            finding.trim_end(),
        );
        let path = root().join(page(analytic));
        if std::env::var_os("LAPWING_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == known, "{}: run this test with LAPWING_BLESS=1", path.display());
    }
}
