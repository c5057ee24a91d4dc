//! The settings of reqwest's builders: certificates, and what the caller sets.

use super::credentials::{Credentials, HttpSettings};
use super::settings::{Setting, boolean};
use crate::Error;

impl Credentials {
    /// The settings of reqwest's builders. The caller's come last, and win.
    pub(super) fn http_settings(&self) -> Result<Vec<HttpSettings>, Error> {
        let verify = self.settings.text(Setting::Verify);
        let insecure = self.settings.text(Setting::Insecure).map_or(Some(false), boolean).ok_or_else(|| {
            let text = self.settings.text(Setting::Insecure).unwrap_or_default();
            let reason = format!("{} is {text:?}, neither true nor false", self.name(Setting::Insecure));
            Error::invalid_config("insecure", reason)
        })?;
        let is_unsafe = [(Setting::Insecure, insecure), (Setting::Verify, verify.and_then(boolean) == Some(false))];
        let unsafe_setting = is_unsafe.into_iter().find(|(_, is_unsafe)| *is_unsafe).map(|(setting, _)| setting);
        let is_path = verify.is_some_and(|text| boolean(text).is_none());
        let ca = [(Setting::Cacert, self.settings.is_set(Setting::Cacert)), (Setting::Verify, is_path)];
        let ca = ca.into_iter().find(|(_, is_set)| *is_set && unsafe_setting.is_none()).map(|(setting, _)| setting);
        let client = [Setting::Cert, Setting::Key].into_iter().find(|setting| self.settings.is_set(*setting));
        if cfg!(not(feature = "rustls"))
            && let Some(setting) = unsafe_setting.or(ca).or(client)
        {
            let reason = format!("{} needs a TLS feature, such as rustls", self.name(setting));
            return Err(Error::invalid_config("http", reason));
        }
        if let Some(setting) = unsafe_setting {
            tracing::warn!(target: "vbs_client::sign_in", "certificates are not verified: {} disables it", self.name(setting));
        }
        let mut settings: Vec<HttpSettings> = Vec::new();
        #[cfg(feature = "rustls")]
        {
            if let Some(setting) = ca {
                let certificates = self.certificates(setting)?;
                settings.push(std::sync::Arc::new(move |http| http.tls_certs_only(certificates.clone())));
            }
            if let Some(setting) = client {
                let identity = self.identity(setting)?;
                settings.push(std::sync::Arc::new(move |http| http.identity(identity.clone())));
            }
            if unsafe_setting.is_some() {
                settings.push(std::sync::Arc::new(|http| http.tls_danger_accept_invalid_certs(true)));
            }
        }
        settings.extend_from_slice(&self.http);
        Ok(settings)
    }
}

#[cfg(feature = "rustls")]
mod pem {
    use std::path::PathBuf;

    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::super::file;
    use super::{Credentials, Error, Setting};

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

        /// The client's certificate and its key, in two files or in one.
        pub(super) fn identity(&self, set: Setting) -> Result<reqwest::Identity, Error> {
            if set == Setting::Key {
                let reason = format!("{} is set, and {} is not", self.name(Setting::Key), self.name(Setting::Cert));
                return Err(Error::invalid_config("cert", reason));
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
            // Text outside the PEM blocks may have any encoding.
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
            let reason = format!("{}: {}: {reason}", self.name(setting), self.path(setting).display());
            Error::invalid_config(setting_name, reason)
        }
    }

    /// The certificate, without the trust settings that OpenSSL appends in a `TRUSTED CERTIFICATE`.
    fn certificate(der: &[u8]) -> &[u8] {
        // A DER sequence of 256 to 65,535 bytes: its length has two bytes.
        match der {
            [0x30, 0x82, high, low, ..] => der.get(..4 + usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or(der),
            _ => der,
        }
    }
}
