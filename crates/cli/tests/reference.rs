//! `docs/reference.md` and the README's picture are what the command prints. `LAPWING_BLESS=1`
//! rewrites them.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap().to_path_buf()
}

/// What `lapwing ARGS` prints, run from the project's root.
fn printed(args: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(args.split_whitespace())
        .current_dir(root())
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "lapwing {args}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn holds(path: &str, expected: &str) {
    let path = root().join(path);
    if std::env::var_os("LAPWING_BLESS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{}: run this test with LAPWING_BLESS=1", path.display());
}

#[test]
fn the_reference_is_what_the_command_prints() {
    let mut text = String::from(
        "# Reference\n\nGenerated from the command itself: `LAPWING_BLESS=1 cargo test -p lapwing \
         --test reference` writes this file anew.\nFindings as JSON are described by \
         [finding.schema.json](finding.schema.json).\n",
    );
    for (title, args, language) in [
        ("Hunting", "hunt --help", "text"),
        ("Coverage", "coverage --help", "text"),
        ("Explaining", "explain --help", "text"),
        ("Tuning", "tune --help", "text"),
        ("Drills", "drill --help", "text"),
        ("Exporting", "export --help", "text"),
        ("Formats", "formats", "text"),
        ("Configuration, with every default", "config default", "toml"),
    ] {
        let printed = printed(args);
        text += &format!("\n## {title}\n\n`lapwing {args}`\n\n```{language}\n{printed}```\n");
    }
    holds("docs/reference.md", &text);
}

#[test]
fn the_readme_shows_what_the_shipped_example_gives() {
    let args = "hunt corpus/scenarios/AN1058/connect-scan-two-witnesses/inputs";
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let begins = "<!-- printed by the command above; checked by crates/cli/tests/reference.rs -->\n\n```text\n";
    let (before, rest) = text.split_once(begins).unwrap();
    let (_, after) = rest.split_once("```\n").unwrap();
    holds("README.md", &format!("{before}{begins}{}```\n{after}", printed(args)));
}
