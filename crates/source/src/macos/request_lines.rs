//! One line of mDNSResponder about a client's request, in the forms of its versions:
//!
//! - `  18: DNSServiceBrowse("_ssh._tcp.", "local.") START PID[97](dns-sd)`, without a client before macOS
//!   10.9, with flags and an interface (`DNSServiceQueryRecord(15000, 0, name., PTR) START …`) from then on;
//! - `[R12] DNSServiceBrowse(15000, 0, "<mask.hash: 'x=='>", "<…>") START PID[97](dns-sd)`, macOS 10.12 to 12;
//! - `[R12] DNSServiceBrowse START -- service type: <mask.hash: 'x=='>, …, client pid: 97 (dns-sd), `, macOS
//!   13 and later, with `name hash: 262b8524` on other lines of the request;
//! - the same with `<private> 640386340` and with a hash on each line, macOS 26.

/// What a client asked mDNSResponder to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// To find the instances of a service type.
    Browse,
    /// To find records of a name.
    Query,
}

/// How far the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Start,
    /// It goes on: what it asks in turn, what was found.
    Within,
    Stop,
}

/// A name as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// With its domain, without the last dot.
    Name(String),
    /// What stands for a name that is masked.
    Mask(String),
}

/// A line about a request that may enumerate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'t> {
    /// The request's number, in versions that tell it.
    pub(super) request: Option<u64>,
    pub(super) operation: Operation,
    pub(super) phase: Phase,
    /// Whether it asks for records that enumerate: a browse does, a query for an address does not. Known at
    /// its start.
    pub(super) asks: bool,
    pub(super) shown: Option<Shown>,
    /// The digits of the name's hash.
    pub(super) hash: Option<&'t str>,
    /// Process id and name.
    pub(super) client: Option<(u32, String)>,
}

impl<'t> Line<'t> {
    /// Reads a line; `None` where it is about something else.
    pub(super) fn read(text: &'t str) -> Option<Line<'t>> {
        let (operation, name) =
            [(Operation::Browse, "DNSServiceBrowse"), (Operation::Query, "DNSServiceQueryRecord")]
                .into_iter()
                .find(|(_, name)| text.contains(name))?;
        let (before, rest) = text.split_once(name)?;
        // What is found, and the search for domains, tell nothing of what is asked.
        let aside = ["result --", "RESULT", "domain enumeration"];
        let line = Line {
            request: request(before),
            operation,
            phase: Phase::Within,
            asks: true,
            shown: None,
            hash: None,
            client: client(rest),
        };
        if aside.iter().any(|word| rest.contains(word)) {
            return Some(line);
        }
        match rest.strip_prefix('(') {
            Some(rest) => line.call(rest),
            None => Some(line.described(rest)),
        }
    }

    /// `DNSServiceBrowse(flags, interface, "type", "domain") START …`.
    fn call(mut self, rest: &'t str) -> Option<Line<'t>> {
        let (inside, phase) = [(") START", Phase::Start), (") STOP", Phase::Stop)]
            .into_iter()
            .find_map(|(end, phase)| Some((rest.split_once(end)?.0, phase)))?;
        self.phase = phase;
        let is_number = |field: &&str| field.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Flags and interface, in versions that tell them; neither a type nor a name is a number.
        let fields: Vec<&str> = inside.split(", ").skip_while(is_number).collect();
        let field = fields.first()?.trim_matches('"');
        let (name, hash) = match field.strip_suffix(')').and_then(|field| field.rsplit_once('(')) {
            Some((name, hash)) => (name, Some(hash)),
            None => (field, None),
        };
        self.hash = hash;
        self.shown = shown(name);
        self.asks = self.operation == Operation::Browse
            || fields.get(1).is_some_and(|kind| enumerates(kind.trim_matches(['"', ' '])));
        Some(self)
    }

    /// `DNSServiceBrowse START -- service type: …, client pid: 97 (dns-sd), name hash: 262b8524`.
    fn described(mut self, rest: &'t str) -> Line<'t> {
        let start = rest.trim_start();
        self.phase = match start {
            _ if start.starts_with("START") => Phase::Start,
            _ if start.starts_with("STOP") => Phase::Stop,
            _ => Phase::Within,
        };
        self.asks =
            self.operation == Operation::Browse || value(rest, "qtype: ").is_none_or(enumerates);
        let keys = ["service type: ", "service name: ", "qname: "];
        self.shown = keys.iter().find_map(|key| shown(rest.split_once(key)?.1.split(", ").next()?));
        let bracketed = || rest.split_once("'> (")?.1.split(')').next();
        self.hash = value(rest, "name hash: ").or_else(bracketed);
        self
    }
}

/// Whether records of this type list others. Those of a service instance (SRV, TXT) and of a host do not.
fn enumerates(kind: &str) -> bool {
    matches!(kind, "PTR" | "12" | "ANY" | "255")
}

/// The number in `[R20812] ` or `[R20812->Q27739] `.
fn request(before: &str) -> Option<u64> {
    let (_, number) = before.rsplit_once("[R")?;
    let end = number.find(|c: char| !c.is_ascii_digit())?;
    number[..end].parse().ok()
}

/// What follows a key, up to the next comma or blank.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(key)?;
    rest.split([',', ' ']).next().filter(|value| !value.is_empty())
}

/// What a name's place shows: the name, a mask, or nothing. A hash may follow it.
fn shown(text: &str) -> Option<Shown> {
    if let Some(mask) = text.strip_prefix("<mask.hash: '") {
        return mask.split_once('\'').map(|(mask, _)| Shown::Mask(mask.to_string()));
    }
    let name = text.split(' ').next()?.trim_matches(['"', '.']);
    if name.is_empty() || name.starts_with('<') {
        return None;
    }
    // A type without a domain is asked for in the default one.
    let bare = name.ends_with("._tcp") || name.ends_with("._udp");
    Some(Shown::Name(if bare { format!("{name}.local") } else { name.to_string() }))
}

/// `client pid: 19386 (dns-sd)`, in older versions `PID[19386](dns-sd)`.
fn client(text: &str) -> Option<(u32, String)> {
    let new = text.split_once("client pid: ").and_then(|(_, rest)| rest.split_once(" ("));
    let old = || text.split_once("PID[").and_then(|(_, rest)| rest.split_once("]("));
    let (pid, rest) = new.or_else(old)?;
    let name = rest.split(')').next()?;
    Some((pid.trim().parse().ok()?, name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operation, phase, whether it asks, name, hash and client of a line, as text.
    fn read(text: &str) -> String {
        let Some(line) = Line::read(text) else { return "none".to_string() };
        let shown = match line.shown {
            Some(Shown::Name(name)) => name,
            Some(Shown::Mask(mask)) => format!("mask:{mask}"),
            None => "-".to_string(),
        };
        let client = line.client.map_or("-".to_string(), |(pid, name)| format!("{pid} {name}"));
        let asks = if line.asks { "asks" } else { "asks not" };
        let (operation, phase, hash) = (line.operation, line.phase, line.hash.unwrap_or("-"));
        let request = line.request.map_or("-".to_string(), |number| number.to_string());
        format!("{request} {operation:?} {phase:?} {asks} {shown} {hash} {client}")
    }

    #[test]
    fn every_versions_lines_are_read() {
        for (text, expected) in [
            // mDNSResponder-170 (2008) and -333.
            (
                " 18: DNSServiceBrowse(\"_ssh._tcp.\", \"local.\") START",
                "- Browse Start asks _ssh._tcp.local - -",
            ),
            (
                " 18: DNSServiceBrowse(_ssh._tcp.local.) START PID[9731](dns-sd)",
                "- Browse Start asks _ssh._tcp.local - 9731 dns-sd",
            ),
            (
                " 18: DNSServiceQueryRecord(15000, 0, mybox.example.net., Addr) START PID[4128]()",
                "- Query Start asks not mybox.example.net - 4128 ",
            ),
            // macOS 10.12 to 12.
            (
                "[R12] DNSServiceBrowse(15000, 0, \"<mask.hash: 'aB=='>\", \"<mask.hash: 'x'>\") START PID[97](dns-sd)",
                "12 Browse Start asks mask:aB== - 97 dns-sd",
            ),
            (
                "[R12] DNSServiceBrowse(15000, 0, \"_rfb._tcp.local.\") STOP PID[97](dns-sd)",
                "12 Browse Stop asks _rfb._tcp.local - 97 dns-sd",
            ),
            (
                "[R2114] DNSServiceQueryRecord(15000, 0, api.onedrive.com, Addr) START PID[9153](rclone)",
                "2114 Query Start asks not api.onedrive.com - 9153 rclone",
            ),
            (
                "[R12] DNSServiceQueryRecord(1D000, 0, <mask.hash: '/t=='>(262b8524), PTR) START PID[97](x)",
                "12 Query Start asks mask:/t== 262b8524 97 x",
            ),
            // macOS 13 and later.
            (
                "[R12] DNSServiceBrowse START -- service type: <mask.hash: 'aB=='>, domain: <mask.hash: 'x'>, \
                 flags: 0x0, interface index: 0, client pid: 97 (dns-sd), ",
                "12 Browse Start asks mask:aB== - 97 dns-sd",
            ),
            (
                "[R12] DNSServiceBrowse -> SubBrowser START -- qname: <mask.hash: 'n'> (262b8524)",
                "12 Browse Within asks mask:n 262b8524 -",
            ),
            (
                "[R12->mDNS] DNSServiceBrowse result -- event: add, name: <mask.hash: 'n'> (262b8524)",
                "12 Browse Within asks - - -",
            ),
            (
                "[R12] DNSServiceBrowse Cancel domain enumeration for WAB and mDNS -- name hash: 1, duration: 2s",
                "12 Browse Within asks - - -",
            ),
            (
                "[R12] DNSServiceQueryRecord START -- qname: <private>, qtype: SRV, client pid: 1 (x), name hash: 1",
                "12 Query Start asks not - 1 1 x",
            ),
            // macOS 26.
            (
                "[R12] DNSServiceBrowse START -- service type: <private> 640386340, domain: <private> 1, flags: \
                 0x0, interface index: 0, client pid: 97 (dns-sd), name hash: 640386340",
                "12 Browse Start asks - 640386340 97 dns-sd",
            ),
            (
                "[R12] DNSServiceBrowse START -- service type: _ssh._tcp. 640386340, domain: , flags: 0x0, \
                 client pid: 97 (dns-sd), name hash: 640386340",
                "12 Browse Start asks _ssh._tcp.local 640386340 97 dns-sd",
            ),
            (
                "[R12] DNSServiceBrowse STOP -- name hash: 640386340",
                "12 Browse Stop asks - 640386340 -",
            ),
            ("[R12] DNSServiceGetAddrInfo START -- hostname: <private>", "none"),
            ("DNSServiceBrowse(", "none"),
            ("DNSServiceBrowse() START", "none"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
