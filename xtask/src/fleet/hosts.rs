//! The fleet at its work: who is there, and what a day of theirs looks like.

use fastrand::Rng;
use lapwing_event::{Address, Outcome, Protocol};

use super::{Day, Plan};

/// The approved scanner, on the allow-list.
pub(super) const APPROVED_SCANNER: &str = "10.20.250.9";

/// How many servers there are, after which desktops begin.
const SERVERS: u32 = 60;
/// Hosts of the servers' subnet that nobody holds.
pub(super) const FIRST_DARK_SERVER: u32 = 100;

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Desktop,
    Laptop,
    /// A peer-to-peer client beside a desktop's work.
    Peer,
    /// Many clients behind one address.
    Gateway,
}

/// The hosts.
pub(super) struct Fleet {
    plan: Plan,
}

/// A server's address: one /24.
pub(super) fn server(number: u32) -> Address {
    Address::from([10, 20, 0, (number % 254 + 1) as u8])
}

/// A client's address: one of four /22s of desktops.
pub(super) fn client(number: u32) -> Address {
    Address::from([10, 20, 16 + (number / 250) as u8, (number % 250 + 1) as u8])
}

/// An outside host; few of them are most of the traffic.
fn site(rng: &mut Rng) -> Address {
    let rank = (5000_f64.powf(rng.f64()) as u32).wrapping_mul(0x9e37_79b1);
    let [a, b, c, d] = rank.to_be_bytes();
    Address::from([23 + a % 150, b, c, d])
}

/// An outside host from anywhere.
fn anywhere(rng: &mut Rng) -> Address {
    Address::from([rng.u8(23..223), rng.u8(..), rng.u8(..), rng.u8(1..255)])
}

impl Fleet {
    pub(super) fn new(plan: Plan) -> Fleet {
        Fleet { plan }
    }

    fn clients(&self) -> u32 {
        self.plan.hosts.saturating_sub(SERVERS)
    }

    fn role(number: u32) -> Role {
        match number {
            3 | 57 | 201 | 333 => Role::Peer,
            11 | 12 => Role::Gateway,
            number if number % 5 == 4 => Role::Laptop,
            _ => Role::Desktop,
        }
    }

    /// One day of everyone.
    pub(super) fn live(&self, day: &mut Day) {
        for number in 0..self.clients() {
            self.desk(day, number);
            match Fleet::role(number) {
                Role::Laptop => wake(day, number),
                Role::Peer => peer(day, number),
                Role::Gateway => gateway(day, number),
                Role::Desktop => {}
            }
        }
        monitor(day);
        self.directory(day);
        self.inventory(day);
        backup(day);
        orchestrator(day);
        resolver(day);
        mail_relay(day);
        crawler(day);
        balancer(day);
        approved_scan(day);
        self.internet(day);
    }

    /// A desk's day: names, the directory, files, mail, the web, a printer.
    fn desk(&self, day: &mut Day, number: u32) {
        let own = client(number);
        let off = day.rng.f64() < 0.1;
        if off {
            return;
        }
        let arrives = day.rng.f64() * 2.0 + 7.5;
        let at = |rng: &mut Rng| (arrives + rng.f64() * 8.5) * 3600.0;
        for _ in 0..12 {
            let when = at(&mut day.rng);
            let resolver = server(2 + day.rng.u32(0..2));
            day.flow(when, own, resolver, Protocol::Udp, 53, Outcome::Served);
        }
        for port in [88, 389, 445, 135] {
            let when = arrives * 3600.0 + day.rng.f64() * 60.0;
            day.flow(when, own, server(0), Protocol::Tcp, port, Outcome::Served);
        }
        for _ in 0..day.rng.u32(2..6) {
            // UP-12: dynamic ports of the directory, a few a day each.
            let (when, port) = (at(&mut day.rng), day.rng.u16(49_152..49_800));
            day.flow(when, own, server(0), Protocol::Tcp, port, Outcome::Served);
        }
        for _ in 0..day.rng.u32(4..10) {
            let (when, port) = (at(&mut day.rng), [445, 993, 8080, 443, 5432][day.rng.usize(0..5)]);
            let target = server(10 + day.rng.u32(0..12));
            let outcome = if day.rng.f64() < 0.02 { Outcome::Refused } else { Outcome::Served };
            day.flow(when, own, target, Protocol::Tcp, port, outcome);
        }
        for _ in 0..day.rng.u32(30..90) {
            let (when, target) = (at(&mut day.rng), site(&mut day.rng));
            let outcome = match day.rng.f64() {
                lot if lot < 0.03 => Outcome::Unanswered,
                lot if lot < 0.04 => Outcome::Refused,
                _ => Outcome::Served,
            };
            day.flow(when, own, target, Protocol::Tcp, 443, outcome);
        }
        let printer = server(40 + number % 6);
        let when = at(&mut day.rng);
        let outcome = if number.is_multiple_of(6) { Outcome::Unanswered } else { Outcome::Served };
        day.flow(when, own, printer, Protocol::Tcp, 9100, outcome);
    }

    /// The directory goes through clients, some of which are off for days.
    fn directory(&self, day: &mut Day) {
        for number in 0..self.clients().min(500) {
            let target = client(number * 197 % self.clients());
            let off = day.rng.f64() < 0.13;
            for port in [135, 445] {
                let when = day.rng.f64() * 80_000.0;
                let outcome = if off { Outcome::Unanswered } else { Outcome::Served };
                day.flow(when, server(0), target, Protocol::Tcp, port, outcome);
            }
        }
    }

    /// Software distribution: all clients in turn, at noon.
    fn inventory(&self, day: &mut Day) {
        for number in 0..self.clients() {
            let when = 43_200.0 + f64::from(number) * 3.0;
            let off = day.rng.f64() < 0.12;
            let outcome = if off { Outcome::Unanswered } else { Outcome::Served };
            day.flow(when, server(5), client(number), Protocol::Tcp, 8530, outcome);
        }
    }

    /// The internet's background at the public servers: bots with one port each, and repeats.
    fn internet(&self, day: &mut Day) {
        for _ in 0..3000 {
            let (when, bot) = (day.rng.f64() * 86_400.0, anywhere(&mut day.rng));
            let target = server(day.rng.u32(0..30));
            let port = [23, 22, 3389, 445, 80, 8080, 5060, 2323][day.rng.usize(0..8)];
            day.flow(when, bot, target, Protocol::Tcp, port, Outcome::Unanswered);
        }
    }
}

/// A laptop that wakes on another network: what it had open fails all at once. Now and then it has another
/// address there, and asks from it for the servers of its desk.
fn wake(day: &mut Day, number: u32) {
    if day.rng.f64() < 0.5 {
        return;
    }
    let start = (8.0 + day.rng.f64() * 9.0) * 3600.0;
    if day.rng.f64() < 0.3 {
        let elsewhere =
            Address::from([10, 20, 60 + (number / 250) as u8, (number % 250 + 1) as u8]);
        for _ in 0..day.rng.u32(15..40) {
            let when = start + day.rng.f64() * 90.0;
            let port = [445, 993, 8080, 443, 5432][day.rng.usize(0..5)];
            let target = server(10 + day.rng.u32(0..12));
            day.flow(when, elsewhere, target, Protocol::Tcp, port, Outcome::Unanswered);
        }
    }
    for _ in 0..40 {
        let (when, target) = (start + day.rng.f64() * 20.0, site(&mut day.rng));
        day.flow(when, client(number), target, Protocol::Tcp, 443, Outcome::Unanswered);
    }
}

/// A peer-to-peer client in the evening: one port a peer, more than half of them gone.
fn peer(day: &mut Day, number: u32) {
    for _ in 0..500 {
        let when = 61_200.0 + day.rng.f64() * 18_000.0;
        let (target, port) = (anywhere(&mut day.rng), day.rng.u16(1025..65_000));
        let outcome = match day.rng.f64() {
            lot if lot < 0.55 => Outcome::Unanswered,
            lot if lot < 0.62 => Outcome::Refused,
            _ => Outcome::Served,
        };
        day.flow(when, client(number), target, Protocol::Tcp, port, outcome);
    }
}

/// Two hundred clients behind one address.
fn gateway(day: &mut Day, number: u32) {
    for _ in 0..9000 {
        let (when, target) = (day.rng.f64() * 86_400.0, site(&mut day.rng));
        let outcome = if day.rng.f64() < 0.05 { Outcome::Unanswered } else { Outcome::Served };
        let port = if day.rng.f64() < 0.03 { 8443 } else { 443 };
        day.flow(when, client(number), target, Protocol::Tcp, port, outcome);
    }
}

/// A monitor: all servers and printers every ten minutes, some of which are dead, and an outage of
/// all of them for an hour on the fourth day.
fn monitor(day: &mut Day) {
    for round in 0..144_u32 {
        for number in 0..SERVERS {
            let when = f64::from(round) * 600.0 + f64::from(number) * 0.5;
            let outage = day.number == 3 && (60..66).contains(&round);
            let dead = number % 17 == 5;
            let outcome = if outage || dead { Outcome::Unanswered } else { Outcome::Served };
            day.flow(when, server(50), server(number), Protocol::Tcp, 9100, outcome);
        }
    }
}

/// A backup: every server each night, in order, at no fixed minute.
fn backup(day: &mut Day) {
    let start = 3600.0 + day.rng.f64() * 7200.0;
    for number in 0..SERVERS {
        let when = start + f64::from(number) * 20.0;
        day.flow(when, server(51), server(number), Protocol::Tcp, 445, Outcome::Served);
    }
}

/// An orchestrator: a group of servers over SSH, several times a day, in its inventory's order.
fn orchestrator(day: &mut Day) {
    for _ in 0..4 {
        let start = (9.0 + day.rng.f64() * 8.0) * 3600.0;
        let group = day.rng.u32(0..5) * 12;
        for number in 0..12 {
            let when = start + f64::from(number) * 1.5;
            let target = server(group + number);
            day.flow(when, server(52), target, Protocol::Tcp, 22, Outcome::Served);
        }
    }
}

/// A recursive resolver: thousands of name servers, one in twelve silent.
fn resolver(day: &mut Day) {
    for _ in 0..6000 {
        let (when, target) = (day.rng.f64() * 86_400.0, anywhere(&mut day.rng));
        let outcome = if day.rng.f64() < 0.08 { Outcome::Unanswered } else { Outcome::Served };
        day.flow(when, server(2), target, Protocol::Udp, 53, outcome);
    }
}

/// A mail relay: outside mail servers, one in ten gone.
fn mail_relay(day: &mut Day) {
    for _ in 0..800 {
        let (when, target) = (day.rng.f64() * 86_400.0, anywhere(&mut day.rng));
        let outcome = match day.rng.f64() {
            lot if lot < 0.07 => Outcome::Unanswered,
            lot if lot < 0.1 => Outcome::Refused,
            _ => Outcome::Served,
        };
        day.flow(when, server(7), target, Protocol::Tcp, 25, outcome);
    }
}

/// A crawler: sites from all over, one in ten dead.
fn crawler(day: &mut Day) {
    for _ in 0..4000 {
        let (when, target) = (day.rng.f64() * 86_400.0, anywhere(&mut day.rng));
        let outcome = if day.rng.f64() < 0.1 { Outcome::Unanswered } else { Outcome::Served };
        let port = if day.rng.bool() { 443 } else { 80 };
        day.flow(when, server(8), target, Protocol::Tcp, port, outcome);
    }
}

/// A load balancer: eight backends all the time, two of them down since noon; and whom it serves.
fn balancer(day: &mut Day) {
    for _ in 0..2000 {
        let (when, own) = (day.rng.f64() * 86_400.0, client(day.rng.u32(0..900)));
        day.flow(when, own, server(9), Protocol::Tcp, 443, Outcome::Served);
    }
    for round in 0..1440_u32 {
        for backend in 0..8 {
            let when = f64::from(round) * 60.0 + f64::from(backend) * 0.1;
            let down = backend < 2 && when > 43_200.0;
            let outcome = if down { Outcome::Refused } else { Outcome::Served };
            day.flow(when, server(9), server(20 + backend), Protocol::Tcp, 8080, outcome);
        }
    }
}

/// The approved scanner, each night: all ports that matter of all servers.
fn approved_scan(day: &mut Day) {
    let Ok(scanner) = APPROVED_SCANNER.parse() else { return };
    let ports = [21, 22, 23, 25, 80, 110, 135, 139, 143, 443, 445, 1433, 3306, 3389, 5432, 8080];
    for number in 0..SERVERS {
        for (at, port) in ports.into_iter().enumerate() {
            let when = 7200.0 + f64::from(number) * 4.0 + at as f64 * 0.2;
            let outcome = if day.rng.f64() < 0.8 { Outcome::Refused } else { Outcome::Open };
            day.flow(when, scanner, server(number), Protocol::Tcp, port, outcome);
        }
    }
}
