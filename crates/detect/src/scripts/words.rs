//! A PowerShell script as words: as much of the language's lexis as tells a call from a mention.
//!
//! Comments are left out, strings are kept apart, backticks and capitals mean nothing
//! (`TEst-N`etCon`nection` is a call of `test-netconnection`).

/// One word of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'t> {
    /// A command, parameter, type, member or unquoted argument.
    Bare(&'t str),
    /// A variable's name, without its scope.
    Variable(&'t str),
    /// A whole number.
    Number(i64),
    /// The text of a string, and whether variables in it are replaced.
    Text(&'t str, bool),
    /// `..`
    Range,
    /// Any other character.
    Mark(char),
    /// The end of a line that ends a statement.
    Line,
}

/// How many words of a script are looked at: a script of 256 KiB has fewer, unless it was made to
/// have more.
const MAX_WORDS: usize = 100_000;

/// A script in lower case and without backticks, whose words can be taken.
pub(super) fn plain(script: &str) -> String {
    let mut plain = String::with_capacity(script.len());
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '`' {
            plain.push(character.to_ascii_lowercase());
            continue;
        }
        // A backtick at a line's end joins it with the next one.
        if characters.peek() == Some(&'\r') {
            characters.next();
        }
        if characters.peek() == Some(&'\n') {
            characters.next();
            plain.push(' ');
        }
    }
    plain
}

/// The words of a script that [`plain`] gave.
pub(super) fn words(plain: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = plain;
    while let Some(character) = rest.chars().next() {
        if words.len() >= MAX_WORDS {
            break;
        }
        let (word, length) = match character {
            '\n' => (Some(Word::Line), 1),
            '<' if rest.starts_with("<#") => (None, past(rest, 2, "#>")),
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '@' if rest.starts_with("@\"") => here(rest, "\n\"@", true),
            '@' if rest.starts_with("@'") => here(rest, "\n'@", false),
            '"' | '\u{201c}' | '\u{201d}' => quoted(rest, character, true),
            '\'' | '\u{2018}' | '\u{2019}' => quoted(rest, character, false),
            '$' => variable(rest),
            '.' if rest.starts_with("..") && !rest.starts_with("..\\") => (Some(Word::Range), 2),
            _ if is_bare(character) => bare(rest),
            _ if character.is_whitespace() => (None, character.len_utf8()),
            _ => (Some(Word::Mark(character)), character.len_utf8()),
        };
        words.extend(word);
        rest = &rest[length.clamp(1, rest.len())..];
    }
    words
}

/// Whether a character can be of a bare word. `%` and `?` are commands of one character.
fn is_bare(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character, '_' | '-' | '.' | '\\' | '/' | ':' | '*' | '%' | '?')
}

/// Where what begins here is past its closing.
fn past(rest: &str, from: usize, closing: &str) -> usize {
    rest[from..].find(closing).map_or(rest.len(), |at| from + at + closing.len())
}

/// A here-string: from the line after its opening to its closing.
fn here<'t>(rest: &'t str, closing: &str, replaced: bool) -> (Option<Word<'t>>, usize) {
    let length = past(rest, 2, closing);
    let text = rest[2..length].strip_suffix(closing).unwrap_or(&rest[2..length]);
    (Some(Word::Text(text, replaced)), length)
}

/// A string; a doubled quote stands for one.
fn quoted(rest: &str, quote: char, replaced: bool) -> (Option<Word<'_>>, usize) {
    let begins = quote.len_utf8();
    // Typographic quotes close one another.
    let closes = |c: char| match quote {
        '\'' | '\u{2018}' | '\u{2019}' => matches!(c, '\'' | '\u{2018}' | '\u{2019}'),
        _ => matches!(c, '"' | '\u{201c}' | '\u{201d}'),
    };
    let mut characters = rest[begins..].char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if !closes(character) {
            continue;
        }
        if characters.peek().is_some_and(|(_, next)| closes(*next)) {
            characters.next();
            continue;
        }
        let text = &rest[begins..begins + at];
        return (Some(Word::Text(text, replaced)), begins + at + character.len_utf8());
    }
    (Some(Word::Text(&rest[begins..], replaced)), rest.len())
}

/// A variable, or nothing where the dollar begins a subexpression.
fn variable(rest: &str) -> (Option<Word<'_>>, usize) {
    if let Some(braced) = rest.strip_prefix("${") {
        let length = braced.find('}').unwrap_or(braced.len());
        return (Some(Word::Variable(unscoped(&braced[..length]))), (length + 3).min(rest.len()));
    }
    let name = name_at(&rest[1..]);
    match name {
        "" => (None, 1),
        name => (Some(Word::Variable(unscoped(name))), 1 + name.len()),
    }
}

/// The name that a text begins with, with its scope.
pub(super) fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')));
    text[..end.unwrap_or(text.len())].trim_end_matches(':')
}

/// A variable's name without its scope (`$script:ports`, `$using:port`).
pub(super) fn unscoped(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// A bare word or number, up to where a range begins.
fn bare(rest: &str) -> (Option<Word<'_>>, usize) {
    let mut length = rest.find(|c: char| !is_bare(c)).unwrap_or(rest.len());
    if let Some(range) = rest[..length].find("..").filter(|at| *at > 0) {
        length = range;
    }
    // `%{` and `?{` are commands; the same characters within a word are of it.
    if matches!(rest.as_bytes()[0], b'%' | b'?') {
        length = 1;
    }
    let word = &rest[..length];
    match word.parse::<i64>() {
        Ok(number) if number >= 0 => (Some(Word::Number(number)), length),
        _ => (Some(Word::Bare(word)), length),
    }
}
