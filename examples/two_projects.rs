//! Two projects at once: their backups in error, as they come.
//!
//! `cargo run --example two_projects -- CLOUD CLOUD` has the names of two clouds in clouds.yaml, which may be two
//! projects of the same one. Without them it lists two demos.

use futures::{StreamExt, TryStreamExt, stream};
use vbs_client::mock::{Cinder, rows};
use vbs_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let clouds: Vec<String> = std::env::args().skip(1).collect();
    let demos = [Cinder::start(rows(1500)).await, Cinder::start(rows(800)).await];
    let projects: Vec<(String, Client)> = match clouds.as_slice() {
        [] => vec![("demo-1".to_owned(), demos[0].client()), ("demo-2".to_owned(), demos[1].client())],
        // All sign in concurrently.
        clouds => {
            let sign_in =
                |cloud: String| async move { Ok::<_, Error>((cloud.clone(), Client::from_cloud(cloud).await?)) };
            stream::iter(clouds.to_vec()).map(sign_in).buffered(8).try_collect().await?
        }
    };

    // A client is for one project, and cheap; a stream owns what it needs.
    let listings = projects.into_iter().map(|(name, client)| {
        let backups = client.list_backups().status("error").items();
        backups.map_ok(move |backup| (name.clone(), backup))
    });
    let mut backups = stream::select_all(listings);
    let mut listed = 0;
    // The first error ends the loop; to continue with the other project, match on the item.
    while let Some((project, backup)) = backups.try_next().await? {
        println!("{project}  {}  {}", backup.id, backup.name.as_deref().unwrap_or("-"));
        listed += 1;
    }
    println!("{listed} backups in error");
    Ok(())
}
