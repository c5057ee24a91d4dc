//! Where the catalog has the service.

use std::collections::BTreeSet;

use super::generated::types::{Endpoint, Service};
use crate::Error;

/// The types of the service, the preferred one first.
const TYPES: &[&str] = &["vbs", "vbsv2", "block-storage", "volumev3"];

/// The region of endpoints that are for all of them.
const ANY_REGION: &str = "*";

/// How many names an error lists.
const MAX_NAMES: usize = 20;

/// The address of the service, for one region and interface.
pub(super) fn endpoint(catalog: &[Service], region: Option<&str>, interface: &str) -> Result<String, Error> {
    let services: Vec<_> =
        TYPES.iter().flat_map(|name| catalog.iter().filter(move |service| service.type_ == *name)).collect();
    if services.is_empty() {
        let types = catalog.iter().map(|service| service.type_.as_str());
        let reason = format!("the catalog has no service of the types {}, {}", list(TYPES), only(types));
        return Err(invalid("endpoint", reason));
    }
    let all = || services.iter().flat_map(|service| &service.endpoints);
    let offered: Vec<_> = all().filter(|endpoint| interface_of(endpoint) == interface).collect();
    if offered.is_empty() {
        let reason =
            format!("the catalog has the service with no interface {interface:?}, {}", only(all().map(interface_of)));
        return Err(invalid("interface", reason));
    }
    let regions: BTreeSet<_> = offered.iter().flat_map(|endpoint| regions_of(endpoint)).collect();
    let regions: Vec<_> = regions.into_iter().filter(|region| *region != ANY_REGION).collect();
    let region = match (region, regions.as_slice()) {
        (Some(region), _) => Some(region),
        (None, [] | [_]) => None,
        (None, several) => {
            return Err(invalid("region", format!("none is chosen, and the catalog has several: {}", list(several))));
        }
    };
    let is_in = |endpoint: &Endpoint, name: &str| regions_of(endpoint).any(|region| region == name);
    // An endpoint for all regions is less than one of this region only within the same service.
    let found = services.iter().find_map(|service| {
        let mut offered = service.endpoints.iter().filter(|endpoint| interface_of(endpoint) == interface);
        let Some(region) = region else { return offered.next() };
        let mut of_all = offered.clone();
        offered.find(|endpoint| is_in(endpoint, region)).or_else(|| of_all.find(|endpoint| is_in(endpoint, ANY_REGION)))
    });
    found.map(|endpoint| endpoint.url.clone()).ok_or_else(|| {
        let name = region.unwrap_or_default();
        invalid("region", format!("the catalog has the service not in {name:?}, {}", only(regions.iter().copied())))
    })
}

/// An interface by its short name: `publicURL` is `public`.
pub(super) fn interface(name: &str) -> &str {
    name.strip_suffix("URL").unwrap_or(name)
}

fn interface_of(endpoint: &Endpoint) -> &str {
    interface(endpoint.interface.as_deref().unwrap_or("public"))
}

fn regions_of(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
    // The two are the same, where both are there.
    endpoint.region_id.as_deref().or(endpoint.region.as_deref()).into_iter()
}

/// "only a, b": what there is instead.
fn only<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<_> = names.collect();
    let names: Vec<_> = names.into_iter().collect();
    if names.is_empty() { "nor any other".to_owned() } else { format!("only {}", list(&names)) }
}

fn list(names: &[&str]) -> String {
    let first = names.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn invalid(setting: &'static str, reason: String) -> Error {
    Error::InvalidConfig { setting, reason }
}
