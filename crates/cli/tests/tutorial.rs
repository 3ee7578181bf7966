//! `docs/tuning.md` is run as it stands: its commands, its files, and what they print.
//! `LAPWING_BLESS=1` writes anew what they print.

#![cfg(unix)] // its commands are for a shell
#![allow(clippy::unwrap_used, clippy::panic)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder in which the page's paths hold.
fn workplace() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    std::os::unix::fs::symlink(root().join("corpus"), dir.join("corpus")).unwrap();
    dir
}

fn run(commands: &str, dir: &Path) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_lapwing")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-eu", "-c", commands])
        .current_dir(dir)
        .env("PATH", path)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{commands}{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The block after this heading, where it comes next: what stands before it, within, and after.
fn next<'t>(text: &'t str, opens: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let (before, rest) = text.split_once(opens)?;
    let (within, after) = rest.split_once("```\n")?;
    Some((before, within, after))
}

#[test]
fn every_command_of_the_page_prints_what_stands_there() {
    let path = root().join("docs/tuning.md");
    let page = fs::read_to_string(&path).unwrap();
    let dir = workplace();
    let mut written = String::new();
    let mut rest = page.as_str();
    let mut commands = 0;
    while let Some((before, block, after)) = next(rest, "```sh\n") {
        let mut files = before;
        while let Some((_, named)) = files.split_once("<!-- file: ") {
            let (name, after) = named.split_once(" -->").unwrap();
            let (_, text, after) = next(after, "```toml\n").unwrap();
            fs::write(dir.join(name), text).unwrap();
            files = after;
        }
        written += &format!("{before}```sh\n{block}```\n");
        let printed = run(block, &dir);
        commands += block.lines().count();
        rest = after;
        let opens = "\n<!-- printed -->\n\n```text\n";
        if after.starts_with(opens) {
            let (_, _, after) = next(after, opens).unwrap();
            written += &format!("{opens}{printed}```\n");
            rest = after;
        }
    }
    written += rest;
    assert!(commands > 6, "the page's commands are found");
    if std::env::var_os("LAPWING_BLESS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap();
    assert!(page == written, "docs/tuning.md: run this test with LAPWING_BLESS=1, and read it");
}
