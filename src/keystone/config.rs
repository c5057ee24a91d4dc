//! Where settings come from: the environment, and the files that openstacksdk reads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::file::Clouds;
use super::invalid;
use super::settings::{Flag, Origin, Setting, Settings, VBS_ENDPOINT, Values, variable};
use crate::Error;

/// Where settings were found: what their names are for whoever has written them.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Code,
    Environment,
    File { cloud: String, path: PathBuf },
}

/// The extensions of a file, the preferred one first.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

/// The name of the cloud that the variables describe, unless `OS_CLOUD_NAME` has another one.
const ENVIRONMENT: &str = "envvars";

/// The environment, as the tests can have another one.
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
        value.into_string().map(Some).map_err(|_| invalid("environment", format!("{name} is not UTF-8")))
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

    /// `OS_CLOUD`, or else `OS_*`, or else the only cloud of the file.
    pub(super) fn default_cloud(&self) -> Result<(Settings, Source), Error> {
        if let Some(cloud) = self.get("OS_CLOUD")? {
            let (settings, source) = self.named_cloud(&cloud)?;
            let endpoint = self.get(&variable(VBS_ENDPOINT))?.map(|value| (VBS_ENDPOINT.to_owned(), value.into()));
            let chosen = Settings { variables: endpoint.into_iter().collect(), ..Settings::default() };
            return Ok((chosen.or(settings), source));
        }
        let settings = Settings { variables: self.variables(Setting::ALL.iter().copied())?, ..Settings::default() };
        if Setting::ALL.iter().any(|setting| !setting.is(Flag::Selects) && settings.is_set(*setting)) {
            return Ok((settings, Source::Environment));
        }
        let found = self.load()?;
        match *found.names().as_slice() {
            [only] => {
                let (of_file, source) = self.cloud(&found, only)?;
                Ok((settings.or(of_file), source))
            }
            _ => Err(invalid("cloud", format!("neither OS_CLOUD nor OS_AUTH_URL is set, and {}", found.describe()))),
        }
    }

    /// The entry of a cloud in clouds.yaml, with what secure.yaml, its profile and the environment have.
    pub(super) fn named_cloud(&self, cloud: &str) -> Result<(Settings, Source), Error> {
        let found = self.load()?;
        if cloud == self.get("OS_CLOUD_NAME")?.as_deref().unwrap_or(ENVIRONMENT) {
            if found.names().contains(&cloud) {
                let reason = format!("the cloud {cloud:?} is that of the environment, but {}", found.describe());
                return Err(invalid("cloud", reason));
            }
            let variables = self.variables(Setting::ALL.iter().copied())?;
            return Ok((Settings { variables, ..Settings::default() }, Source::Environment));
        }
        let (mut settings, source) = self.cloud(&found, cloud)?;
        for setting in Setting::ALL.iter().copied() {
            let mut variables = self.variables([setting].into_iter())?;
            if setting.is(Flag::Fills) && !settings.is_set(setting) {
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
            return Err(invalid("cloud", format!("there is no cloud {cloud:?}: {}", found.describe())));
        };
        if let Some(name) = settings.text(Setting::Profile).map(str::to_owned) {
            settings = self.with_profile(settings, cloud, &name)?;
        }
        Ok((settings, Source::File { cloud: cloud.to_owned(), path: found.path.clone().unwrap_or_default() }))
    }

    /// A cloud's entry, with what its profile has.
    fn with_profile(&self, settings: Settings, cloud: &str, name: &str) -> Result<Settings, Error> {
        let (public, searched) = self.search("clouds-public", "public-clouds", "OS_CLIENT_VENDOR_FILE")?;
        let (path, public) = public.unwrap_or_default();
        let fault = |reason: String| in_file(&path, &reason);
        let built_in = Clouds::parse(PROFILES, false, "public-clouds").map_err(fault)?;
        let own = public.get(name).map_err(fault)?;
        let shipped = if own.is_some() { None } else { built_in.get(name).map_err(fault)? };
        if let Some(status) = shipped.as_ref().and_then(|profile| profile.text(Setting::Status)) {
            return Err(invalid("profile", format!("the profile {name:?} of the cloud {cloud:?} {status}")));
        }
        let profile = own.or(shipped);
        let url = profile.as_ref().and_then(|profile| profile.text(Setting::Profile)).unwrap_or(name);
        if url.contains("://") {
            let reason = format!(
                "the cloud {cloud:?} has a profile by URL, {url:?}, which is not supported: write its settings into the \
                 cloud's entry"
            );
            return Err(invalid("profile", reason));
        }
        let Some(mut profile) = profile else {
            // It may have nothing that matters here.
            if settings.is_set(Setting::AuthUrl) {
                return Ok(settings);
            }
            let there: Vec<_> = public.names().chain(built_in.names()).collect();
            let reason = format!(
                "the cloud {cloud:?} has no auth_url, and there is no profile {name:?}, only {}; searched: {}",
                there.join(", "),
                paths(&searched)
            );
            return Err(invalid("profile", reason));
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
        let (path, clouds) = clouds.map(|(path, clouds)| (Some(path), clouds)).unwrap_or_default();
        let (secure_path, secure) = secure.unwrap_or_default();
        Ok(Found { path, clouds, secure_path, secure, searched })
    }

    /// The first of the files that is there, and those that were looked for before.
    fn search(&self, name: &str, key: &str, chosen: &str) -> Result<Searched, Error> {
        if let Some(path) = self.get(chosen)? {
            let path = PathBuf::from(path);
            return match read(&path, key)? {
                Some(clouds) => Ok((Some((path.clone(), clouds)), vec![path])),
                None => Err(invalid("file", format!("{chosen} is {}, which does not exist", path.display()))),
            };
        }
        let mut searched = Vec::new();
        for folder in self.folders() {
            for extension in EXTENSIONS {
                let path = folder.join(format!("{name}.{extension}"));
                if let Some(clouds) = read(&path, key)? {
                    return Ok((Some((path, clouds)), searched));
                }
                searched.push(path);
            }
        }
        Ok((None, searched))
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

/// The file that a search has found, and those that were looked for before.
type Searched = (Option<(PathBuf, Clouds)>, Vec<PathBuf>);

/// What a search for clouds has found.
struct Found {
    path: Option<PathBuf>,
    clouds: Clouds,
    secure_path: PathBuf,
    secure: Clouds,
    searched: Vec<PathBuf>,
}

impl Found {
    /// The names of both files, each once.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.clouds.names().chain(self.secure.names()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn get(&self, cloud: &str) -> Result<Option<Settings>, Error> {
        let open =
            self.clouds.get(cloud).map_err(|reason| in_file(self.path.as_deref().unwrap_or(Path::new("")), &reason))?;
        let secret = self.secure.get(cloud).map_err(|reason| in_file(&self.secure_path, &reason))?;
        Ok(match (secret, open) {
            (Some(secret), Some(open)) => Some(secret.or(open)),
            (secret, open) => secret.or(open),
        })
    }

    fn describe(&self) -> String {
        let names = self.names();
        match &self.path {
            None if names.is_empty() => format!("there is none of the files {}", paths(&self.searched)),
            Some(path) if names.is_empty() => format!("{} has no clouds", path.display()),
            path => {
                let path = path.as_deref().unwrap_or(&self.secure_path);
                format!("{} has the clouds {}", path.display(), names.join(", "))
            }
        }
    }
}

/// The profiles that need no file.
const PROFILES: &str = include_str!("profiles.yaml");

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn read(path: &Path, key: &str) -> Result<Option<Clouds>, Error> {
    Clouds::read(path, key).map_err(|reason| in_file(path, &reason))
}

fn in_file(path: &Path, reason: &str) -> Error {
    invalid("file", format!("{}: {reason}", path.display()))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
