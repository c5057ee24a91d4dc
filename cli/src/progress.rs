//! Progress on standard error, if that is a terminal: a bar once a listing takes more than a second, and why a request
//! waits.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar};
use vbs_client::{ListBackups, Page};

use crate::options::Options;
use crate::output::Listed;
use crate::waiting::{self, style};

pub struct Progress {
    bar: ProgressBar,
    /// How many backups match the filters, once that is known; if it was requested.
    count: Option<Arc<OnceLock<u64>>>,
    /// How many of those are skipped, if that is known.
    skipped: Option<u64>,
    max: Option<u64>,
    listed: u64,
    start: Instant,
}

impl Progress {
    pub fn new(options: &Options) -> Self {
        let from_start = options.resume.is_none() && options.parameter("marker").is_none();
        let offset = options.parameter("offset").unwrap_or("0").parse().ok();
        let max = options.max.map(|max| max as u64);
        let bar = ProgressBar::no_length().with_style(style(""));
        waiting::show_on(&bar);
        Self { bar, count: None, skipped: offset.filter(|_| from_start), max, listed: 0, start: Instant::now() }
    }

    /// Prints to what may be the same terminal.
    pub fn hide<R>(&self, print: impl FnOnce() -> R) -> R {
        waiting::end(&self.bar);
        self.bar.suspend(print)
    }

    pub fn record<T: Listed>(&mut self, page: &Page<T>, request: &ListBackups<T>) {
        self.listed += page.backups.len() as u64;
        let elapsed = self.start.elapsed();
        if page.is_last() || elapsed < Duration::from_secs(1) || self.bar.is_hidden() {
            return;
        }
        if let (None, None, Some(_)) = (&self.count, self.bar.length(), self.skipped) {
            // One small request, while the next page is on its way. A service that is too old can't count.
            let (count, known) = (request.count(), Arc::new(OnceLock::new()));
            self.count = Some(known.clone());
            tokio::spawn(async move { count.await.map(|count| known.set(count)) });
        }
        if let Some(count) = self.count.as_ref().and_then(|count| count.get()) {
            let count = count.saturating_sub(self.skipped.unwrap_or(0));
            self.bar.set_length(self.max.map_or(count, |max| count.min(max)));
        }
        let rate = self.listed as f64 / elapsed.as_secs_f64();
        let left = self.bar.length().map(|total| total.saturating_sub(self.listed) as f64 / rate);
        let left = left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let left = left.map(|left| format!(", {:#} left", HumanDuration(left))).unwrap_or_default();
        self.bar.set_position(self.listed);
        self.bar.set_style(style(match self.bar.length() {
            Some(_) => "{wide_bar} {human_pos} of {human_len} backups, {msg}",
            None => "{human_pos} backups, {msg}",
        }));
        self.bar.set_message(format!("{rate:.0}/s{left}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
