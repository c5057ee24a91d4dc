//! The trace of a process, at TRACE and from all libraries.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<u8>>>);

impl Write for Trace {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Trace {
    /// Begins to trace all of this process.
    pub fn begin() -> Self {
        let trace = Self::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(trace.writer())
            .finish()
            .try_init()
            .unwrap();
        trace
    }

    /// The writer of a subscriber.
    pub fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
        let trace = self.clone();
        move || trace.clone()
    }

    /// The trace since the last call.
    pub fn take(&self) -> String {
        String::from_utf8(mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}
