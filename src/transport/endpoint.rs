//! The service's address, in the forms that users and catalogs have.

use reqwest::Url;

use super::secrets::WITHHELD;

/// The address up to the contract's path, and the project id, if the endpoint has it. The error completes a sentence
/// about the address, such as "has no host".
pub(crate) fn parse(endpoint: &str) -> Result<(String, Option<String>), String> {
    let refuse = |reason: &str| Err(reason.to_owned());
    // The URL parser would correct these, perhaps to another host.
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return refuse("does not begin with https:// or http://");
    };
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return refuse("does not begin with https:// or http://");
    }
    if endpoint.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return refuse("has a blank, a control character or a backslash");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return refuse("has a user name or password");
    }
    if authority.is_empty() {
        return refuse("has no host");
    }
    let url = Url::parse(endpoint).map_err(|error| format!("is not an address: {error}"))?;
    if url.query().is_some() {
        return refuse("has a query");
    }
    if url.fragment().is_some() {
        return refuse("has a fragment");
    }
    if rest.strip_prefix(authority).is_some_and(|path| !path.is_empty() && path != url.path()) {
        return refuse("has a path with segments such as `..`, or characters that need encoding");
    }
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (base, project_id) = match segments.as_slice() {
        [base @ .., version] if is_api_version(version) => (base, None),
        [base @ .., version, project_id] if is_api_version(version) && !project_id.is_empty() => {
            (base, Some((*project_id).to_owned()))
        }
        base => (base, None),
    };
    // A gateway may have a version of its own in front: `/api/v1/cinder/v3`.
    let versions =
        if base.len() == segments.len() { base } else { base.get(base.len().saturating_sub(1)..).unwrap_or_default() };
    if base.iter().any(|segment| segment.is_empty()) || versions.iter().any(|segment| is_version(segment)) {
        return refuse("has a path that does not end before the version, with it, or with it and the project id");
    }
    let origin = url.origin().ascii_serialization();
    Ok((base.iter().fold(origin, |address, segment| address + "/" + segment), project_id))
}

/// Whether a segment is a version of the API. Some catalogs have an older one.
fn is_api_version(segment: &str) -> bool {
    ["v1", "v2", "v3"].contains(&segment)
}

/// Whether a segment is a version, such as `v2` or `v3.0`.
fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix(['v', 'V'])
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// An address that can be shown: one with a user name may have a password, too.
pub(crate) fn shown(address: &str) -> &str {
    if address.contains('@') { WITHHELD } else { address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_endpoint_is_read() {
        for (endpoint, base, project_id) in [
            ("https://host", "https://host", None),
            ("https://host/", "https://host", None),
            ("HTTPS://Host:8776", "https://host:8776", None),
            ("http://[::1]:8776/v3/", "http://[::1]:8776", None),
            ("https://host/volume", "https://host/volume", None),
            ("https://host/volume/", "https://host/volume", None),
            ("https://host/v3", "https://host", None),
            ("https://host/volume/v3", "https://host/volume", None),
            ("https://host/volume/v3/b23b-5_Z", "https://host/volume", Some("b23b-5_Z")),
            ("https://host/a/b/v3/p/", "https://host/a/b", Some("p")),
            ("https://vbs.eu-de.otc.t-systems.com/v2/", "https://vbs.eu-de.otc.t-systems.com", None),
            ("https://host/v2/p", "https://host", Some("p")),
            ("https://host/volume/v1/p/", "https://host/volume", Some("p")),
            ("https://host/api/v1/cinder/v3/p", "https://host/api/v1/cinder", Some("p")),
            ("https://host/api/v1/cinder/v3", "https://host/api/v1/cinder", None),
        ] {
            assert_eq!(parse(endpoint).unwrap(), (base.to_owned(), project_id.map(str::to_owned)), "{endpoint}");
        }
    }

    #[test]
    fn any_other_endpoint_is_refused() {
        for endpoint in [
            "",
            "host",
            "host:8776",
            "/v3",
            "//host",
            "https:host",
            "https:\\\\host",
            "ftp://host",
            "file:///v3",
            "https://",
            "https://ho st",
            "https://user@host",
            "https://user:pw@host",
            "https://:pw@host",
            "https://host?a=b",
            "https://host/?",
            "https://host/v3#f",
            "https://host/v3/p/backups",
            "https://host/v2/p/backups",
            "https://host/v2/v3/p",
            "https://host/api/v1/v3/p",
            "https://host/v3.0",
            "https://host/v4",
            "https://host//v3",
            "https://host/v3//",
            "https://host/V3",
            "https:///host",
            "https://@host",
            "https://ho\tst",
            "https://host\n",
            " https://host",
            "https://host\\volume",
            "https://host/a/../b",
            "https://host/./b",
            "https://host/caf\u{e9}",
            "https://host/volume//",
        ] {
            let error = parse(endpoint).expect_err(endpoint);
            assert!(["has ", "does not ", "is not "].iter().any(|start| error.starts_with(start)), "{error}");
        }
    }
}
