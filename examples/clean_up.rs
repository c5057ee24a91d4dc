//! Which backups to delete: those in error, and those that are older than 30 days, but never the newest 7 of a name.
//! It prints the commands that delete them: this crate only reads.

mod demo;

use std::collections::HashMap;
use vbs_client::jiff::{SignedDuration, Timestamp};
use vbs_client::mock::{Row, rows};
use vbs_client::{BackupDetail, BackupStatus, Error};

const KEEP: usize = 7;
const DAYS: i64 = 30;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (client, _demo) = demo::client(rows(3000).into_iter().chain(one_name())).await?;

    // Collect first: "the newest 7" needs the whole list, and an error during the listing ends this before anything is
    // deleted. A job that deletes while it lists has already acted when the error comes.
    let backups: Vec<BackupDetail> = client.list_backups_detail().limit(1000).items().try_collect().await?;

    // Later backups only add to those that are kept; the service refuses to delete one in use.
    for backup in obsolete(&backups, Timestamp::now()) {
        println!("{}", command(backup));
    }
    Ok(())
}

fn command(backup: &BackupDetail) -> String {
    // The name is escaped: a shell would run what follows a line break in it.
    format!("openstack volume backup delete {}  # {:?}", backup.id, backup.name.as_deref().unwrap_or("no name"))
}

/// Of these backups, newest first, those to delete.
fn obsolete(backups: &[BackupDetail], now: Timestamp) -> Vec<&BackupDetail> {
    let mut newer: HashMap<&str, usize> = HashMap::new();
    let mut obsolete = Vec::new();
    for backup in backups {
        let is_old = now.duration_since(backup.created_at) > SignedDuration::from_hours(24 * DAYS);
        let delete = match (&backup.status, backup.name.as_deref()) {
            (BackupStatus::Error, _) => true,
            (BackupStatus::Available, Some(name)) => {
                let newer = newer.entry(name).or_default();
                *newer += 1;
                *newer > KEEP && is_old
            }
            // It has no name, or it is in use.
            _ => false,
        };
        // Other backups build on it.
        if delete && !backup.has_dependent_backups {
            obsolete.push(backup);
        }
    }
    obsolete
}

/// For the demo, whose other names are unique: 10 backups of one name, an hour apart, 3 of them to delete.
fn one_name() -> impl Iterator<Item = Row> {
    let newest = Timestamp::now() - SignedDuration::from_hours(24 * DAYS + 1);
    (0..10).map(move |age| {
        Row::new(format!("daily-{age}")).name("daily").created_at(newest - SignedDuration::from_hours(age))
    })
}

#[cfg(test)]
mod tests {
    use vbs_client::mock::Cinder;

    use super::*;

    #[tokio::test]
    async fn a_line_break_in_a_name_starts_no_command() {
        let cinder = Cinder::start([Row::new("a").name("x\nreboot")]).await;
        let backup = cinder.client().show_backup("a").send().await.unwrap();
        assert_eq!(command(&backup), r#"openstack volume backup delete a  # "x\nreboot""#);
    }
}
