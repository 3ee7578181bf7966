//! Reads a configuration and says where it is wrong.

use std::fmt;

use lapwing_detect::Tunables;

/// A configuration that cannot be used: where it is wrong, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as its owner named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// That line.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for ConfigError {
    /// `FILE:LINE:COLUMN: MESSAGE`, then the line and a mark under the column; control characters
    /// are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = |text: &str| -> String {
            text.chars()
                .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() })
                .collect()
        };
        let before: String = self.text.chars().take(self.column - 1).collect();
        let indent = " ".repeat(clean(&before).chars().count());
        writeln!(
            f,
            "{}:{}:{}: {}",
            clean(&self.file),
            self.line,
            self.column,
            clean(&self.message)
        )?;
        writeln!(f, "  {}", clean(&self.text))?;
        write!(f, "  {indent}^")
    }
}

impl std::error::Error for ConfigError {}

/// Reads tunables from TOML text; whatever is left out keeps its default.
///
/// # Errors
/// Where the text is no TOML, names a key that does not exist, or gives a value that cannot work.
pub fn parse_config(text: &str, file: &str) -> Result<Tunables, ConfigError> {
    let failed = |at: usize, message: &str| {
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line_text = text[start..].lines().next().unwrap_or_default();
        ConfigError {
            file: file.to_string(),
            line: text[..start].matches('\n').count() + 1,
            column: text[start..at].chars().count() + 1,
            text: line_text.to_string(),
            message: message.trim().replace('\n', "; "),
        }
    };
    let tunables: Tunables = toml::from_str(text)
        .map_err(|error| failed(error.span().map_or(0, |span| span.start), error.message()))?;
    match tunables.check() {
        Ok(()) => Ok(tunables),
        Err((key, message)) => {
            let at = position_of(text, key).unwrap_or(0);
            Err(failed(at, &message))
        }
    }
}

/// Where a dotted key's last part is set in its table; good enough to point at, since the keys of
/// one table have different names.
fn position_of(text: &str, key: &str) -> Option<usize> {
    let (table, name) = key.rsplit_once('.')?;
    let from = text.find(&format!("[{table}]"))?;
    let mut at = from;
    for line in text[from..].split_inclusive('\n') {
        let bare = line.trim_start();
        let rest = bare.strip_prefix(name).map(str::trim_start);
        if rest.is_some_and(|rest| rest.starts_with('=')) {
            return Some(at + line.len() - bare.len());
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use lapwing_detect::DEFAULT_CONFIG;

    use super::*;

    fn error(text: &str) -> ConfigError {
        match parse_config(text, "lapwing.toml") {
            Ok(_) => unreachable!("accepted: {text}"),
            Err(error) => error,
        }
    }

    #[test]
    fn the_default_is_a_configuration() {
        assert_eq!(parse_config(DEFAULT_CONFIG, "default.toml"), Ok(Tunables::default()));
        assert_eq!(parse_config("", "empty.toml"), Ok(Tunables::default()));
    }

    #[test]
    fn errors_point_at_their_line() {
        let unknown = error("[analytics.AN1057]\nScanRateTreshold = 5.0\n");
        assert_eq!((unknown.line, unknown.column), (2, 1));
        assert!(unknown.message.contains("ScanRateTreshold"), "{unknown}");

        let broken = error("[detection]\nwalk = seven\n");
        assert_eq!((broken.line, broken.column), (2, 8), "{broken}");

        let zero = error("\n[analytics.AN1058]\n  PortScanThreshold = 0.0\n");
        assert_eq!((zero.line, zero.column), (3, 3), "{zero}");
        assert!(zero.to_string().ends_with("    ^"), "{zero}");
    }

    #[test]
    fn a_hostile_line_stays_inert() {
        let shown = error("walk = \"\u{1b}[2J\"").to_string();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
