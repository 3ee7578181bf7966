//! Attacker-written text made safe to show.

use std::borrow::Cow;

/// The longest text that is shown in a table cell or message, in characters; a command line can be
/// megabytes long. Machine formats hold the whole of it.
pub(crate) const MAX_SHOWN: usize = 400;

/// The text with everything that a terminal or a reader could be fooled by written as `\u{…}`:
/// control characters (ESC sequences, carriage returns), and invisible or direction-changing ones
/// (Unicode TR36 section 3.6).
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// As [`escaped`], cut after [`MAX_SHOWN`] characters.
pub(crate) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(MAX_SHOWN).collect();
    let more = chars.count();
    let head = escaped(&head);
    if more == 0 { head.into_owned() } else { format!("{head}… ({more} more characters)") }
}

/// The text with each character as the format escapes it, and what a reader could be fooled by as
/// its code point; cut where one more character would pass the limit, and marked so.
pub(crate) fn bounded(
    text: &str,
    most: usize,
    escape: impl Fn(char) -> Option<&'static str>,
) -> String {
    const CUT: &str = "...";
    let mut safe = String::with_capacity(text.len().min(most));
    let mut whole = 0;
    for c in text.chars() {
        match escape(c) {
            Some(escaped) => safe += escaped,
            None if is_unsafe(c) => safe += &format!("<U+{:04X}>", c as u32),
            None => safe.push(c),
        }
        if safe.len() > most {
            safe.truncate(whole);
            return safe + CUT;
        }
        if safe.len() + CUT.len() <= most {
            whole = safe.len();
        }
    }
    safe
}

pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(escaped("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escaped("x\r\ny\u{9b}31m"), "x\\r\\ny\\u{9b}31m");
        assert_eq!(escaped("exe\u{202e}fdp.scr"), "exe\\u{202e}fdp.scr");
        assert!(matches!(escaped("C:\\Prügramme\\日本.exe"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let text = shown(&"x".repeat(MAX_SHOWN + 7));
        assert!(text.ends_with("… (7 more characters)"), "{text}");
    }
}
