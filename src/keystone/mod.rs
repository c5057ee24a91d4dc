//! Signing in to an OpenStack cloud: [`Credentials`].
//!
//! [`Client::from_env`](crate::Client::from_env) and [`Client::from_cloud`](crate::Client::from_cloud) use the settings
//! of the environment or of clouds.yaml.

mod catalog;
mod config;
mod credentials;
mod file;
mod resolve;
mod secret;
mod session;
mod settings;
mod tls;
mod yaml;

pub use credentials::Credentials;
pub(crate) use secret::Secret;

use crate::{Client, Error};

impl Client {
    /// Signs in with the settings of the environment: `OS_CLOUD` or `OS_*`, or the only cloud in clouds.yaml. See
    /// [`Credentials`](Credentials#where-settings-come-from).
    ///
    /// # Errors
    ///
    /// Those of [`Credentials::from_env`](Credentials::from_env),
    /// [`Credentials::sign_in`](Credentials::sign_in) and
    /// [`ClientBuilder::build`](crate::ClientBuilder::build).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), vbs_client::Error> {
    /// let client = vbs_client::Client::from_env().await?;
    /// let backups: Vec<_> = client.list_backups().items().try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn from_env() -> Result<Self, Error> {
        Credentials::from_env()?.sign_in().await?.build()
    }

    /// Signs in with the settings of a cloud in clouds.yaml. See
    /// [`Credentials`](Credentials#where-settings-come-from).
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), vbs_client::Error> {
    /// let client = vbs_client::Client::from_cloud("otc").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn from_cloud(name: impl AsRef<str>) -> Result<Self, Error> {
        Credentials::from_cloud(name)?.sign_in().await?.build()
    }
}

/// The client that build.rs generates from the contract.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    rustdoc::all
)]
pub(crate) mod generated {
    include!(concat!(env!("OUT_DIR"), "/keystone.rs"));
}

crate::transport::hooks::hooks!(generated::Client);

/// The `Debug` output of each cloud in a clouds.yaml, for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzzing_clouds(text: &str) -> Result<String, String> {
    let _ = file::Clouds::parse(text, true, "clouds");
    let clouds = file::Clouds::parse(text, false, "clouds")?;
    let shown = |name| {
        let settings = clouds.get(name).map_err(|error| error.to_string())?.unwrap_or_default();
        Ok(format!("{:?}", Credentials::found((settings, config::Source::Code))))
    };
    clouds.names().map(shown).collect()
}
