//! macOS and multicast DNS (AN1059).

use lapwing_detect::{Kind, Level, Severity, Status, Tunables};
use lapwing_event::{Actor, Address, LogSource, Outcome, Process, UserContext};

use crate::scene::{Scene, address, host, only, process, quiet};

/// Types that no household asks for.
const RARE: [&str; 8] = [
    "_ssh._tcp",
    "_nfs._tcp",
    "_rdp._tcp",
    "_ftp._tcp",
    "_mysql._tcp",
    "_ldap._tcp",
    "_eppc._tcp",
    "_telnet._tcp",
];

/// Types that every household asks for.
const ROUTINE: [&str; 12] = [
    "_airplay._tcp",
    "_raop._tcp",
    "_googlecast._tcp",
    "_ipp._tcp",
    "_ipps._tcp",
    "_smb._tcp",
    "_afpovertcp._tcp",
    "_rfb._tcp",
    "_companion-link._tcp",
    "_hap._tcp",
    "_spotify-connect._tcp",
    "_homekit._tcp",
];

/// A client of mDNSResponder as its log names it.
fn client(pid: u32, name: &str) -> Actor {
    let process = Process { pid, name: Some(name.into()), ..Process::default() };
    Actor { process: Some(process), ..Actor::default() }
}

#[test]
fn types_are_counted_up_to_the_threshold() {
    for (types, found) in [(4, 0), (5, 1)] {
        let mut scene = Scene::default();
        for (n, service) in RARE.iter().take(types).enumerate() {
            // Asking again adds nothing.
            for again in [0.0, 0.5] {
                let name = format!("{service}.local");
                scene.browses(n as f64 + again, Some(&client(7, "probe")), address("::"), &name);
            }
        }
        let findings = scene.judge();
        assert_eq!(findings.len(), found, "{types} types: {findings:#?}");
        if let Some(finding) = findings.first() {
            assert_eq!((finding.analytic, finding.kind), ("AN1059", Kind::Enumeration));
            assert_eq!(finding.why[0].key, "detection.multicast.threshold");
        }
    }
}

#[test]
fn a_household_is_silent_for_a_day() {
    let mut scene = Scene::default();
    for n in 0..20_000_u32 {
        let service = ROUTINE[(n % 12) as usize];
        let source = host(1 + n % 9);
        let when = f64::from(n) * 4.32;
        scene.browses(when, None, source, &format!("{service}.local"));
    }
    for (at, name) in ["AirPlayXPCHelper", "sharingd", "cupsd", "Google Chrome"].iter().enumerate()
    {
        for (n, service) in ROUTINE.iter().enumerate() {
            let when = f64::from(at as u32 * 100 + n as u32);
            scene.browses(when, Some(&client(100 + at as u32, name)), address("::"), service);
        }
    }
    quiet(scene.judge());
}

/// Its agents, Finder, Music, Home and a print dialog ask for all that they know at once.
#[test]
fn a_mac_that_wakes_is_silent() {
    let more = [
        "_airdrop._tcp",
        "_printer._tcp",
        "_pdl-datastream._tcp",
        "_scanner._tcp",
        "_uscan._tcp",
        "_uscans._tcp",
        "_ptp._tcp",
        "_adisk._tcp",
        "_odisk._tcp",
        "_device-info._tcp",
        "_home-sharing._tcp",
        "_dacp._tcp",
        "_touch-able._tcp",
        "_appletv-v2._tcp",
        "_mediaremotetv._tcp",
        "_hap._udp",
        "_matter._tcp",
        "_sleep-proxy._udp",
    ];
    // A terminal asks for ssh beside them; who asks for all types, or for two more, is after more.
    for (others, found) in [
        (&["_ssh._tcp"][..], 0),
        (&["_services._dns-sd._udp"], 1),
        (&["_ssh._tcp", "_rdp._tcp"], 1),
    ] {
        let mut scene = Scene::default();
        for (n, service) in ROUTINE.iter().chain(&more).chain(others).enumerate() {
            scene.browses(n as f64, None, host(9), &format!("{service}.local"));
        }
        assert_eq!(scene.judge().len(), found, "{others:?}");
    }
}

#[test]
fn who_asks_for_all_types_and_then_for_each_enumerates() {
    let mut scene = Scene::default();
    let types = ["_services._dns-sd._udp"].iter().chain(&ROUTINE);
    for (n, service) in types.enumerate() {
        scene.browses(n as f64 * 0.1, None, host(9), &format!("{service}.local"));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.address, Some(host(9)));
    assert_eq!(finding.names.len(), 13);
}

#[test]
fn a_new_program_that_asks_for_routine_types_is_new() {
    let mut scene = Scene::default();
    for (n, service) in ROUTINE.iter().take(6).enumerate() {
        let name = format!("{service}.local");
        scene.browses(n as f64, Some(&client(9, "netcached")), address("::"), &name);
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.process.unwrap().short_name(), Some("netcached"));
}

#[test]
fn what_a_program_asks_for_every_day_is_its_habit() {
    let mut scene = Scene::default();
    for day in 0..3_u32 {
        for (n, service) in RARE.iter().take(4).enumerate() {
            let when = f64::from(day * 86_400 + n as u32);
            let program = client(50 + day, "inventory");
            scene.browses(when, Some(&program), address("::"), &format!("{service}.local"));
        }
    }
    // Four more on the last day: with the four old ones they would be eight.
    for (n, service) in RARE.iter().skip(4).take(3).enumerate() {
        let when = f64::from(2 * 86_400 + 10 + n as u32);
        let program = client(52, "inventory");
        scene.browses(when, Some(&program), address("::"), &format!("{service}.local"));
    }
    quiet(scene.judge());
}

#[test]
fn masked_types_count_as_several_and_hashes_tell_them() {
    let ask = |names: &[&str], tunables: &Tunables| {
        let mut scene = Scene::default();
        for (n, name) in names.iter().enumerate() {
            scene.browses(n as f64, Some(&client(9, "probe")), address("::"), name);
        }
        scene.judge_with(tunables)
    };
    let normal = Tunables::default();
    let masked = ["mask:a", "mask:b", "mask:c", "mask:d", "mask:e", "mask:e"];
    assert_eq!(only(ask(&masked, &normal)).names.len(), 5);
    // _ssh._tcp and _sftp-ssh._tcp by hash are the same questions as by name.
    let both = ["hash:262b8524", "_ssh._tcp.local", "hash:c7745a19", "_sftp-ssh._tcp.local"];
    quiet(ask(&both, &normal));
    let hashes = ["hash:262b8524", "hash:c7745a19", "hash:5553fc5b", "hash:00000001", "hash:2"];
    let names = only(ask(&hashes, &normal)).names;
    assert_eq!(names[..3], ["_http._tcp", "_sftp-ssh._tcp", "_ssh._tcp"], "{names:?}");
}

#[test]
fn patterns_of_interest_count_though_they_are_routine() {
    let ask = |config: &str| {
        let tunables: Tunables =
            toml::from_str(&format!("[analytics.AN1059]\nMDNSServiceQueryPatterns = {config}"))
                .unwrap();
        let mut scene = Scene::default();
        for (n, service) in ROUTINE.iter().take(6).enumerate() {
            scene.browses(n as f64, None, host(9), &format!("{service}.local"));
        }
        scene.judge_with(&tunables)
    };
    quiet(ask("[]"));
    only(ask("['_*._tcp.local']"));
}

#[test]
fn the_user_context_changes_the_severity_and_nothing_else() {
    let scan = |context: UserContext, config: &str| {
        let tunables: Tunables = toml::from_str(config).unwrap();
        let mut actor = client(9, "probe");
        actor.process = actor.process.map(|process| Process { context, ..process });
        let mut scene = Scene::default();
        for (n, service) in RARE.iter().enumerate() {
            scene.browses(n as f64, Some(&actor), address("::"), &format!("{service}.local"));
        }
        only(scene.judge_with(&tunables)).severity
    };
    assert_eq!(scan(UserContext::Unknown, ""), Severity::Low);
    assert_eq!(scan(UserContext::Interactive, ""), Severity::Low);
    assert_eq!(scan(UserContext::Daemon, ""), Severity::Medium);
    let config = "[analytics.AN1059]\nUserContext = { interactive = 2, daemon = -1 }";
    assert_eq!(scan(UserContext::Interactive, config), Severity::High);
    assert_eq!(scan(UserContext::Daemon, config), Severity::Low);
}

#[test]
fn command_lines_ask_where_no_connection_shows() {
    let browse = |log_source: LogSource, types: &[&str]| {
        let mut scene = Scene::default();
        for (n, service) in types.iter().enumerate() {
            let dns_sd = process(600 + n as u32, "/usr/bin/dns-sd", 500);
            scene.starts(n as f64, log_source, &dns_sd, &["dns-sd", "-B", service, "local."]);
        }
        scene.judge()
    };
    let finding = only(browse(LogSource::EsProcess, &RARE));
    assert_eq!(finding.origin.level, Level::Lineage);
    assert_eq!(finding.origin.child.unwrap().path.as_deref(), Some("/usr/bin/dns-sd"));
    quiet(browse(LogSource::EsProcess, &RARE[..2]));
    // Who announces services asks for none.
    let mut announces = Scene::default();
    for (n, service) in RARE.iter().enumerate() {
        let dns_sd = process(600 + n as u32, "/usr/bin/dns-sd", 500);
        let words = ["dns-sd", "-R", "build", service, "local.", "8080"];
        announces.starts(n as f64, LogSource::EsProcess, &dns_sd, &words);
    }
    quiet(announces.judge());
    // Asking for all types weighs two, as it does by multicast.
    for (types, found) in [(2, 0), (3, 1)] {
        let mut scene = Scene::default();
        let avahi = process(599, "/opt/homebrew/bin/avahi-browse", 500);
        scene.starts(0.0, LogSource::EsProcess, &avahi, &["avahi-browse", "-art"]);
        for (n, service) in RARE.iter().take(types).enumerate() {
            let avahi = process(600 + n as u32, "/opt/homebrew/bin/avahi-browse", 500);
            scene.starts(1.0, LogSource::EsProcess, &avahi, &["avahi-browse", "-rt", service]);
        }
        assert_eq!(scene.judge().len(), found, "{types} types beside all");
    }
    // On Linux connects are logged: a command line counts for nothing beside them.
    quiet(browse(LogSource::AuditExec, &RARE));

    let tries = |hosts: u32, arguments: &[&str]| {
        let mut scene = Scene::default();
        for n in 0..hosts {
            let nc = process(600 + n, "/usr/bin/nc", 500);
            let target = host(n * 3).to_string();
            let words: Vec<&str> = arguments
                .iter()
                .map(|word| match *word {
                    "HOST" => target.as_str(),
                    word => word,
                })
                .collect();
            scene.starts(f64::from(n), LogSource::OsqueryMacProcess, &nc, &words);
        }
        scene.judge()
    };
    assert_eq!(only(tries(10, &["nc", "-z", "-G", "1", "HOST", "22"])).kind, Kind::Horizontal);
    quiet(tries(9, &["nc", "-z", "-G", "1", "HOST", "22"]));
    quiet(tries(20, &["nc", "HOST", "22"]));
}

#[test]
fn expected_tools_are_suppressed() {
    let tunables: Tunables =
        toml::from_str("[analytics.AN1059]\nScanToolList = ['dns-sd']").unwrap();
    let mut scene = Scene::default();
    for (n, service) in RARE.iter().enumerate() {
        let dns_sd = process(600 + n as u32, "/usr/bin/dns-sd", 500);
        scene.starts(n as f64, LogSource::EsProcess, &dns_sd, &["dns-sd", "-B", service]);
    }
    assert_eq!(only(scene.judge_with(&tunables)).status, Status::Suppressed);
}

#[test]
fn one_enumeration_in_three_logs_is_one_finding() {
    let tool = Process {
        guid: Some("9.1".into()),
        path: Some("/tmp/probe".into()),
        ..process(9, "/tmp/probe", 500)
    };
    let mut scene = Scene::default();
    scene.starts(0.0, LogSource::EsProcess, &tool, &["/tmp/probe"]);
    for (n, service) in RARE.iter().enumerate() {
        let when = 1.0 + n as f64;
        let hash = match *service {
            "_ssh._tcp" => "hash:262b8524".to_string(),
            other => format!("{other}.local"),
        };
        scene.browses(when, Some(&client(9, "probe")), address("::"), &hash);
        scene.browses(when + 0.001, None, address("10.0.0.7"), &format!("{service}.local"));
    }
    let finding = only(scene.judge());
    assert_eq!(finding.origin.process.unwrap().path.as_deref(), Some("/tmp/probe"));
    assert_eq!(finding.origin.address, Some(address("10.0.0.7")));
    let logs: Vec<LogSource> = finding.witnesses.iter().map(|witness| witness.log_source).collect();
    assert_eq!(logs, [LogSource::UnifiedLog, LogSource::MulticastDns]);
    assert_eq!(finding.names.len(), 8);
}

#[test]
fn a_targeted_scan_on_macos_is_judged_like_everywhere_else() {
    let tool = process(9, "/opt/homebrew/bin/probe", 500);
    let actor = Actor { device: Some("mbp".into()), process: Some(tool), container: None };
    let mut scene = Scene::default();
    for n in 0..20_u32 {
        let attempt = crate::scene::Try {
            log_source: LogSource::OsqueryMacSocket,
            ..crate::scene::syn(Address::UNSPECIFIED, host(n * 3), 445).outcome(Outcome::Unanswered)
        };
        scene.by(f64::from(n), &actor, attempt);
    }
    let finding = only(scene.judge());
    assert_eq!((finding.analytic, finding.kind), ("AN1059", Kind::Horizontal));
}
