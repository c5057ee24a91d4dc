//! Why a request waits, read from the events of the client's retries (docs/signals.md).

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use vbs_client::jiff::SignedDuration;

/// Shows on this bar what the client waits for.
pub fn show_on(bar: &ProgressBar) {
    if !bar.is_hidden() {
        // No other subscriber is set.
        let _ = tracing::subscriber::set_global_default(Retries(bar.clone()));
    }
}

/// How the bar looks.
pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Whether the bar shows a wait.
static WAITS: AtomicBool = AtomicBool::new(false);

/// Clears the bar, if it shows a wait.
pub fn end(bar: &ProgressBar) {
    if WAITS.swap(false, Ordering::Relaxed) {
        bar.disable_steady_tick();
        bar.set_style(style(""));
    }
}

struct Retries(ProgressBar);

impl Subscriber for Retries {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "vbs_client::retry"
    }

    fn event(&self, event: &Event<'_>) {
        let mut retry = Retry::default();
        event.record(&mut retry);
        let until = Instant::now() + retry.delay;
        let seconds = move |_: &ProgressState, text: &mut dyn Write| {
            let left = until.saturating_duration_since(Instant::now()).as_secs_f64();
            let _ = write!(text, "{} s", left.ceil());
        };
        let reason = if matches!(retry.status, 413 | 429) { "throttled" } else { "a transient fault" };
        self.0.set_style(style(&format!("{reason}, waiting {{seconds}}")).with_key("seconds", seconds));
        WAITS.store(true, Ordering::Relaxed);
        self.0.enable_steady_tick(Duration::from_millis(200));
    }

    // Only events have this target.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Retry {
    delay: Duration,
    status: u64,
}

impl Visit for Retry {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "delay" {
            let delay = format!("{value:?}").parse::<SignedDuration>();
            self.delay = delay.map(SignedDuration::unsigned_abs).unwrap_or_default();
        }
    }
}
