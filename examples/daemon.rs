//! A daemon that publishes how many backups there are in each status, for a monitoring system. It keeps running while
//! the cloud is down.
//!
//! `cargo run --example daemon -- SECONDS ROUNDS` lists every SECONDS (default: 60), ROUNDS times (default: for ever).

mod demo;

use std::collections::BTreeMap;
use std::time::Duration;

use vbs_client::mock::{Cinder, rows};
use vbs_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let number = |place| std::env::args().nth(place).and_then(|text| text.parse().ok());
    let every = Duration::from_secs(number(1).unwrap_or(60));
    let (client, _demo) = start(every).await?;
    let mut metrics = Metrics::default();
    for _ in 0..number(2).unwrap_or(u64::MAX) {
        metrics.update(&client).await;
        print!("{}", metrics.text());
        tokio::time::sleep(every).await;
    }
    Ok(())
}

/// Signs in, and retries while the identity service is down.
async fn start(every: Duration) -> Result<(Client, Option<Cinder>), Error> {
    loop {
        match demo::client(rows(3000)).await {
            Err(error) if error.is_retryable() => eprintln!("{error}"),
            result => return result,
        }
        tokio::time::sleep(every).await;
    }
}

#[derive(Default)]
struct Metrics {
    is_up: bool,
    backups: BTreeMap<String, u64>,
}

impl Metrics {
    /// One listing: several counts would be of different times, and of the known statuses only.
    async fn update(&mut self, client: &Client) {
        let result = count(client).await;
        self.is_up = result.is_ok();
        match result {
            Ok(backups) => self.backups = backups,
            // The last counts stay. The client renews tokens and connections; for an error that stays, such as a wrong
            // password, there is the alarm on `is_up`.
            Err(error) => eprintln!("{error}"),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("vbs_up {}\n", u8::from(self.is_up));
        for (status, number) in &self.backups {
            text += &format!("vbs_backups{{status={status:?}}} {number}\n");
        }
        text
    }
}

async fn count(client: &Client) -> Result<BTreeMap<String, u64>, Error> {
    let mut counts = BTreeMap::new();
    let mut backups = client.list_backups_detail().items();
    while let Some(backup) = backups.try_next().await? {
        *counts.entry(backup.status.as_str().to_owned()).or_default() += 1;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use vbs_client::RetryPolicy;
    use vbs_client::mock::Fault;

    use super::*;

    #[tokio::test]
    async fn it_goes_on_while_the_service_is_down() {
        let cinder = Cinder::start(rows(30)).await;
        let client = cinder.builder().retry(RetryPolicy::none()).build().unwrap();
        let mut metrics = Metrics::default();
        assert_eq!(metrics.text(), "vbs_up 0\n");
        metrics.update(&client).await;
        let counts = metrics.text();
        assert!(counts.starts_with("vbs_up 1\nvbs_backups{status=\"available\"} "), "{counts}");
        assert_eq!(metrics.backups.values().sum::<u64>(), 30);

        cinder.fail_next(1, Fault::status(503));
        cinder.insert(vbs_client::mock::Row::new("new").status("error"));
        metrics.update(&client).await;
        assert_eq!(metrics.text(), counts.replace("vbs_up 1", "vbs_up 0"));
        metrics.update(&client).await;
        assert!(metrics.is_up);
        assert_eq!(metrics.backups.values().sum::<u64>(), 31);
    }
}
