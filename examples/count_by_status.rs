//! Counts the backups in each status: one small request for each, all concurrently.

mod demo;

use futures::future::try_join_all;
use vbs_client::mock::rows;
use vbs_client::{BackupStatus, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (client, _demo) = demo::client(rows(3000)).await?;
    let statuses = ["available", "error", "creating", "restoring", "deleting", "error_restoring", "error_deleting"];

    let counts = statuses.map(|status| {
        // The future owns its request, so it can be awaited anywhere.
        let count = client.list_backups().status(BackupStatus::from(status)).count();
        async move { Ok::<_, Error>((status, count.await?)) }
    });
    let (counts, all) = tokio::try_join!(try_join_all(counts), client.list_backups().count())?;

    for (status, count) in &counts {
        println!("{count:8} {status}");
    }
    // Backups may have changed between two counts, and the set of statuses is open.
    let known: u64 = counts.iter().map(|(_, count)| count).sum();
    println!("{:8} other", all.saturating_sub(known));
    println!("{all:8} backups");
    Ok(())
}
