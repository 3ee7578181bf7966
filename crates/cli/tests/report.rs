//! `lapwing hunt --report`: the page as a browser takes it.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The page of a hunt in this folder.
fn page(evidence: &Path, name: &str) -> (PathBuf, String) {
    let file = scratch(name).join("report.html");
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["hunt", "--report"])
        .args([&file, evidence])
        .output()
        .unwrap();
    // 3 where the folder holds what is no evidence, which the report says too.
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read_to_string(&file).unwrap();
    (file, text)
}

/// Evidence whose every text tries to be obeyed: a pod's processes that scan, as Tetragon tells of them.
fn hostile() -> PathBuf {
    let dir = scratch("hostile");
    let evil = "</code><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\u{1b}[31m";
    let lines: Vec<String> = (0..40)
        .map(|n| {
            let event = serde_json::json!({
                "process_kprobe": {
                    "process": {
                        "exec_id": "x", "pid": 31, "binary": format!("/tmp/{evil}"),
                        "arguments": evil,
                        "pod": {"namespace": evil, "name": evil, "container": {"id": "docker://x"}},
                    },
                    "function_name": "tcp_connect",
                    "args": [{"sock_arg": {
                        "family": "AF_INET", "protocol": "IPPROTO_TCP", "saddr": "10.0.0.1",
                        "daddr": format!("10.0.1.{n}"), "sport": 40000 + n, "dport": 6379,
                    }}],
                },
                "node_name": evil,
                "time": format!("2026-03-02T09:14:{n:02}Z"),
            });
            event.to_string() + "\n"
        })
        .collect();
    fs::write(dir.join("evil<b>.json"), lines.concat()).unwrap();
    dir
}

#[test]
fn hostile_text_stays_text() {
    let (_, text) = page(&hostile(), "hostile-page");
    assert!(text.contains("horizontal"), "the scan is found");
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "and its text shown");
    for obeyed in ["<script", "<img", "onerror=alert(2)>", "\u{1b}", "evil<b>", " src=\"", "url("] {
        assert!(!text.contains(obeyed), "{obeyed}");
    }
    assert!(text.contains("Content-Security-Policy\" content=\"default-src 'none'"));
    // The plots name their language; nothing else names a place.
    let named = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    let placed: Vec<&str> = named
        .split('<')
        .filter(|tag| {
            let tag = tag.split('>').next().unwrap_or_default();
            tag.contains("://") && !tag.starts_with('/')
        })
        .collect();
    assert!(placed.is_empty(), "{placed:?}");
}

#[test]
fn every_tag_is_closed() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/scenarios/AN1060");
    let (_, text) = page(&scenarios, "closed");
    let mut open: Vec<&str> = Vec::new();
    let body = &text[text.find("<html").unwrap()..];
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        match tag {
            tag if tag.ends_with('/') || matches!(name, "meta" | "!--") => {}
            tag if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "</{name}>"),
            _ => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn a_browser_finds_nothing_to_complain_of() {
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = browser else {
        eprintln!("SKIPPED: no Chromium; the page was not opened (install package chromium)");
        return;
    };
    let (file, _) = page(&hostile(), "browser");
    let profile = scratch("profile");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--window-size=360,800", "--dump-dom"])
        .arg(format!("file://{}", file.canonicalize().unwrap().display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    assert!(dom.contains("</article>"), "the page was opened");
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
