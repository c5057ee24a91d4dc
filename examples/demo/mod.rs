//! The examples' client: of your cloud, if there are settings for one, or of a demo.

mod settings;

use vbs_client::mock::{Cinder, Row};
use vbs_client::{Client, Error};

/// The client, and the server of a demo with these rows, which stops when it is dropped.
pub async fn client(rows: impl IntoIterator<Item = Row>) -> Result<(Client, Option<Cinder>), Error> {
    if settings::any() {
        return Ok((Client::from_env().await?, None));
    }
    eprintln!("{}", settings::NONE);
    let cinder = Cinder::start(rows).await;
    Ok((cinder.client(), Some(cinder)))
}
