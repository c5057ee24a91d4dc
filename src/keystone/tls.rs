//! What is set on reqwest's builders: certificates, and what the caller sets.

use super::credentials::{Credentials, HttpSettings};
use super::invalid;
use super::settings::{Setting, boolean};
use crate::Error;

/// What is set on reqwest's builders.
#[derive(Clone)]
pub(super) struct Http {
    #[cfg(feature = "rustls")]
    certificates: Option<Vec<reqwest::Certificate>>,
    #[cfg(feature = "rustls")]
    identity: Option<reqwest::Identity>,
    #[cfg(feature = "rustls")]
    insecure: bool,
    settings: Vec<HttpSettings>,
}

impl Http {
    pub(super) fn apply(&self, mut builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        #[cfg(feature = "rustls")]
        {
            if let Some(certificates) = &self.certificates {
                builder = builder.tls_certs_only(certificates.clone());
            }
            if let Some(identity) = &self.identity {
                builder = builder.identity(identity.clone());
            }
            if self.insecure {
                builder = builder.tls_danger_accept_invalid_certs(true);
            }
        }
        builder = self.settings.iter().fold(builder, |builder, settings| settings(builder));
        builder
    }
}

impl Credentials {
    pub(super) fn http_settings(&self) -> Result<Http, Error> {
        let verify = self.settings.text(Setting::Verify);
        let insecure = match self.settings.text(Setting::Insecure) {
            None => false,
            Some(text) => boolean(text).ok_or_else(|| {
                invalid("insecure", format!("{} is {text:?}, neither true nor false", self.name(Setting::Insecure)))
            })?,
        };
        let unsafe_setting = if insecure {
            Some(Setting::Insecure)
        } else {
            Some(Setting::Verify).filter(|_| verify.and_then(boolean) == Some(false))
        };
        let is_path = verify.is_some_and(|text| boolean(text).is_none());
        let ca = [(Setting::Cacert, self.settings.is_set(Setting::Cacert)), (Setting::Verify, is_path)];
        let ca = ca.into_iter().find(|(_, is_set)| *is_set && unsafe_setting.is_none()).map(|(setting, _)| setting);
        let client = [Setting::Cert, Setting::Key].into_iter().find(|setting| self.settings.is_set(*setting));
        if cfg!(not(feature = "rustls"))
            && let Some(setting) = unsafe_setting.or(ca).or(client)
        {
            return Err(invalid("http", format!("{} needs a TLS feature, such as rustls", self.name(setting))));
        }
        if let Some(setting) = unsafe_setting {
            tracing::warn!(target: "vbs_client::sign_in", "certificates are not verified: {} says so", self.name(setting));
        }
        Ok(Http {
            #[cfg(feature = "rustls")]
            certificates: ca.map(|setting| self.certificates(setting)).transpose()?,
            #[cfg(feature = "rustls")]
            identity: client.map(|setting| self.identity(setting)).transpose()?,
            #[cfg(feature = "rustls")]
            insecure: unsafe_setting.is_some(),
            settings: self.http.clone(),
        })
    }
}

#[cfg(feature = "rustls")]
mod pem {
    use std::path::PathBuf;

    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::super::file;
    use super::{Credentials, Error, Setting, invalid};

    impl Credentials {
        /// The certificates of a CA.
        pub(super) fn certificates(&self, setting: Setting) -> Result<Vec<reqwest::Certificate>, Error> {
            let pem = self.pem(setting)?.replace("TRUSTED CERTIFICATE-----", "CERTIFICATE-----");
            let fault = |reason: String| self.pem_fault(setting, &reason);
            let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
                .map(|der| {
                    reqwest::Certificate::from_der(certificate(&der?))
                        .map_err(|_| rustls_pki_types::pem::Error::NoItemsFound)
                })
                .collect::<Result<_, _>>()
                .map_err(|error| fault(error.to_string()))?;
            if certificates.is_empty() {
                return Err(fault("it has no certificates".to_owned()));
            }
            Ok(certificates)
        }

        /// The client's certificate and its key, in a file each or in one.
        pub(super) fn identity(&self, set: Setting) -> Result<reqwest::Identity, Error> {
            if set == Setting::Key {
                let reason = format!("{} is set, and {} is not", self.name(Setting::Key), self.name(Setting::Cert));
                return Err(invalid("cert", reason));
            }
            let mut pem = self.pem(Setting::Cert)?;
            if self.settings.is_set(Setting::Key) {
                pem = pem + "\n" + &self.pem(Setting::Key)?;
            }
            reqwest::Identity::from_pem(pem.as_bytes())
                .map_err(|_| self.pem_fault(Setting::Cert, "it has no certificate with an unencrypted key"))
        }

        fn pem(&self, setting: Setting) -> Result<String, Error> {
            let path = self.path(setting);
            let bytes = match file::bytes(&path) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Err(self.pem_fault(setting, "there is no such file")),
                Err(reason) => return Err(self.pem_fault(setting, &reason)),
            };
            // What is not PEM is passed over, in whatever encoding it is.
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
        }

        fn path(&self, setting: Setting) -> PathBuf {
            let path = self.settings.text(setting).unwrap_or_default();
            match (path.strip_prefix("~/"), std::env::home_dir()) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(path),
            }
        }

        fn pem_fault(&self, setting: Setting, reason: &str) -> Error {
            let setting_name = if setting == Setting::Verify { "cacert" } else { setting.name() };
            invalid(setting_name, format!("{}: {}: {reason}", self.name(setting), self.path(setting).display()))
        }
    }

    /// The certificate, without what OpenSSL puts behind it in a `TRUSTED CERTIFICATE`.
    fn certificate(der: &[u8]) -> &[u8] {
        // A sequence, whose length has two bytes, as each that has more than 255 bytes.
        match der {
            [0x30, 0x82, high, low, ..] => der.get(..4 + usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or(der),
            _ => der,
        }
    }
}
