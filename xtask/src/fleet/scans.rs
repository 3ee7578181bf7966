//! The scans that are planted in the fleet.

use lapwing_event::{Address, Outcome, Protocol, Technique};

use super::hosts::{FIRST_DARK_SERVER, client, server};
use super::processes::Started;
use super::{Day, Plan, Planted};

/// One planned scan: who, when it begins in seconds of the week, how far apart its probes are, and
/// how many.
struct Script {
    name: &'static str,
    sources: fn() -> Vec<Address>,
    by: By,
    starts: f64,
    gap: f64,
    probes: u32,
    /// The `n`th probe: which source, which target, how.
    probe: fn(u32) -> Probe,
}

/// Which log tells of a scan.
#[derive(Clone, Copy)]
enum By {
    /// The network's, by its sources' addresses.
    Network,
    /// The audit log of this computer: one program after the other in a login session, a quarter of them by
    /// processes whose shell has gone.
    Session(&'static str),
    /// The audit log of this computer: a job of cron's, one probe at each run.
    Job(&'static str),
    /// The cluster's network, of this pod.
    Pod(&'static str),
}

struct Probe {
    source: usize,
    target: Address,
    protocol: Protocol,
    port: u16,
    outcome: Outcome,
    technique: Technique,
}

fn tcp(target: Address, port: u16, outcome: Outcome) -> Probe {
    Probe { source: 0, target, protocol: Protocol::Tcp, port, outcome, technique: Technique::Syn }
}

/// Ports in no order, below the dynamic ones.
fn port(n: u32) -> u16 {
    1 + (n * 7919 % 20_011) as u16
}

const DAY: f64 = super::DAY;
const HOUR: f64 = 3600.0;

const SCRIPTS: &[Script] = &[
    Script {
        name: "vertical, 0.4 s apart",
        sources: || vec![client(21)],
        by: By::Network,
        starts: 10.0 * HOUR,
        gap: 0.4,
        probes: 300,
        probe: |n| tcp(server(11), port(n), Outcome::Refused),
    },
    Script {
        name: "vertical, filtered, 1 s apart",
        sources: || vec![client(22)],
        by: By::Network,
        starts: 11.0 * HOUR,
        gap: 1.0,
        probes: 100,
        probe: |n| tcp(server(12), port(n), Outcome::Unanswered),
    },
    Script {
        name: "vertical, nmap -T1, 15 s apart",
        sources: || vec![client(23)],
        by: By::Network,
        starts: DAY + 9.0 * HOUR,
        gap: 15.0,
        probes: 200,
        probe: |n| tcp(server(13), port(n), Outcome::Refused),
    },
    Script {
        name: "vertical, nmap -T0, 5 min apart",
        sources: || vec![client(24)],
        by: By::Network,
        starts: DAY + 2.0 * HOUR,
        gap: 300.0,
        probes: 200,
        probe: |n| tcp(server(14), port(n), Outcome::Refused),
    },
    Script {
        name: "vertical, 20 min apart",
        sources: || vec![client(25)],
        by: By::Network,
        starts: DAY + 1.0 * HOUR,
        gap: 1200.0,
        probes: 300,
        probe: |n| tcp(server(15), port(n), Outcome::Refused),
    },
    Script {
        name: "horizontal, port 445, 0.1 s apart",
        sources: || vec![client(26)],
        by: By::Network,
        starts: 2.0 * DAY + 12.0 * HOUR,
        gap: 0.1,
        probes: 600,
        probe: |n| {
            let live = n % 7 == 0;
            let target = client(n * 389 % 900);
            tcp(target, 445, if live { Outcome::Open } else { Outcome::Unanswered })
        },
    },
    Script {
        name: "horizontal, port 22, 15 min apart",
        sources: || vec![client(27)],
        by: By::Network,
        starts: 2.0 * DAY,
        gap: 900.0,
        probes: 250,
        probe: |n| tcp(client(n * 211 % 900), 22, Outcome::Refused),
    },
    Script {
        name: "horizontal, port 3389, 30 min apart",
        sources: || vec![client(28)],
        by: By::Network,
        starts: 1.0 * DAY,
        gap: 1800.0,
        probes: 200,
        probe: |n| tcp(client(n * 223 % 900), 3389, Outcome::Refused),
    },
    Script {
        name: "dark addresses, an hour apart",
        sources: || vec![client(29)],
        by: By::Network,
        starts: 2.5 * DAY,
        gap: 3600.0,
        probes: 40,
        probe: |n| {
            tcp(server(FIRST_DARK_SERVER + n * 3), 3306 + (n % 3) as u16, Outcome::Unanswered)
        },
    },
    Script {
        name: "block, a grid of 20 hosts and 12 ports",
        sources: || vec![server(33)],
        by: By::Network,
        starts: 3.0 * DAY + 3.0 * HOUR,
        gap: 0.05,
        probes: 240,
        probe: |n| tcp(server(n % 20), 1000 + (n / 20) as u16, Outcome::Refused),
    },
    Script {
        name: "UDP, closed ports",
        sources: || vec![client(31)],
        by: By::Network,
        starts: 3.0 * DAY + 10.0 * HOUR,
        gap: 1.0,
        probes: 100,
        probe: |n| Probe {
            protocol: Protocol::Udp,
            technique: Technique::Udp,
            ..tcp(server(16), port(n), Outcome::Refused)
        },
    },
    Script {
        name: "XMAS",
        sources: || vec![client(32)],
        by: By::Network,
        starts: 3.0 * DAY + 11.0 * HOUR,
        gap: 1.0,
        probes: 50,
        probe: |n| Probe {
            technique: Technique::Xmas,
            ..tcp(server(17), port(n), Outcome::Refused)
        },
    },
    Script {
        name: "ping sweep of a /24",
        sources: || vec![client(34)],
        by: By::Network,
        starts: 4.0 * DAY + 9.0 * HOUR,
        gap: 0.05,
        probes: 254,
        probe: |n| Probe {
            protocol: Protocol::Icmp,
            technique: Technique::Echo,
            ..tcp(server(n), 0, if n < 60 { Outcome::Served } else { Outcome::Unanswered })
        },
    },
    Script {
        name: "ARP sweep of a /24",
        sources: || vec![client(35)],
        by: By::Network,
        starts: 4.0 * DAY + 10.0 * HOUR,
        gap: 0.02,
        probes: 254,
        probe: |n| Probe {
            protocol: Protocol::Arp,
            technique: Technique::ArpRequest,
            ..tcp(
                client(n % 250),
                0,
                if n % 3 == 0 { Outcome::Served } else { Outcome::Unanswered },
            )
        },
    },
    Script {
        name: "distributed, 16 sources, 20 ports each",
        sources: || (0..16).map(|n| Address::from([198, 51, 100, n + 1])).collect(),
        by: By::Network,
        starts: 4.0 * DAY + 15.0 * HOUR,
        gap: 0.1,
        probes: 320,
        probe: |n| Probe {
            source: (n % 16) as usize,
            ..tcp(server(18), 1 + n as u16, Outcome::Refused)
        },
    },
    Script {
        name: "decoys, 8 of them",
        sources: || (40..49).map(client).collect(),
        by: By::Network,
        starts: 5.0 * DAY + 9.0 * HOUR,
        gap: 0.02,
        probes: 900,
        probe: |n| {
            let real = n % 9 == 4;
            let outcome = if real { Outcome::Refused } else { Outcome::Unanswered };
            Probe { source: (n % 9) as usize, ..tcp(server(19), port(n / 9), outcome) }
        },
    },
    Script {
        name: "services that answer, in order, each once",
        sources: || vec![client(36)],
        by: By::Network,
        starts: 5.0 * DAY + 14.0 * HOUR,
        gap: 0.5,
        probes: 40,
        probe: |n| tcp(server(n), 8443, Outcome::Served),
    },
    Script {
        name: "mixed with known-good hosts",
        sources: || vec![client(37)],
        by: By::Network,
        starts: 5.0 * DAY + 16.0 * HOUR,
        gap: 1.0,
        probes: 80,
        probe: |n| match n % 2 {
            0 => tcp(server(10), 443, Outcome::Served),
            _ => tcp(client(100 + n * 3), 5985, Outcome::Refused),
        },
    },
    Script {
        name: "by hand in a login session, 40 s apart",
        sources: Vec::new,
        by: By::Session("app03"),
        starts: 2.0 * DAY + 14.0 * HOUR,
        gap: 40.0,
        probes: 60,
        probe: |n| tcp(server(12), 20 + n as u16 * 7, Outcome::Refused),
    },
    Script {
        name: "cron job, one host at each run, 10 min apart",
        sources: Vec::new,
        by: By::Job("app06"),
        starts: 1.5 * DAY,
        gap: 600.0,
        probes: 300,
        probe: |n| tcp(client(n * 227 % 900), 445, Outcome::Refused),
    },
    Script {
        name: "pod, block, dropped by policy",
        sources: Vec::new,
        by: By::Pod("batch-7d9f"),
        starts: 3.0 * DAY + 15.0 * HOUR,
        gap: 0.2,
        probes: 200,
        probe: |n| {
            let target = Address::from([10, 244, 1 + (n % 3) as u8, (n * 7 % 200) as u8]);
            tcp(target, [22, 80, 6379, 8080, 9200][n as usize % 5], Outcome::Refused)
        },
    },
];

/// The scans that fit in the plan.
pub(super) fn planned(plan: Plan) -> Vec<Planted> {
    let end = f64::from(plan.days) * DAY;
    SCRIPTS
        .iter()
        .filter(|script| script.starts < end)
        .map(|script| Planted {
            name: script.name,
            sources: (script.sources)(),
            device: match script.by {
                By::Network => None,
                By::Session(name) | By::Job(name) | By::Pod(name) => Some(name),
            },
            probes: 0,
            found_after: None,
        })
        .collect()
}

/// Adds the probes of this day.
pub(super) fn probe(day: &mut Day, planted: &mut [Planted]) {
    let begins = f64::from(day.number) * DAY;
    for scan in planted {
        let Some(script) = SCRIPTS.iter().find(|script| script.name == scan.name) else {
            continue;
        };
        for n in 0..script.probes {
            // Whoever waits does not wait to the second.
            let jitter = (day.rng.f64() - 0.5) * script.gap * 0.2;
            let seconds = script.starts + f64::from(n) * script.gap + jitter - begins;
            if !(0.0..DAY).contains(&seconds) {
                continue;
            }
            let Probe { source, target, protocol, port, outcome, technique } = (script.probe)(n);
            match script.by {
                By::Network => {
                    let from = scan.sources[source];
                    day.flow_by(seconds, from, target, (protocol, port), outcome, technique);
                }
                By::Session(device) => {
                    let program = ["nc", "curl", "telnet", "openssl", "bash"][n as usize % 5];
                    let process = Started {
                        pid: 20_000 + n,
                        parent: if n % 4 == 3 { 1 } else { 900 },
                        session: 77,
                        terminal: true,
                        command: &[program, "somewhere"],
                    };
                    day.connect(seconds, device, &process, (target, port), outcome);
                }
                By::Job(device) => {
                    let pid = 60_000 + n * 5;
                    let job = |pid, parent, command| Started {
                        pid,
                        parent,
                        session: 5000 + u64::from(n),
                        terminal: false,
                        command,
                    };
                    day.start(seconds, device, &job(pid, pid - 1, &["sh", "-c", "/var/tmp/.r"]));
                    let probe = job(pid + 1, pid, &["nc", "-w1", "somewhere"]);
                    day.connect(seconds + 0.1, device, &probe, (target, port), outcome);
                }
                By::Pod(name) => {
                    let own = Address::from([10, 244, 9, 9]);
                    day.of_pod(seconds, (name, own), (target, port), outcome);
                }
            }
            scan.probes += 1;
        }
    }
}
