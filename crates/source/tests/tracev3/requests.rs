//! mDNSResponder's messages of clients' requests, in the texts of its versions.

use crate::compose::{Argument, Message};

/// When the Mac was started: 2026-03-12 08:00:00 UTC, in nanoseconds.
pub const BOOTED: i64 = 1_773_302_400_000_000_000;

/// Texts as versions of 2025 and of macOS 26 have them (strings of the program).
pub const TEXTS: [&str; 6] = [
    "mDNSResponder-2881 (built) starting",
    "[R%u] DNSServiceBrowse START -- service type: %{sensitive, mask.hash, mdnsresponder:domain_name}.*P, domain: %{sensitive, mask.hash}s, flags: 0x%X, interface index: %d, client pid: %d (%{public}s), ",
    "[R%u] DNSServiceBrowse -> SubBrowser START -- qname: %{sensitive, mask.hash, mdnsresponder:domain_name}.*P (%x)",
    "[R%u] DNSServiceBrowse STOP -- name hash: %x, duration: %{mdns:time_duration}u",
    "[R%u] DNSServiceBrowse START -- service type: %{sensitive, mdnsresponder:domain_name}.*P %{mdns:dn_hash}u, domain: %{sensitive}s %{mdns:dn_hash}u, flags: 0x%X, interface index: %d, client pid: %d (%{public}s), name hash: %{public, mdns:dn_hash}u",
    "[R%u] DNSServiceBrowse STOP -- name hash: %{public, mdns:dn_hash}u, duration: %{mdns:time_duration}u",
];

/// How a version writes names.
#[derive(Clone, Copy)]
pub enum Form {
    /// By a mask, with the hash on later lines.
    Hash,
    /// Not at all, with the hash on each line.
    Sensitive,
}

/// A browse for a service type, from its start to its stop.
#[derive(Clone, Copy)]
pub struct Request {
    pub form: Form,
    pub id: u32,
    pub pid: u32,
    pub client: &'static str,
    pub name: &'static str,
    /// Since the boot.
    pub at_ms: u64,
    pub lasts_ms: u64,
}

/// FNV-1a of 32 bits over a name as it is sent (mDNSCore/DNSCommon.c of mDNSResponder).
fn name_hash(name: &str) -> u32 {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(label.len() as u8);
        wire.extend(label.to_ascii_lowercase().bytes());
    }
    wire.push(0);
    wire.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The messages of a request.
pub fn asked(request: &Request) -> Vec<Message> {
    use Argument::{Hidden, HiddenText, Masked, MaskedText, Number, Text};
    let hash = name_hash(request.name);
    let mut mask = [0x5a; 16];
    mask[..4].copy_from_slice(&hash.to_be_bytes());
    let at = |ms: u64| (request.at_ms + ms) * 24_000;
    let (id, client) = (Number(request.id), Text(request.client.to_string()));
    let duration = Number((request.lasts_ms / 1000) as u32);
    let message = |text, ms, arguments| Message { text, ticks: at(ms), arguments };
    let tail = [Number(0), Number(0), Number(request.pid), client];
    match request.form {
        Form::Hash => vec![
            message(1, 0, [&[id.clone(), Masked(mask), MaskedText([1; 16])], &tail[..]].concat()),
            message(2, 1, vec![id.clone(), Masked(mask), Number(hash)]),
            message(3, request.lasts_ms, vec![id, Number(hash), duration]),
        ],
        Form::Sensitive => {
            let names = [id.clone(), Hidden, Number(hash), HiddenText, Number(0x1b71_2a43)];
            vec![
                message(4, 0, [&names, &tail[..], &[Number(hash)]].concat()),
                message(5, request.lasts_ms, vec![id, Number(hash), duration]),
            ]
        }
    }
}

/// Types that nobody's devices ask for all day.
const TYPES: [&str; 12] = [
    "_ssh._tcp.local",
    "_sftp-ssh._tcp.local",
    "_telnet._tcp.local",
    "_rdp._tcp.local",
    "_http._tcp.local",
    "_nfs._tcp.local",
    "_ftp._tcp.local",
    "_workstation._tcp.local",
    "_mysql._tcp.local",
    "_postgresql._tcp.local",
    "_vnc._tcp.local",
    "_ldap._tcp.local",
];

/// What households' agents ask for, again and again.
const ROUTINE: [(&str, u32, &str); 6] = [
    ("AirPlayXPCHelper", 310, "_airplay._tcp.local"),
    ("AirPlayXPCHelper", 310, "_raop._tcp.local"),
    ("rapportd", 402, "_companion-link._tcp.local"),
    ("sharingd", 421, "_airdrop._tcp.local"),
    ("cupsd", 517, "_ipp._tcp.local"),
    ("Google Chrome", 880, "_googlecast._tcp.local"),
];

/// The scenarios, by the names of their folders: a program that asks for many types, among the
/// household's, and its twin that asks for few.
pub fn scenarios() -> Vec<(&'static str, Vec<Request>)> {
    let routine = ROUTINE.iter().enumerate().map(|(at, &(client, pid, name))| Request {
        form: Form::Hash,
        id: 100 + at as u32,
        pid,
        client,
        name,
        at_ms: 60_000 + 7_000 * at as u64,
        lasts_ms: 3_000,
    });
    let asking = |count: usize| -> Vec<Request> {
        let asks = TYPES.iter().take(count).enumerate().map(|(at, &name)| Request {
            form: [Form::Hash, Form::Sensitive][at % 2],
            id: 200 + at as u32,
            pid: 4242,
            client: "python3.12",
            name,
            at_ms: 120_000 + 1_300 * at as u64,
            lasts_ms: 1_000,
        });
        routine.clone().chain(asks).collect()
    };
    vec![("logarchive-enumeration", asking(12)), ("benign-logarchive-few-types", asking(4))]
}
