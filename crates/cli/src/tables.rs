//! Tables about Lapwing itself.

use lapwing_source::FORMATS;

/// Every format that can be read, with the log sources that it can hold.
pub(crate) fn formats() -> String {
    let width = FORMATS.iter().map(|format| format.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for format in FORMATS {
        let sources: Vec<&str> = format.log_sources.iter().map(|source| source.name()).collect();
        text += &format!("{:width$}  {}\n", format.name, format.title);
        text += &format!("{:width$}  log sources: {}\n", "", sources.join(", "));
    }
    text += "\nEach may be packed with gzip, zstd or zip. Formats are told by their bytes, not by \
             their names.\n";
    text
}
