//! A script's loops, calls and connections, by its words.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use lapwing_event::{Address, Prefix};

use super::words::{self, Word};

/// Functions and scripts that scan and do nothing else, as their authors call them: PowerSploit and
/// Empire (`Invoke-Portscan`, `Invoke-ARPScan`, `Invoke-SMBScanner`), Nishang (`Port-Scan`), PowerUpSQL
/// (the three of SQL Server), TSPingSweep, PSnmap, and the scanners of BornToBeRoot. Sigma's
/// `posh_ps_malicious_commandlets` lists most of them.
const SCANNERS: [&str; 15] = [
    "Invoke-Portscan",
    "Invoke-TCPPortScan",
    "Invoke-ARPScan",
    "Invoke-SMBScanner",
    "Invoke-PingScan",
    "Invoke-TSPingSweep",
    "Invoke-PSnmap",
    "Port-Scan",
    "Get-SQLInstanceScanUDP",
    "Get-SQLInstanceScanUDPThreaded",
    "Get-SQLInstanceBroadcast",
    "IPv4PortScan",
    "IPv4NetworkScan",
    "New-IPv4PortScan",
    "New-IPv4NetworkScan",
];

/// Commands that connect to, or ping, what their arguments name.
const PROBES: [&str; 3] = ["test-netconnection", "tnc", "test-connection"];

/// Members that do so of sockets, and of pings.
const SOCKET_CALLS: [&str; 4] = ["connect", "connectasync", "beginconnect", "new"];
const PING_CALLS: [&str; 3] = ["send", "sendasync", "sendpingasync"];

/// How many loops of a script are looked at, and how many words of each: no scanner has as many, and
/// a script made of nothing else costs no more than this.
const MAX_LOOPS: usize = 64;
const MAX_BODY: usize = 4000;

/// How many functions, and how many values of variables, of a script are learned.
const MAX_FUNCTIONS: usize = 256;
const MAX_VALUES: usize = 4096;

/// How many networks a script's addresses are kept as.
const MAX_TARGETS: usize = 64;

/// A script's words, and what is known of its names.
pub(super) struct Script<'w, 't> {
    words: &'w [Word<'t>],
    /// Numbers that variables are given.
    numbers: BTreeMap<&'t str, i64>,
    /// How many ports or addresses the lists hold that variables are given.
    lists: BTreeMap<&'t str, u64>,
    /// Functions of the script that connect.
    functions: BTreeSet<&'t str>,
    /// Variables that hold blocks that connect.
    blocks: BTreeSet<&'t str>,
    sockets: bool,
    pings: bool,
}

/// A loop that connects to what it goes over.
pub(super) struct Found {
    pub(super) what: &'static str,
    /// How many ports or addresses; `None` where the script does not say.
    pub(super) count: Option<u64>,
}

impl<'w, 't> Script<'w, 't> {
    pub(super) fn of(words: &'w [Word<'t>]) -> Script<'w, 't> {
        let holds = |part: &str| {
            words.iter().any(|word| matches!(word, Word::Bare(name) if name.contains(part)))
                || words
                    .iter()
                    .any(|word| matches!(word, Word::Text(text, _) if text.contains(part)))
        };
        let mut script = Script {
            words,
            numbers: BTreeMap::new(),
            lists: BTreeMap::new(),
            functions: BTreeSet::new(),
            blocks: BTreeSet::new(),
            sockets: holds("net.sockets"),
            pings: holds("networkinformation.ping"),
        };
        script.learn_values();
        script.learn_functions();
        script
    }

    /// Learns what variables are given first: a number, or a list.
    fn learn_values(&mut self) {
        let given = self.words.windows(2).enumerate().filter_map(|(at, pair)| match pair {
            [Word::Variable(name), Word::Mark('=')] => Some((at, *name)),
            _ => None,
        });
        for (at, name) in given.take(MAX_VALUES) {
            let value = self.statement(at + 2);
            match self.words[value.clone()] {
                // One number, or one of a function's parameters with its default.
                [Word::Number(number)]
                | [
                    Word::Number(number),
                    Word::Mark(','),
                    Word::Mark('[') | Word::Variable(_),
                    ..,
                ]
                | [Word::Number(number), Word::Mark(','), Word::Line, ..] => {
                    self.numbers.entry(name).or_insert(number);
                }
                _ => {
                    if let Some(count) = self.count(value) {
                        self.lists.entry(name).or_insert(count);
                    }
                }
            }
        }
    }

    /// Learns which functions and blocks of the script connect.
    fn learn_functions(&mut self) {
        let begins = |at: &usize| match self.words[*at] {
            Word::Bare("function" | "filter") => true,
            Word::Variable(_) => {
                let next = self.words.get(at + 1..at + 3);
                next.is_some_and(|next| next == [Word::Mark('='), Word::Mark('{')])
            }
            _ => false,
        };
        let found: Vec<usize> = (0..self.words.len()).filter(begins).take(MAX_FUNCTIONS).collect();
        for at in found {
            let body = match (self.words[at], self.words.get(at + 1)) {
                (Word::Bare("function" | "filter"), Some(Word::Bare(_))) => {
                    self.block_after(at + 2)
                }
                (Word::Variable(_), _) => self.block_at(at + 2),
                _ => None,
            };
            let Some(body) = body else { continue };
            if !body.into_iter().any(|inner| self.probe(inner).is_some()) {
                continue;
            }
            match (self.words[at], self.words.get(at + 1)) {
                (Word::Variable(name), _) => self.blocks.insert(name),
                (_, Some(Word::Bare(name))) => self.functions.insert(*name),
                _ => false,
            };
        }
    }

    /// The known scanner that the script calls.
    pub(super) fn calls_scanner(&self) -> Option<&'static str> {
        let mut found = (0..self.words.len()).filter(|at| self.is_command(*at));
        found.find_map(|at| self.scanner(at))
    }

    /// The known scanner that the script defines.
    pub(super) fn defines_scanner(&self) -> Option<&'static str> {
        let defined = |at: &usize| matches!(self.words[*at], Word::Bare("function" | "filter"));
        let mut found = (0..self.words.len()).filter(defined);
        found.find_map(|at| self.scanner(at + 1))
    }

    /// The known scanner of which this word is the name, or the file.
    fn scanner(&self, at: usize) -> Option<&'static str> {
        let (Word::Bare(name) | Word::Text(name, _)) = self.words.get(at)? else { return None };
        let file = name.rsplit(['\\', '/']).next().unwrap_or(name);
        let file = file.strip_suffix(".ps1").unwrap_or(file);
        SCANNERS.into_iter().find(|known| known.eq_ignore_ascii_case(file))
    }

    /// Whether this word stands where a command does: first in its statement or pipeline, or behind
    /// one of the operators that call (`&`, `.`).
    fn is_command(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).map(|before| self.words[before]) else { return true };
        match before {
            Word::Mark('&') | Word::Bare(".") => true,
            Word::Line | Word::Mark(';' | '{' | '|' | '(' | '=' | '}') | Word::Bare("return") => {
                matches!(self.words[at], Word::Bare(_))
            }
            _ => false,
        }
    }

    /// What connects at this word, as words; where its arguments are.
    fn probe(&self, at: usize) -> Option<(&'static str, Range<usize>)> {
        match self.words[at] {
            Word::Bare(name) if PROBES.contains(&name) => {
                let help = at.checked_sub(1).is_some_and(|before| {
                    matches!(
                        self.words[before],
                        Word::Bare(
                            "get-help" | "get-command" | "function" | "help" | "-name" | "man"
                        )
                    )
                });
                let what = if name == "test-connection" { "pings (Test-Connection)" } else { TNC };
                (!help).then(|| (what, self.statement(at + 1)))
            }
            Word::Bare(name) => {
                let member = name.rsplit(['.', ':']).next().unwrap_or(name);
                let is_member = name.starts_with(['.', ':']) || name.len() > member.len();
                let called = self.words.get(at + 1) == Some(&Word::Mark('('));
                if self.sockets && is_member && called && SOCKET_CALLS.contains(&member) {
                    return Some(("connects (.NET sockets)", self.parenthesis(at + 1)));
                }
                if self.pings && is_member && called && PING_CALLS.contains(&member) {
                    return Some(("pings (.NET)", self.parenthesis(at + 1)));
                }
                if name.ends_with("net.sockets.tcpclient")
                    || name.ends_with("net.sockets.udpclient")
                {
                    return Some(("connects (.NET sockets)", self.statement(at + 1)));
                }
                let own = self.functions.contains(name) && self.is_command(at);
                own.then(|| ("connects (a function of its own)", self.statement(at + 1)))
            }
            Word::Variable(name) if self.blocks.contains(name) => {
                Some(("connects (a block of its own)", self.statement(at + 1)))
            }
            _ => None,
        }
    }

    /// What of the script connects, if anything.
    pub(super) fn connects(&self) -> Option<&'static str> {
        (0..self.words.len()).find_map(|at| self.probe(at)).map(|(what, _)| what)
    }

    /// The loops that connect to what they go over.
    pub(super) fn loops(&self) -> Vec<Found> {
        let begins = |at: &usize| {
            matches!(
                self.words[*at],
                Word::Bare("foreach" | "for" | "while" | "foreach-object" | "%" | ".foreach")
            )
        };
        let begun = (0..self.words.len()).filter(begins).take(MAX_LOOPS);
        begun
            .filter_map(|at| self.loop_at(at))
            .filter_map(|(variable, count, body)| {
                let what = self.probes_with(variable, body)?;
                Some(Found { what, count })
            })
            .collect()
    }

    /// The loop that begins at this word: the variable that it changes, how many values it goes over,
    /// and its body.
    fn loop_at(&self, at: usize) -> Option<(&'t str, Option<u64>, Range<usize>)> {
        let Word::Bare(keyword) = self.words[at] else { return None };
        let headed = self.words.get(at + 1) == Some(&Word::Mark('('));
        match keyword {
            "foreach" | "for" | "while" if headed && !self.is_piped(at) => {
                let header = self.parenthesis(at + 1);
                let body = self.block_after(header.end + 1)?;
                let variable = self.words[header.clone()].iter().find_map(|word| match word {
                    Word::Variable(name) => Some(*name),
                    _ => None,
                })?;
                let count = match keyword {
                    "foreach" => self.count(header),
                    _ => self.steps(header, variable),
                };
                Some((variable, count, body))
            }
            "foreach-object" | "%" | "foreach" if self.is_piped(at) => {
                let body = self.block_after(at + 1)?;
                Some(("_", self.count(self.pipeline_before(at)), body))
            }
            ".foreach" => {
                let body = self.block_after(at + 1)?;
                Some(("_", self.count(self.pipeline_before(at)), body))
            }
            _ => None,
        }
    }

    /// Whether a pipe stands before this word.
    fn is_piped(&self, at: usize) -> bool {
        let before = self.words[..at].iter().rev().find(|word| **word != Word::Line);
        before == Some(&Word::Mark('|'))
    }

    /// How many steps `for ($p = 1; $p -le 1024; $p++)` makes, or `while ($p -lt 1024)` does.
    fn steps(&self, header: Range<usize>, variable: &str) -> Option<u64> {
        let words = &self.words[header];
        let number = |word: Option<&Word<'t>>| match word? {
            Word::Number(number) => Some(*number),
            Word::Variable(name) => self.numbers.get(name).copied(),
            _ => None,
        };
        let first = match words {
            [Word::Variable(name), Word::Mark('='), first, ..] if *name == variable => {
                number(Some(first))
            }
            _ => self.numbers.get(variable).copied(),
        }?;
        let compared =
            |word: &Word<'t>| matches!(word, Word::Bare("-le" | "-lt" | "-ge" | "-gt" | "-ne"));
        let at = words.iter().position(compared)?;
        let last = number(words.get(at + 1))?;
        let both = u64::from(matches!(words[at], Word::Bare("-le" | "-ge")));
        Some(first.abs_diff(last).saturating_add(both))
    }

    /// How many ports or addresses an expression holds: the longest of its ranges and lists. Names of
    /// hosts do not count: that is an administrator's list.
    fn count(&self, expression: Range<usize>) -> Option<u64> {
        let words = &self.words[expression];
        let number = |word: Option<&Word<'t>>| match word? {
            Word::Number(number) => Some(*number),
            Word::Variable(name) => self.numbers.get(name).copied(),
            _ => None,
        };
        let ranges = words.iter().enumerate().filter(|(_, word)| **word == Word::Range);
        let ranges = ranges.filter_map(|(at, _)| {
            let (first, last) = (number(words[..at].last())?, number(words.get(at + 1))?);
            Some(first.abs_diff(last).saturating_add(1))
        });
        let known = words.iter().filter_map(|word| match word {
            Word::Variable(name) => self.lists.get(name).copied(),
            _ => None,
        });
        let is_target = |word: &&Word<'t>| match word {
            Word::Number(number) => (1..=65_535).contains(number),
            Word::Text(text, _) => is_port_or_address(text),
            Word::Bare(text) => is_port_or_address(text),
            _ => false,
        };
        let listed = words.iter().filter(is_target).count() as u64;
        let commas = words.iter().filter(|word| **word == Word::Mark(',')).count() as u64;
        let listed = (commas > 0).then_some(listed.min(commas + 1));
        // `'22,80,443' -split ','`
        let split = words.iter().filter_map(|word| match word {
            Word::Text(text, _) if text.contains(',') => {
                let parts = text.split(',').filter(|part| is_port_or_address(part.trim()));
                Some(parts.count() as u64)
            }
            _ => None,
        });
        ranges.chain(known).chain(listed).chain(split).max().filter(|count| *count > 0)
    }

    /// What connects within a loop's body to what the loop's variable makes.
    fn probes_with(&self, variable: &'t str, body: Range<usize>) -> Option<&'static str> {
        let mut made: BTreeSet<&str> = BTreeSet::from([variable]);
        if variable == "_" {
            made.insert("psitem");
        }
        for at in body.clone() {
            // What a variable is made of passes to it.
            if let (Word::Variable(name), Some(Word::Mark('='))) =
                (self.words[at], self.words.get(at + 1))
                && self.mentions(&made, self.statement(at + 2))
            {
                made.insert(name);
            }
            // So it does to a block's own names.
            if self.words[at] == Word::Bare("param") && at == body.start {
                let names = self.words[self.parenthesis(at + 1)].iter();
                made.extend(names.filter_map(|word| match word {
                    Word::Variable(name) => Some(*name),
                    _ => None,
                }));
            }
            if let Some((what, arguments)) = self.probe(at)
                && self.mentions(&made, arguments)
            {
                return Some(what);
            }
        }
        None
    }

    /// Whether words hold one of these variables, in strings too.
    fn mentions(&self, names: &BTreeSet<&str>, words: Range<usize>) -> bool {
        self.words[words].iter().any(|word| match word {
            Word::Variable(name) => names.contains(name),
            Word::Text(text, true) => text.split('$').skip(1).any(|part| {
                let part = part.trim_start_matches(['{', '(', '$']);
                names.contains(words::unscoped(words::name_at(part)))
            }),
            _ => false,
        })
    }

    /// The words from here to their statement's end.
    fn statement(&self, from: usize) -> Range<usize> {
        let from = from.min(self.words.len());
        let mut depth = 0_usize;
        let mut end = from;
        while let Some(word) = self.words.get(end) {
            match word {
                Word::Mark('(' | '{' | '[') => depth += 1,
                Word::Mark(')' | '}' | ']') if depth == 0 => break,
                Word::Mark(')' | '}' | ']') => depth -= 1,
                Word::Mark(';') if depth == 0 => break,
                Word::Line if depth == 0 && !self.goes_on(end) => break,
                _ => {}
            }
            end += 1;
            if end - from >= MAX_STATEMENT {
                break;
            }
        }
        from..end
    }

    /// Whether a statement goes on after a line's end: a comma, a pipe or an operator stands before it.
    fn goes_on(&self, line: usize) -> bool {
        let before = self.words[..line].iter().rev().find(|word| **word != Word::Line);
        matches!(before, Some(Word::Mark(',' | '|' | '=' | '+')))
    }

    /// The words before a pipe, back to where their statement begins.
    fn pipeline_before(&self, at: usize) -> Range<usize> {
        let mut depth = 0_usize;
        let mut start = at;
        while let Some(before) = start.checked_sub(1).filter(|before| at - before < MAX_STATEMENT) {
            match self.words[before] {
                Word::Mark(')' | '}' | ']') => depth += 1,
                Word::Mark('(' | '{' | '[') if depth == 0 => break,
                Word::Mark('(' | '{' | '[') => depth -= 1,
                Word::Mark(';') if depth == 0 => break,
                Word::Line if depth == 0 && !self.goes_on(before) => break,
                _ => {}
            }
            start = before;
        }
        start..at
    }

    /// The words within the parenthesis that opens here.
    fn parenthesis(&self, open: usize) -> Range<usize> {
        self.within(open, '(', ')').unwrap_or(open..open)
    }

    /// The words within the first block that opens soon after here, behind parameters.
    fn block_after(&self, from: usize) -> Option<Range<usize>> {
        let mut at = from;
        while at < from.saturating_add(MAX_PARAMETERS) {
            match self.words.get(at)? {
                Word::Mark('{') => return self.block_at(at),
                // A function's parameters, or a block as an argument.
                Word::Mark('(') => {
                    if self.words.get(at + 1) == Some(&Word::Mark('{')) {
                        return self.block_at(at + 1);
                    }
                    at = self.parenthesis(at).end + 1;
                }
                Word::Bare(_) | Word::Number(_) | Word::Variable(_) | Word::Line => at += 1,
                _ => return None,
            }
        }
        None
    }

    fn block_at(&self, open: usize) -> Option<Range<usize>> {
        self.within(open, '{', '}')
    }

    /// The words between this opening and its closing, at most [`MAX_BODY`] of them.
    fn within(&self, open: usize, opening: char, closing: char) -> Option<Range<usize>> {
        (self.words.get(open) == Some(&Word::Mark(opening))).then_some(())?;
        let mut depth = 0_usize;
        let end = self.words.len().min(open.saturating_add(MAX_BODY));
        for (at, word) in self.words.iter().enumerate().take(end).skip(open) {
            match word {
                Word::Mark(mark) if *mark == opening => depth += 1,
                Word::Mark(mark) if *mark == closing => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(open + 1..at);
            }
        }
        Some(open + 1..end)
    }

    /// The networks that the script's addresses lie in: `10.0.0.$_` is of 10.0.0.0/24.
    pub(super) fn targets(&self) -> Vec<Prefix> {
        let texts = self.words.iter().filter_map(|word| match word {
            Word::Text(text, _) | Word::Bare(text) => Some(*text),
            _ => None,
        });
        texts.filter_map(network).take(MAX_TARGETS).collect()
    }
}

const TNC: &str = "connects (Test-NetConnection)";

/// How many words a statement is looked at for, and how many may stand between a loop's keyword and
/// its block.
const MAX_STATEMENT: usize = 512;
const MAX_PARAMETERS: usize = 16;

/// Whether a list's entry is a port or an address.
fn is_port_or_address(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0) || text.parse::<Address>().is_ok()
}

/// The network of an address, or of one whose last part is put in.
fn network(text: &str) -> Option<Prefix> {
    if let Ok(prefix) = text.parse::<Prefix>() {
        return Some(prefix);
    }
    let stem = text.split('$').next().filter(|stem| stem.len() < text.len())?;
    let stem = stem.strip_suffix('.')?;
    (stem.split('.').count() == 3).then(|| format!("{stem}.0/24").parse().ok()).flatten()
}
