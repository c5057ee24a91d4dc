//! Where the examples get a client: of your cloud, where the environment has settings for one, or of a demo.

use vbs_client::mock::{Cinder, rows};
use vbs_client::{Client, Error};

/// The client, and the demo's server, which runs as long as this exists.
pub async fn client() -> Result<(Client, Option<Cinder>), Error> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["OS_CLOUD", "OS_AUTH_URL", "VBS_ENDPOINT"].iter().any(is_set) {
        return Ok((Client::from_env().await?, None));
    }
    eprintln!("demo data, made up: OS_CLOUD, OS_AUTH_URL and VBS_ENDPOINT are not set");
    let cinder = Cinder::start(rows(3000)).await;
    Ok((cinder.client(), Some(cinder)))
}
