//! The progress bar.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use lapwing_engine::Progress;

/// A bar on standard error: bytes read of bytes found, then a note that events are judged.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Bar {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(
            "{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("reading");
        bar.enable_steady_tick(Duration::from_millis(120));
        Bar(bar)
    }

    /// Takes the bar off the screen.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn found(&self, bytes: u64) {
        self.0.set_length(bytes);
    }

    fn read(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn judging(&self, events: u64) {
        self.0.set_message(format!("judging {} events", HumanCount(events)));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{bar:30}] {eta}") {
            self.0.set_style(style.progress_chars("=> "));
        }
        self.0.reset();
        self.0.set_length(events);
    }

    fn judged(&self, events: u64) {
        self.0.inc(events);
    }
}
