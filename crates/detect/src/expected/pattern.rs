//! Patterns of tools: one, and several that are tried together.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

/// The most bytes that one pattern compiles to: one of a configuration takes kilobytes; this stops
/// `(a{1000}){1000}`.
const MAX_COMPILED: usize = 1 << 20;

/// A regular expression that knows its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// Compiled when it is first asked for, once for all copies; `None` where it does not compile.
    regex: Arc<OnceLock<Option<regex::Regex>>>,
}

impl Pattern {
    /// Compiles a pattern; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let regex = compile(text)?;
        Ok(Pattern { text: text.to_string(), regex: Arc::new(OnceLock::from(Some(regex))) })
    }

    /// A pattern that is shipped, and compiled only where it is needed: in telemetry without processes
    /// the shipped ones' compiling would be most of what a small capture takes.
    pub(crate) fn shipped(text: &str) -> Pattern {
        Pattern { text: text.to_string(), regex: Arc::default() }
    }

    /// Whether it matches the text.
    pub fn matches(&self, text: &str) -> bool {
        let regex = self.regex.get_or_init(|| compile(&self.text).ok());
        regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn compile(text: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(text)
        .size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| format!("expected a regular expression: {error}"))
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

/// Patterns that are tried together, in one pass over the text: nearly every text matches none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Pattern>", into = "Vec<Pattern>")]
pub struct Patterns {
    each: Vec<Pattern>,
    /// For texts of ASCII alone, whose letters, digits and spaces are the same without the rest of Unicode,
    /// which takes nine tenths of compiling. As all of them compiled when they are first asked for, once
    /// for all copies; `None` where they do not compile together.
    plain: Arc<OnceLock<Option<regex::bytes::RegexSet>>>,
    all: Arc<OnceLock<Option<regex::RegexSet>>>,
}

impl Patterns {
    /// The first of the patterns that matches the text.
    pub fn first(&self, text: &str) -> Option<&Pattern> {
        if text.is_ascii()
            && let Some(plain) = self.plain.get_or_init(|| together_plain(&self.each))
        {
            let text = text.as_bytes();
            // Which of them match costs more than whether any does.
            return match plain.is_match(text) {
                true => self.each.get(plain.matches(text).iter().next()?),
                false => None,
            };
        }
        match self.all.get_or_init(|| together(&self.each)) {
            Some(all) if !all.is_match(text) => None,
            Some(all) => self.each.get(all.matches(text).iter().next()?),
            None => self.each.iter().find(|pattern| pattern.matches(text)),
        }
    }
}

fn together_plain(patterns: &[Pattern]) -> Option<regex::bytes::RegexSet> {
    regex::bytes::RegexSetBuilder::new(patterns.iter().map(Pattern::text))
        .unicode(false)
        .size_limit(MAX_COMPILED.saturating_mul(patterns.len()))
        .build()
        .ok()
}

fn together(patterns: &[Pattern]) -> Option<regex::RegexSet> {
    regex::RegexSetBuilder::new(patterns.iter().map(Pattern::text))
        .size_limit(MAX_COMPILED.saturating_mul(patterns.len()))
        .build()
        .ok()
}

impl From<Vec<Pattern>> for Patterns {
    fn from(each: Vec<Pattern>) -> Patterns {
        Patterns { each, plain: Arc::default(), all: Arc::default() }
    }
}

impl From<Patterns> for Vec<Pattern> {
    fn from(patterns: Patterns) -> Vec<Pattern> {
        patterns.each
    }
}

impl Deref for Patterns {
    type Target = [Pattern];

    fn deref(&self) -> &[Pattern] {
        &self.each
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Patterns) -> bool {
        self.each == other.each
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;

    #[test]
    fn the_first_that_matches_is_told_however_they_compile() {
        let patterns = |texts: &[&str]| {
            Patterns::from(texts.iter().map(|text| Pattern::shipped(text)).collect::<Vec<_>>())
        };
        let shipped = patterns(&["^a", "b$", "^ab$"]);
        // One that does not compile keeps all from compiling together, and matches nothing itself.
        let broken = patterns(&["(", "^a", "b$", "^ab$"]);
        let texts = [("ab", Some("^a")), ("cb", Some("b$")), ("c", None), ("éb", Some("b$"))];
        for (text, first) in texts {
            assert_eq!(shipped.first(text).map(Pattern::text), first, "{text}");
            assert_eq!(broken.first(text).map(Pattern::text), first, "{text}");
        }
        assert!(together(&shipped).is_some() && together(&broken).is_none());
    }
    #[test]
    fn letters_digits_and_spaces_are_those_of_unicode_where_a_text_has_them() {
        let patterns = Patterns::from(
            [r"^\w+$", r"^\d+ ", r"^\S\b", r"^[^a]\s", "(?i)^k$"].map(Pattern::shipped).to_vec(),
        );
        for text in
            ["word", "Wörter", "7 up", "٧ up", "a", "é", "-é", "- x", "-\u{a0}x", "K", "\u{212a}"]
        {
            let one_by_one = patterns.iter().find(|pattern| pattern.matches(text));
            assert_eq!(patterns.first(text), one_by_one, "{text}");
        }
        assert_eq!(patterns.first("\u{212a}").map(Pattern::text), Some(r"^\w+$"));
        // What cannot be said without Unicode is compiled with it, of plain texts too.
        let letters = Patterns::from(vec![Pattern::shipped("^[é-ü]|^x")]);
        assert!(together_plain(&letters).is_none() && letters.first("x").is_some());
    }
}
