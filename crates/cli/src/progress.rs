//! The progress bar.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use lapwing_engine::Progress;

/// A bar on standard error: bytes read of bytes found, then events judged of events read.
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

    /// Goes on to another part of the work, of so many steps.
    fn begin(&self, message: String, steps: u64) {
        self.0.set_message(message);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{bar:30}] {eta}") {
            self.0.set_style(style.progress_chars("=> "));
        }
        self.0.reset();
        self.0.set_length(steps);
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
        self.begin(format!("judging {} events", HumanCount(events)), events);
    }

    fn weighing(&self, attacks: u64) {
        self.begin(format!("weighing against {} known attacks", HumanCount(attacks)), attacks);
    }

    fn judged(&self, more: u64) {
        self.0.inc(more);
    }
}
