//! The sources of settings: the environment, and the files that openstacksdk reads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::file::Clouds;
use super::settings::{Flag, Origin, Setting, Settings, VBS_ENDPOINT, Values, variable};
use crate::Error;
use crate::transport::endpoint;

/// Where settings were found. Errors name a setting as its source does.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Code,
    Environment,
    File { cloud: String, path: PathBuf },
}

/// The extensions of a file, the preferred one first.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

/// The name of the cloud that the variables describe, unless `OS_CLOUD_NAME` is set.
const ENVIRONMENT: &str = "envvars";

/// The environment. Tests replace it.
pub(super) struct Environment<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The working directory, and the machine's configuration directory.
    pub(super) folders: [&'a Path; 2],
}

impl Environment<'static> {
    pub(super) fn of_this_process() -> Self {
        Self { variable: &|name| std::env::var_os(name), folders: [Path::new(""), Path::new("/etc/openstack")] }
    }
}

impl Environment<'_> {
    /// A variable, unless it is empty.
    fn get(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = (self.variable)(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        value.into_string().map(Some).map_err(|_| Error::invalid_config("environment", format!("{name} is not UTF-8")))
    }

    /// The variables of these settings, by the settings' names.
    fn variables(&self, settings: impl Iterator<Item = Setting>) -> Result<Values, Error> {
        let mut values = Values::new();
        for (variable, name) in settings.flat_map(Setting::variables) {
            if let Some(value) = self.get(&variable)? {
                values.insert(name, value.into());
            }
        }
        Ok(values)
    }

    /// All variables.
    fn settings(&self) -> Result<Settings, Error> {
        let variables = self.variables(Setting::ALL.iter().copied())?;
        Ok(Settings { variables, ..Settings::default() })
    }

    /// `OS_CLOUD`, or else `OS_*`, or else the only cloud of the file.
    pub(super) fn default_cloud(&self) -> Result<(Settings, Source), Error> {
        if let Some(cloud) = self.get("OS_CLOUD")? {
            let (settings, source) = self.named_cloud(&cloud)?;
            let endpoint = self.get(&variable(VBS_ENDPOINT))?.map(|value| (VBS_ENDPOINT.to_owned(), value.into()));
            let chosen = Settings { variables: endpoint.into_iter().collect(), ..Settings::default() };
            return Ok((chosen.or(settings), source));
        }
        let settings = self.settings()?;
        if Setting::ALL.iter().any(|setting| !setting.is(Flag::Selects) && settings.is_set(*setting)) {
            return Ok((settings, Source::Environment));
        }
        let found = self.load()?;
        match *found.names().as_slice() {
            [only] => {
                let (of_file, source) = self.cloud(&found, only)?;
                Ok((settings.or(of_file), source))
            }
            _ => Err(Error::invalid_config(
                "cloud",
                format!("neither OS_CLOUD nor OS_AUTH_URL is set, and {}", found.describe()),
            )),
        }
    }

    /// The entry of a cloud in clouds.yaml, merged with secure.yaml, its profile and the environment.
    pub(super) fn named_cloud(&self, cloud: &str) -> Result<(Settings, Source), Error> {
        let found = self.load()?;
        if cloud == self.get("OS_CLOUD_NAME")?.as_deref().unwrap_or(ENVIRONMENT) {
            if found.names().contains(&cloud) {
                let reason = format!("the cloud {cloud:?} is that of the environment, but {}", found.describe());
                return Err(Error::invalid_config("cloud", reason));
            }
            return Ok((self.settings()?, Source::Environment));
        }
        let (mut settings, source) = self.cloud(&found, cloud)?;
        for setting in Setting::ALL.iter().copied() {
            let mut variables = self.variables([setting].into_iter())?;
            // Without a method, a password would win over the entry's application credential.
            let is_needed = setting != Setting::Password
                || settings.is_set(Setting::AuthType)
                || !settings.is_set(Setting::ApplicationCredentialSecret);
            if setting.is(Flag::Fills) && !settings.is_set(setting) && is_needed {
                settings.filled.extend(variables);
            } else if setting.is(Flag::Chooses) {
                variables.remove(VBS_ENDPOINT);
                let of_environment = Settings { variables, ..Settings::default() };
                if let Some((Origin::Variable(name), value)) = of_environment.find(setting)
                    && settings.text(setting) != Some(value.expose_secret())
                {
                    tracing::warn!(target: "vbs_client::sign_in", "{name} has no effect: the cloud {cloud:?} is chosen");
                }
            }
        }
        Ok((settings, source))
    }

    fn cloud(&self, found: &Found, cloud: &str) -> Result<(Settings, Source), Error> {
        let Some(mut settings) = found.get(cloud)? else {
            return Err(Error::invalid_config("cloud", format!("there is no cloud {cloud:?}: {}", found.describe())));
        };
        if let Some(name) = settings.text(Setting::Profile).map(str::to_owned) {
            settings = self.with_profile(settings, cloud, &name)?;
        }
        Ok((settings, Source::File { cloud: cloud.to_owned(), path: found.clouds.path.clone().unwrap_or_default() }))
    }

    /// A cloud's entry, merged with its profile.
    fn with_profile(&self, settings: Settings, cloud: &str, name: &str) -> Result<Settings, Error> {
        let (public, searched) = self.search("clouds-public", "public-clouds", "OS_CLIENT_VENDOR_FILE")?;
        let built_in = Clouds::built_in()?;
        let own = public.get(name)?;
        let shipped = if own.is_some() { None } else { built_in.get(name)? };
        if let Some(status) = shipped.as_ref().and_then(|profile| profile.text(Setting::Status)) {
            let reason = format!("the profile {name:?} of the cloud {cloud:?} {status}");
            return Err(Error::invalid_config("profile", reason));
        }
        let profile = own.or(shipped);
        let url = profile.as_ref().and_then(|profile| profile.text(Setting::Profile)).unwrap_or(name);
        if url.contains("://") {
            let reason = format!(
                "the cloud {cloud:?} has a profile by URL, {:?}, which is not supported: write its settings into the \
                 cloud's entry",
                endpoint::shown(url)
            );
            return Err(Error::invalid_config("profile", reason));
        }
        let Some(mut profile) = profile else {
            // The profile may have no setting that is used here.
            if settings.is_set(Setting::AuthUrl) {
                return Ok(settings);
            }
            let there: Vec<_> = public.names().chain(built_in.names()).collect();
            let reason = format!(
                "the cloud {cloud:?} has no auth_url, and there is no profile {name:?}, only {}; searched: {}",
                there.join(", "),
                paths(&searched)
            );
            return Err(Error::invalid_config("profile", reason));
        };
        if !settings.regions.is_empty() {
            profile.entry.remove(Setting::RegionName.name());
        }
        profile.regions_of_profile = true;
        profile.unknown.clear();
        Ok(settings.or(profile))
    }

    /// clouds.yaml, and secure.yaml.
    fn load(&self) -> Result<Found, Error> {
        let (clouds, searched) = self.search("clouds", "clouds", "OS_CLIENT_CONFIG_FILE")?;
        let (secure, _) = self.search("secure", "clouds", "OS_CLIENT_SECURE_FILE")?;
        Ok(Found { clouds, secure, searched })
    }

    /// The first of the files that exists, and those that were searched before it.
    fn search(&self, name: &str, key: &str, chosen: &str) -> Result<(Clouds, Vec<PathBuf>), Error> {
        if let Some(path) = self.get(chosen)? {
            let path = PathBuf::from(path);
            let reason = format!("{chosen} is {}, which does not exist", path.display());
            let clouds = Clouds::read(&path, key)?.ok_or_else(|| Error::invalid_config("file", reason))?;
            return Ok((clouds, vec![path]));
        }
        let mut searched = Vec::new();
        for folder in self.folders() {
            for extension in EXTENSIONS {
                let path = folder.join(format!("{name}.{extension}"));
                if let Some(clouds) = Clouds::read(&path, key)? {
                    return Ok((clouds, searched));
                }
                searched.push(path);
            }
        }
        Ok((Clouds::default(), searched))
    }

    /// The working directory, the user's, and the machine's.
    fn folders(&self) -> Vec<PathBuf> {
        let path = |name| (self.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME").or_else(std::env::home_dir);
        let [working, site] = self.folders;
        let mut folders = vec![working.to_owned()];
        folders.extend(path("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute()));
        if cfg!(windows) {
            folders.extend(path("LOCALAPPDATA").map(|folder| folder.join("OpenStack")));
        }
        if cfg!(target_os = "macos") {
            folders.extend(home.as_ref().map(|home| home.join("Library/Application Support")));
        }
        folders.extend(home.map(|home| home.join(".config")));
        for folder in folders.iter_mut().skip(1) {
            folder.push("openstack");
        }
        folders.push(site.to_owned());
        folders.dedup();
        folders
    }
}

/// The result of a search for clouds.
struct Found {
    clouds: Clouds,
    secure: Clouds,
    searched: Vec<PathBuf>,
}

impl Found {
    /// The clouds' names in both files, each once.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.clouds.names().chain(self.secure.names()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn get(&self, cloud: &str) -> Result<Option<Settings>, Error> {
        let (open, secret) = (self.clouds.get(cloud)?, self.secure.get(cloud)?);
        Ok(match (secret, open) {
            (Some(secret), Some(open)) => Some(secret.or(open)),
            (secret, open) => secret.or(open),
        })
    }

    fn describe(&self) -> String {
        let names = self.names();
        match &self.clouds.path {
            None if names.is_empty() => format!("there is none of the files {}", paths(&self.searched)),
            Some(path) if names.is_empty() => format!("{} has no clouds", path.display()),
            path => {
                let path = path.as_ref().or(self.secure.path.as_ref()).map(|path| path.display().to_string());
                format!("{} has the clouds {}", path.unwrap_or_default(), names.join(", "))
            }
        }
    }
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
