//! `lapwing hunt --report`: the page as a browser takes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // a test, helpers and all

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
fn hostile(name: &str) -> PathBuf {
    let dir = scratch(name);
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
    let (_, text) = page(&hostile("hostile"), "hostile-page");
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

/// The browser that opens pages here, if any.
fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        eprintln!("SKIPPED: no Chromium; the page was not opened (install package chromium)");
    }
    found
}

/// What a page is once the browser has run it, and what the browser said.
fn opened(browser: &str, page: &Path, profile: &str, options: &[&str]) -> (String, String) {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"])
        .arg(format!("--user-data-dir={}", scratch(profile).display()))
        .args(options)
        .arg("--dump-dom")
        .arg(format!("file://{}", page.canonicalize().unwrap().display()))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_browser_finds_nothing_to_complain_of() {
    let Some(browser) = browser() else { return };
    let (file, _) = page(&hostile("hostile-in-a-browser"), "browser");
    let (dom, said) = opened(browser, &file, "profile", &["--window-size=360,800"]);
    assert!(dom.contains("</article>"), "the page was opened");
    let complaints: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn nothing_runs_out_of_the_page_however_narrow() {
    let Some(browser) = browser() else { return };
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/scenarios/AN1060");
    let (file, text) = page(&scenarios, "narrow");
    // A window is never narrower than about 500 px, a frame is. The page's own policy forbids the script
    // that measures it, so that a copy without it is measured.
    let policy = "<meta http-equiv=\"Content-Security-Policy\"";
    let (before, after) = text.split_once(policy).unwrap();
    let after = after.split_once('>').unwrap().1;
    fs::write(&file, format!("{before}{after}")).unwrap();
    for width in [360, 768, 1920] {
        let frame = file.with_file_name(format!("frame-{width}.html"));
        fs::write(
            &frame,
            format!(
                "<iframe id=f src=report.html style=\"width:{width}px;height:900px;border:0\"></iframe><p id=o></p>\
                 <script>f.onload = () => {{ const page = f.contentDocument.documentElement;\
                 o.textContent = `measured ${{page.scrollWidth}} of ${{page.clientWidth}}` }}</script>"
            ),
        )
        .unwrap();
        let options = ["--allow-file-access-from-files", "--virtual-time-budget=5000"];
        let (dom, _) = opened(browser, &frame, "profile-narrow", &options);
        let measured = dom.split("<p id=\"o\">measured ").nth(1).expect("the frame was measured");
        let (wide, rest) = measured.split_once(" of ").unwrap();
        assert_eq!(wide, rest.split('<').next().unwrap(), "at {width} px");
    }
}
