//! `lapwing tune`: curves, what is proposed, and that what is proposed holds.

#![allow(clippy::unwrap_used)] // a test, helpers and all

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tune-{name}"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn lapwing(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    for arg in args {
        command.arg(arg);
    }
    command.output().unwrap()
}

fn printed(args: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    let output = lapwing(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn replayed(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Value {
    let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"tune", &"--format", &"json"];
    all.extend(args);
    serde_json::from_str(&printed(&all)).unwrap()
}

/// Noon of 2026-03-02.
const BEGAN: u64 = 1_772_452_800;

/// A conversation of Zeek's: an address asks another, in vain.
fn asked(second: u64, from: &str, to: &str, port: u16) -> String {
    json!({
        "_path": "conn", "ts": second, "uid": format!("C{second}"), "id.orig_h": from,
        "id.orig_p": 40_000 + second % 20_000, "id.resp_h": to, "id.resp_p": port, "proto": "tcp",
        "conn_state": "S0", "history": "S", "orig_pkts": 1, "resp_pkts": 0,
    })
    .to_string()
        + "\n"
}

/// So many days of a network in which an inventory visits 60 other hosts each day, and a client asks
/// for 13 that are gone.
fn days(count: u64) -> String {
    let mut text = String::new();
    for day in 0..count {
        // A little later each day, so that no visit is within a day of the last.
        let noon = BEGAN + day * (86_400 + 600);
        for host in 0..60 {
            text += &asked(
                noon + host,
                "10.0.0.5",
                &format!("10.{}.9.{}", day + 1, 7 * host % 251),
                22,
            );
        }
        for host in 0..13 {
            let to = format!("10.{}.8.{}", day + 101, 19 * host % 251);
            text += &asked(noon + 7_200 + 3 * host, "10.0.2.7", &to, 8009);
        }
        // What keeps the sensor talking: an hour of silence is not watched.
        for minute in 0..47 {
            text += &asked(noon + 7_300 + 1_680 * minute, "10.0.3.3", "10.0.3.4", 123);
        }
    }
    text
}

fn baseline(name: &str, count: u64) -> PathBuf {
    let dir = scratch(name);
    fs::write(dir.join("conn.log"), days(count)).unwrap();
    dir
}

fn threshold(tuning: &Value) -> &Value {
    let elements = tuning["elements"].as_array().unwrap();
    elements.iter().find(|it| it["key"] == "analytics.AN1058.PortScanThreshold").unwrap()
}

#[test]
fn a_baseline_speaks_for_a_value_and_an_entry_that_leave_nothing() {
    let dir = baseline("week", 8);
    let tuning = replayed(&[&dir]);
    let days = tuning["days"].as_f64().unwrap();
    assert!((6.5..8.1).contains(&days), "{days}");
    let curve = threshold(&tuning);
    assert_eq!(curve["now"], 10.0);
    assert_eq!(curve["choice"], "take", "{curve:#}");
    assert_eq!(curve["proposed"], 15.0, "{curve:#}");
    let at = |value: f64| {
        let points = curve["points"].as_array().unwrap();
        points.iter().find(|point| point["value"] == value).unwrap()
    };
    assert_eq!(at(10.0)["findings"], 16, "an inventory and a client a day: {curve:#}");
    assert_eq!(at(10.0)["unexplained"], 8, "no value is rid of the inventory: {curve:#}");
    assert_eq!(at(15.0)["unexplained"], 0);
    assert_eq!(at(15.0)["findings"], 8);
    assert_eq!(at(10.0)["origins"][0]["findings"], 8);
    let allowed: Vec<&Value> = tuning["allow_list"].as_array().unwrap().iter().collect();
    assert_eq!(allowed.len(), 2);
    assert_eq!(allowed[0]["source"], "10.0.0.5");
    assert_eq!(allowed[0]["hides"], 8);
    assert_eq!(allowed[0]["doubt"], Value::Null);
    assert_eq!(allowed[0]["ports"], json!([22]));
    assert_eq!(allowed[0]["schedule"], "12:00-14:00", "noon, and each day a little later");
    assert_eq!(allowed[1]["doubt"], "the proposed value needs no entry for it");

    // What is proposed is a configuration, and with it nothing is left.
    let file = dir.join("proposed.toml");
    fs::write(&file, tuning["toml"].as_str().unwrap()).unwrap();
    assert!(printed(&[&"config", &"check", &file]).contains("is fine"));
    let text = printed(&[&"hunt", &"--config", &file, &dir.join("conn.log")]);
    assert!(text.starts_with("No scan found"), "{text}");
}

#[test]
fn a_point_is_what_a_hunt_with_that_value_finds() {
    let dir = baseline("points", 3);
    let tuning = replayed(&[&dir.join("conn.log")]);
    for point in threshold(&tuning)["points"].as_array().unwrap() {
        let file = dir.join("value.toml");
        let text = format!(
            "[analytics.AN1058]\nPortScanThreshold = {:?}\n",
            point["value"].as_f64().unwrap()
        );
        fs::write(&file, text).unwrap();
        let found =
            printed(&[&"hunt", &"--format", &"jsonl", &"--config", &file, &dir.join("conn.log")]);
        let told = |line: &&str| {
            let finding: Value = serde_json::from_str(line).unwrap();
            finding["severity"] != "informational"
        };
        let count = found.lines().filter(told).count();
        assert_eq!(point["findings"], count, "{}", point["value"]);
    }
    // Neither threads nor memory for sorting change a number.
    let one = replayed(&[&"--threads", &"1", &"--memory", &"1", &dir.join("conn.log")]);
    let four = replayed(&[&"--threads", &"4", &dir.join("conn.log")]);
    assert_eq!(one, four);
    assert_eq!(one["elements"], tuning["elements"]);
}

#[test]
fn a_short_baseline_is_not_multiplied_up() {
    let dir = baseline("short", 1);
    let text: String = days(1).lines().take(73).fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    });
    fs::write(dir.join("conn.log"), text).unwrap();
    let tuning = replayed(&[&dir]);
    assert_eq!(tuning["days"], Value::Null);
    assert_eq!(threshold(&tuning)["points"][0]["per_day"], Value::Null);
    let text = printed(&[&"tune", &dir]);
    assert!(text.contains("less than a day: findings per day are not said"), "{text}");
    assert!(!text.contains("a day\n"), "{text}");
    // Seen once is no habit.
    assert!(text.contains("NOT TAKEN: seen once"), "{text}");
    assert!(
        text.contains("# ExpectedScanSources") || !text.contains("\nExpectedScanSources = ["),
        "{text}"
    );
}

#[test]
fn what_makes_no_difference_and_what_was_blind_is_said() {
    let dir = scratch("flat");
    fs::write(dir.join("conn.log"), asked(BEGAN, "10.0.0.1", "10.0.0.2", 80)).unwrap();
    let text = printed(&[&"tune", &dir]);
    assert!(
        text.contains("PortScanThreshold: no value makes a finding in this baseline: keep 10"),
        "{text}"
    );
    assert!(
        text.contains("AN1057.ScanRateThreshold: no log source of its analytic was there"),
        "{text}"
    );
    assert!(text.contains("nothing: no value and no entry would spare a finding"), "{text}");
}

#[test]
fn a_curve_counts_the_findings_of_its_own_analytic() {
    let dir = baseline("two", 2);
    let flows = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets \
                 bytes start end action log-status\n2 123456789012 eni-1 10.17.1.45 10.17.2.18 50941 \
                 3306 6 3 132 1772452800 1772452801 ACCEPT OK\n";
    fs::write(dir.join("vpc.log"), flows).unwrap();
    let tuning = replayed(&[&dir]);
    assert!(threshold(&tuning)["points"][0]["findings"].as_u64().unwrap() > 0);
    let elements = tuning["elements"].as_array().unwrap();
    let clouds: Vec<&Value> = elements.iter().filter(|it| it["analytic"] == "AN1060").collect();
    assert_eq!(clouds.len(), 2);
    for curve in clouds {
        assert_eq!(curve["choice"], "no-difference");
        assert!(curve["points"].as_array().unwrap().iter().all(|point| point["findings"] == 0));
    }
}

/// Attacks with and without labels: a wide one and one of 18 hosts.
fn attacks(name: &str) -> PathBuf {
    let dir = scratch(name);
    for (file, hosts) in [("wide.log", 90), ("small.log", 16)] {
        let lines = (0..hosts)
            .map(|at| asked(BEGAN + at, "10.66.6.6", &format!("10.7.7.{}", 3 * at % 251), 445));
        fs::write(dir.join(file), lines.collect::<String>()).unwrap();
    }
    dir
}

#[test]
fn a_value_is_weighed_against_known_attacks() {
    let dir = baseline("against", 8);
    let folder = attacks("attacks");
    let labels = "path\tverdict\torigin\tnote\nwide.log\tattack\taddress:10.66.6.6\t\n\
                  small.log\tattack\taddress:10.66.6.6\t\nmissing.log\tattack\t\t\n";
    fs::write(folder.join("truth.tsv"), labels).unwrap();
    let tuning = replayed(&[&dir, &"--against", &folder]);
    let against = &tuning["against"];
    assert_eq!(against["labelled"], true);
    assert_eq!((&against["attacks"], &against["found"]), (&json!(2), &json!(2)), "{against:#}");
    assert_eq!(against["passed_over"], 1);
    let points = threshold(&tuning)["points"].as_array().unwrap();
    let lost = |value: f64| {
        let point = points.iter().find(|point| point["value"] == value).unwrap();
        (point["recall"].as_u64().unwrap(), point["lost"].as_array().unwrap().len())
    };
    assert_eq!(lost(10.0), (2, 0));
    assert_eq!(lost(20.0), (1, 1), "the small one: {points:#?}");
    assert_eq!(lost(120.0), (0, 2));

    // Without labels every finding is one; the two are one origin's, at one time.
    fs::remove_file(folder.join("truth.tsv")).unwrap();
    let tuning = replayed(&[&dir, &"--against", &folder]);
    assert_eq!(tuning["against"]["labelled"], false);
    assert_eq!(tuning["against"]["attacks"], 1);
    let text = printed(&[&"tune", &dir, &"--against", &folder]);
    assert!(text.contains("loses lw-"), "{text}");
}

#[test]
fn an_entry_that_would_hide_an_attack_is_not_ready() {
    let dir = baseline("hides", 8);
    let folder = scratch("same-origin");
    let attack = |port| {
        let lines = (0..90).map(|at| asked(BEGAN + at, "10.0.0.5", &format!("10.7.7.{at}"), port));
        fs::write(folder.join("attack.log"), lines.collect::<String>()).unwrap();
        replayed(&[&dir, &"--against", &folder])
    };
    let tuning = attack(445);
    assert_eq!(tuning["allow_list"][0]["source"], "10.0.0.5");
    assert_eq!(tuning["allow_list"][0]["doubt"], Value::Null, "it does not allow that port");
    let tuning = attack(22);
    let inventory = &tuning["allow_list"][0];
    assert_eq!(inventory["doubt"], "it would hide known attacks");
    let toml = tuning["toml"].as_str().unwrap();
    assert!(toml.contains("#  { source = \"10.0.0.5\""), "{toml}");
}

#[test]
fn hostile_text_stays_inert_everywhere() {
    let out = scratch("hostile");
    let dir = out.join("in");
    fs::create_dir_all(&dir).unwrap();
    let evil = "x\"]\n[detection]\nwalk = 99 '\u{1b}[2J</code><script>alert(1)</script>{*?[";
    let mut text = String::new();
    for day in 0..3_u64 {
        for at in 0..40_u64 {
            let event = json!({
                "process_kprobe": {
                    "process": {
                        "exec_id": format!("x{day}"), "pid": 31, "binary": format!("/opt/{evil}"),
                        "pod": {"namespace": evil, "name": "p", "container": {"id": "docker://x", "image": {"name": evil}}},
                    },
                    "function_name": "tcp_connect",
                    "args": [{"sock_arg": {
                        "family": "AF_INET", "protocol": "IPPROTO_TCP", "saddr": "10.0.0.1",
                        "daddr": format!("10.0.{day}.{at}"), "sport": 40000 + at, "dport": 6379,
                    }}],
                },
                "node_name": evil,
                "time": format!("2026-03-0{}T09:{:02}:{:02}Z", day + 2, day, at),
            });
            text += &(event.to_string() + "\n");
        }
    }
    fs::write(dir.join("evil\u{1b}.json"), text).unwrap();
    let page = out.join("page.html");
    let tuning = replayed(&[&dir, &"--report", &page]);
    let shown = printed(&[&"tune", &dir]);
    let obeyed = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(obeyed), "{shown:?}");
    let toml = tuning["toml"].as_str().unwrap();
    assert!(toml.contains("\nExecutablePath = [\n"), "{toml}");
    assert!(!toml.contains(obeyed), "{toml:?}");
    let file = out.join("proposed.toml");
    fs::write(&file, toml).unwrap();
    assert!(printed(&[&"config", &"check", &file]).contains("is fine"));
    let text = printed(&[&"hunt", &"--config", &file, &dir.join("evil\u{1b}.json")]);
    assert!(text.starts_with("No scan found"), "{text}");
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("&lt;script&gt;"), "{page}");
    for word in ["<script", "\u{1b}", " src=\"", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"));
    assert!(page.contains("aria-label=\"findings against value\""));
}
