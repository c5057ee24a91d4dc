//! For callers without async: an iterator of backups, which drives a runtime of its own.

mod demo;

use tokio::runtime::{Builder, Runtime};
use vbs_client::mock::rows;
use vbs_client::{Backup, Client, Error, Items, ListBackups};

/// A listing that blocks the thread. It must not be used within async code: there, `block_on` panics.
struct Backups {
    // Dropped in this order: connections and pages in flight belong to the runtime.
    items: Items,
    runtime: Runtime,
}

impl Backups {
    fn new(runtime: Runtime, request: &ListBackups) -> Self {
        Self { items: request.items(), runtime }
    }
}

impl Iterator for Backups {
    type Item = Result<Backup, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // `futures::executor::block_on_stream` drives no runtime: it panics here, and waits for ever within
        // `runtime.enter()`.
        self.runtime.block_on(self.items.try_next()).transpose()
    }
}

fn main() -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (client, _demo) = runtime.block_on(demo::client(rows(3000)))?;
    list(runtime, &client)
}

/// No async from here on.
fn list(runtime: Runtime, client: &Client) -> Result<(), Error> {
    let mut listed = 0;
    for backup in Backups::new(runtime, &client.list_backups().name_like("weekly")) {
        println!("{}", backup?.id);
        listed += 1;
    }
    println!("{listed} backups");
    Ok(())
}
