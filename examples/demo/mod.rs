//! Where the examples get a client: of your cloud, where there are settings for one, or of a demo.

mod settings;

use vbs_client::mock::{Cinder, rows};
use vbs_client::{Client, Error};

/// The client, and the demo's server, which runs as long as this exists.
pub async fn client() -> Result<(Client, Option<Cinder>), Error> {
    if settings::any() {
        return Ok((Client::from_env().await?, None));
    }
    eprintln!("{}", settings::NONE);
    let cinder = Cinder::start(rows(3000)).await;
    Ok((cinder.client(), Some(cinder)))
}
