//! What is expected: entries that say who may scan, and patterns of tools.

mod pattern;

use std::fmt;
use std::sync::{Arc, OnceLock};

use lapwing_event::{Address, Prefix, Timestamp};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

pub use pattern::{Pattern, Patterns};

/// One entry of an allow-list: who may scan what, when, how fast, and on whose word.
///
/// In configuration a bare text is short for `{ path = TEXT }` in a list of programs and for
/// `{ source = TEXT }` in a list of sources. Fields that are given must all match.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Expected {
    /// What to call the entry in findings; by default its path or source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The program: a short name (`nmap.exe`) or a path with `*`, `?`, `[…]`; case is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Glob>,
    /// The container's image as its log names it, with `*`, `?`, `[…]`; case is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Glob>,
    /// The Kubernetes namespace that it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A hash that the record must show, in any of its algorithms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Who signed the program, as its log says it (an Apple team, a signing id); case is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The scanning host: an address, a CIDR, or a computer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Place>,
    /// Where every target must lie.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination: Vec<Network>,
    /// Ports that every probe must be among.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// When, in UTC, as `HH:MM-HH:MM`; may run past midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// First contacts a second that the scan must not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_rate: Option<f64>,
    /// The day after which the entry holds no more, as `YYYY-MM-DD` (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Day>,
    /// Who answers for the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Why it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Expected {
    /// What findings call the entry.
    pub fn label(&self) -> String {
        let path = self.path.as_ref().map(|path| path.text.clone());
        let source = self.source.as_ref().map(Place::to_string);
        let image = self.image.as_ref().map(|image| image.text.clone());
        let known = self.name.clone().or(path).or(source).or(image);
        let program = self.signer.clone().or_else(|| self.hash.clone());
        known.or(program).unwrap_or_default()
    }

    fn checked(self) -> Result<Expected, String> {
        let program = self.path.is_some() || self.hash.is_some() || self.signer.is_some();
        if !program && self.image.is_none() && self.source.is_none() {
            return Err(
                "an entry must name a path, an image, a hash, a signer or a source: without one it would hide \
                 every scan"
                    .to_string(),
            );
        }
        match self.maximum_rate {
            Some(rate) if rate.is_nan() || rate <= 0.0 => {
                Err("maximum_rate must be above 0 contacts a second".to_string())
            }
            _ => Ok(self),
        }
    }
}

/// The table form of [`Expected`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedTable {
    name: Option<String>,
    path: Option<Glob>,
    image: Option<Glob>,
    namespace: Option<String>,
    hash: Option<String>,
    signer: Option<String>,
    source: Option<Place>,
    #[serde(default)]
    destination: Vec<Network>,
    #[serde(default)]
    ports: Vec<u16>,
    schedule: Option<Schedule>,
    maximum_rate: Option<f64>,
    expiry: Option<Day>,
    owner: Option<String>,
    reason: Option<String>,
}

/// Reads a list of entries whose bare texts are programs.
pub(crate) fn programs<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Expected>, D::Error> {
    let items = Vec::<Item<false>>::deserialize(list)?;
    Ok(items.into_iter().map(|item| item.0).collect())
}

/// Reads a list of entries whose bare texts are sources.
pub(crate) fn sources<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Expected>, D::Error> {
    let items = Vec::<Item<true>>::deserialize(list)?;
    Ok(items.into_iter().map(|item| item.0).collect())
}

/// An entry as text or table; a bare text is a source or a program by the list it stands in.
struct Item<const SOURCE: bool>(Expected);

impl<'de, const SOURCE: bool> Deserialize<'de> for Item<SOURCE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<const SOURCE: bool>;
        impl<'de, const SOURCE: bool> de::Visitor<'de> for Either<SOURCE> {
            type Value = Expected;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let bare = if SOURCE { "an address, CIDR or computer's name" } else { "a program" };
                write!(f, "{bare}, or a table of path, source, destination, …")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Expected, E> {
                if text.trim().is_empty() {
                    return Err(E::invalid_value(de::Unexpected::Str(text), &self));
                }
                if SOURCE {
                    let place = Place::parse(text).map_err(E::custom)?;
                    Ok(Expected { source: Some(place), ..Expected::default() })
                } else {
                    let glob = Glob::new(text).map_err(E::custom)?;
                    Ok(Expected { path: Some(glob), ..Expected::default() })
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Expected, A::Error> {
                let table = ExpectedTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Expected::from(table).checked().map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Either::<SOURCE>).map(Item)
    }
}

impl From<ExpectedTable> for Expected {
    fn from(table: ExpectedTable) -> Expected {
        let ExpectedTable {
            name,
            path,
            image,
            namespace,
            hash,
            signer,
            source,
            destination,
            ports,
            schedule,
            ..
        } = table;
        let ExpectedTable { maximum_rate, expiry, owner, reason, .. } = table;
        Expected {
            name,
            path,
            image,
            namespace,
            hash,
            signer,
            source,
            destination,
            ports,
            schedule,
            maximum_rate,
            expiry,
            owner,
            reason,
        }
    }
}

/// A program's path with wildcards, or its short name alone.
#[derive(Clone, Debug)]
pub struct Glob {
    text: String,
    /// Compiled when it is first asked for, once for all copies; `None` where it does not compile.
    matcher: Arc<OnceLock<Option<globset::GlobMatcher>>>,
}

impl Glob {
    /// A matcher of this text; backslashes are path separators, never escapes.
    pub fn new(text: &str) -> Result<Glob, String> {
        let matcher = compile_glob(text)?;
        Ok(Glob { text: text.to_string(), matcher: Arc::new(OnceLock::from(Some(matcher))) })
    }

    /// A matcher that is shipped, and compiled only where it is needed, as [`Pattern::shipped`].
    pub(crate) fn shipped(text: &str) -> Glob {
        Glob { text: text.to_string(), matcher: Arc::default() }
    }

    /// A matcher of this path alone: what would be a wildcard in it stands for itself.
    pub fn literal(path: &str) -> Result<Glob, String> {
        let mut text = String::with_capacity(path.len());
        for c in path.chars() {
            match c {
                '*' | '?' | '[' | ']' | '{' | '}' => text.extend(['[', c, ']']),
                c => text.push(c),
            }
        }
        Glob::new(&text)
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the path matches: whole, or by its last part where the pattern has no separator.
    pub fn matches(&self, path: &str) -> bool {
        let slashed = path.replace('\\', "/");
        let bare = !self.text.contains(['/', '\\']);
        let subject = if bare { slashed.rsplit('/').next().unwrap_or(&slashed) } else { &slashed };
        let matcher = self.matcher.get_or_init(|| compile_glob(&self.text).ok());
        matcher.as_ref().is_some_and(|matcher| matcher.is_match(subject))
    }
}

fn compile_glob(text: &str) -> Result<globset::GlobMatcher, String> {
    let glob = globset::GlobBuilder::new(&text.replace('\\', "/"))
        .case_insensitive(true)
        .backslash_escape(false)
        .build()
        .map_err(|error| format!("expected a path pattern, found {text:?}: {}", error.kind()))?;
    Ok(glob.compile_matcher())
}

impl PartialEq for Glob {
    fn eq(&self, other: &Glob) -> bool {
        self.text == other.text
    }
}

/// A network in configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub Prefix);

/// A host in configuration: a network, or a computer's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address or CIDR.
    Network(Network),
    /// A computer's name as its log says it; matched whole or up to its first dot, without case.
    Name(String),
}

impl Place {
    fn parse(text: &str) -> Result<Place, String> {
        match text.parse::<Prefix>() {
            Ok(prefix) => Ok(Place::Network(Network(prefix))),
            // A slash or a colon means that a network was meant: a typo must not become a computer's
            // name that never matches.
            Err(error) if text.contains(['/', ':']) || text.trim().is_empty() => Err(error),
            Err(_) => Ok(Place::Name(text.to_string())),
        }
    }

    /// Whether the address lies in the place.
    pub fn holds_address(&self, address: Address) -> bool {
        matches!(self, Place::Network(Network(prefix)) if prefix.contains(address))
    }

    /// Whether the computer's name is the place's.
    pub fn holds_name(&self, device: &str) -> bool {
        let Place::Name(name) = self else { return false };
        let short = device.split('.').next().unwrap_or(device);
        device.eq_ignore_ascii_case(name) || short.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Network(Network(prefix)) => prefix.fmt(f),
            Place::Name(name) => f.write_str(name),
        }
    }
}

/// Hours of the day in UTC, in minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    from: u16,
    to: u16,
}

impl Schedule {
    /// The hours between two minutes after midnight, each under a day; past midnight where the second
    /// comes first.
    pub(crate) fn between(from: u16, to: u16) -> Schedule {
        Schedule { from, to }
    }

    /// Whether the moment lies within the hours; they may run past midnight.
    pub fn holds(self, moment: Timestamp) -> bool {
        let minute = (moment.0.div_euclid(60_000_000_000)).rem_euclid(24 * 60) as u16;
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    fn parse(text: &str) -> Result<Schedule, String> {
        let bad = || format!("expected hours such as \"02:00-04:00\" (UTC), found {text:?}");
        let minute = |text: &str| -> Option<u16> {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour <= 24 && minute < 60 && hour * 60 + minute <= 24 * 60)
                .then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-').ok_or_else(bad)?;
        Ok(Schedule { from: minute(from).ok_or_else(bad)?, to: minute(to).ok_or_else(bad)? })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Schedule { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// A day, to its last moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(jiff::civil::Date);

impl Day {
    /// Whether the moment lies after the day.
    pub fn is_over(self, moment: Timestamp) -> bool {
        let day = jiff::Timestamp::from_nanosecond(i128::from(moment.0))
            .map(|moment| jiff::tz::TimeZone::UTC.to_datetime(moment).date());
        day.is_ok_and(|day| day > self.0)
    }

    fn parse(text: &str) -> Result<Day, String> {
        text.trim()
            .parse()
            .map(Day)
            .map_err(|_| format!("expected a day such as \"2027-01-31\", found {text:?}"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes a type read from and written as text in configuration.
macro_rules! as_text {
    ($type:ty, $parse:expr, $print:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let parse: fn(&str) -> Result<$type, String> = $parse;
                parse(&text).map_err(de::Error::custom)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let print: fn(&$type) -> String = $print;
                serializer.serialize_str(&print(self))
            }
        }
    };
}

as_text!(Glob, Glob::new, |glob| glob.text.clone());
as_text!(Pattern, Pattern::new, |pattern| pattern.text().to_string());
as_text!(Network, |text| text.parse().map(Network), |network| network.0.to_string());
as_text!(Schedule, Schedule::parse, Schedule::to_string);
as_text!(Day, Day::parse, Day::to_string);
as_text!(Place, Place::parse, Place::to_string);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_separator_names_the_program() {
        let glob = Glob::new("nmap*.exe").unwrap();
        assert!(glob.matches(r"C:\Tools\NMAP7.exe"));
        assert!(!glob.matches(r"C:\nmap.exe\other.exe"));
        let whole = Glob::new(r"C:\Program Files\Nmap\nmap.exe").unwrap();
        assert!(whole.matches(r"c:\program files\nmap\NMAP.EXE"));
        assert!(!whole.matches(r"C:\Users\x\nmap.exe"));
    }

    #[test]
    fn a_literal_path_matches_itself_alone() {
        for path in ["/opt/a[1]{x,y}*?/run", r"C:\a [b]\c{d}.exe", "plain", "]{", "!^-"] {
            let glob = Glob::literal(path).unwrap();
            assert!(glob.matches(path), "{path}");
            assert!(!glob.matches("/opt/a1x*?/run"), "{path}");
        }
    }

    #[test]
    fn a_schedule_may_run_past_midnight() {
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let night = Schedule::parse("22:00-04:00").unwrap();
        assert!(night.holds(at("2026-03-02T23:00:00Z")));
        assert!(night.holds(at("2026-03-02T03:59:59Z")));
        assert!(!night.holds(at("2026-03-02T04:00:00Z")));
        assert!(Schedule::parse("25:00-04:00").is_err());
    }

    #[test]
    fn an_entry_holds_to_the_end_of_its_last_day() {
        let day = Day::parse("2026-03-02").unwrap();
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        assert!(!day.is_over(at("2026-03-02T23:59:59Z")));
        assert!(day.is_over(at("2026-03-03T00:00:00Z")));
    }
}
