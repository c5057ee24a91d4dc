//! The progress bar of a listing that takes more than a second, where standard error is a terminal.

use std::time::{Duration, Instant};

use futures::FutureExt;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use vbs_client::{Error, ListBackups, Page, Row};

use crate::options::Options;

pub struct Progress<T> {
    bar: Option<ProgressBar>,
    request: ListBackups<T>,
    /// How many backups match the filters, once that is known.
    count: Option<JoinHandle<Result<u64, Error>>>,
    /// How many of those are skipped, where that can be known.
    skipped: Option<u64>,
    listed: u64,
    start: Instant,
}

impl<T: Row> Progress<T> {
    pub fn new(request: &ListBackups<T>, options: &Options) -> Self {
        let from_start = options.resume.is_none() && options.parameter("marker").is_none();
        let offset = options.parameter("offset").unwrap_or("0").parse().ok();
        let (request, skipped) = (request.clone(), offset.filter(|_| from_start));
        Self { bar: None, request, count: None, skipped, listed: 0, start: Instant::now() }
    }

    /// Prints what may go to the same terminal.
    pub fn hide<R>(&self, print: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub fn record(&mut self, page: &Page<T>) {
        self.listed += page.backups.len() as u64;
        let elapsed = self.start.elapsed();
        if page.is_last() || elapsed < Duration::from_secs(1) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::no_length().with_style(style("{human_pos} backups, {msg}"));
            // One small request, while the next page is on its way. A service that is too old can't count.
            let counts = !bar.is_hidden() && self.skipped.is_some();
            self.count = counts.then(|| tokio::spawn(self.request.count()));
            bar
        });
        if let Some(Ok(Ok(count))) = self.count.take_if(|count| count.is_finished()).and_then(FutureExt::now_or_never) {
            bar.set_length(count.saturating_sub(self.skipped.unwrap_or(0)));
            bar.set_style(style("{wide_bar} {human_pos} of {human_len} backups, {msg}"));
        }
        let rate = self.listed as f64 / elapsed.as_secs_f64();
        let left = bar.length().map(|total| total.saturating_sub(self.listed) as f64 / rate);
        let left = left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let left = left.map(|left| format!(", {:#} left", HumanDuration(left))).unwrap_or_default();
        bar.set_message(format!("{rate:.0}/s{left}"));
        bar.set_position(self.listed);
    }
}

impl<T> Drop for Progress<T> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
