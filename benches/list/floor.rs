//! The floor: the same requests written by hand, with reqwest and serde_json, into equal structs.

use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
pub struct Backup {
    pub id: String,
    pub name: Option<String>,
    pub links: Vec<Link>,
}

#[derive(Deserialize)]
pub struct Link {
    pub href: String,
    pub rel: String,
}

#[derive(Deserialize)]
struct List<T> {
    backups: Vec<T>,
    #[serde(default)]
    backups_links: Vec<Link>,
}

/// All backups, page by page, by the unchanged links.
pub async fn list<T: DeserializeOwned>(http: &Client, address: &str, token: &str) -> Result<Vec<T>, reqwest::Error> {
    let mut all = Vec::new();
    let mut next = Some(address.to_owned());
    while let Some(address) = next {
        let response = http.get(address).header("X-Auth-Token", token).send().await?.error_for_status()?;
        let page: List<T> = response.json().await?;
        all.extend(page.backups);
        next = page.backups_links.into_iter().find(|link| link.rel == "next").map(|link| link.href);
    }
    Ok(all)
}
