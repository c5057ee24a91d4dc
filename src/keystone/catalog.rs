//! Finds the service's endpoint in the catalog.

use std::collections::BTreeSet;

use super::generated::types::{Endpoint, Service};
use crate::Error;

/// The types of the service, the preferred one first.
const TYPES: &[&str] = &["vbs", "vbsv2", "block-storage", "volumev3", "block-store", "volume", "volumev2"];

/// Types that earlier versions of the service share: only an address of version 3 is used.
const ANY_VERSION: &[&str] = &["block-store", "volume", "volumev2"];

/// The region of endpoints that serve all regions.
const ANY_REGION: &str = "*";

/// The maximum number of names in an error.
const MAX_NAMES: usize = 20;

/// Which endpoint to find.
pub(super) struct Wanted {
    pub(super) region: Option<String>,
    pub(super) interface: String,
    pub(super) service_type: Option<String>,
    pub(super) service_name: Option<String>,
}

/// The address of the service.
pub(super) fn endpoint(catalog: &[Service], wanted: &Wanted) -> Result<String, Error> {
    let (region, interface) = (wanted.region.as_deref(), wanted.interface.as_str());
    let all: Vec<_> = services(catalog, wanted)?
        .into_iter()
        .enumerate()
        .flat_map(|(rank, service)| {
            addresses(service, wanted).map(move |(endpoint, address)| (rank, endpoint, address))
        })
        .collect();
    let offered: Vec<_> = all.iter().filter(|(_, endpoint, _)| interface_of(endpoint) == interface).collect();
    if offered.is_empty() {
        let there = only(all.iter().map(|(_, endpoint, _)| interface_of(endpoint)));
        let reason = format!("the service has no interface {interface:?} in the catalog, {there}");
        return Err(Error::invalid_config("interface", reason));
    }
    let regions: BTreeSet<_> = offered.iter().filter_map(|(_, endpoint, _)| region_of(endpoint)).collect();
    let regions: Vec<_> = regions.into_iter().filter(|region| *region != ANY_REGION).collect();
    if region.is_none() && regions.len() > 1 {
        let reason = format!("no region is chosen, and the catalog has several: {}", list(&regions));
        return Err(Error::invalid_config("region", reason));
    }
    let is_in = |endpoint: &Endpoint, name: &str| region.is_none() || region_of(endpoint) == Some(name);
    let name = region.unwrap_or_default();
    // Within a service, an endpoint of this region wins over one for all regions.
    let found = offered
        .iter()
        .filter(|(_, endpoint, _)| is_in(endpoint, name) || is_in(endpoint, ANY_REGION))
        .min_by_key(|(rank, endpoint, _)| (*rank, !is_in(endpoint, name)));
    found.map(|(_, _, address)| (*address).to_owned()).ok_or_else(|| {
        let there = match regions.as_slice() {
            [] => "it has no other".to_owned(),
            regions => format!("its regions: {}", list(regions)),
        };
        Error::invalid_config("region", format!("the service is not in region {name:?}; {there}"))
    })
}

/// The services that are wanted, the preferred one first.
fn services<'a>(catalog: &'a [Service], wanted: &'a Wanted) -> Result<Vec<&'a Service>, Error> {
    let chosen = wanted.service_type.as_deref();
    let types: Vec<&str> = match chosen {
        None => TYPES.to_vec(),
        // This type includes its older names.
        Some("block-storage") => TYPES.iter().copied().filter(|name| !name.starts_with("vbs")).collect(),
        Some(other) => vec![other],
    };
    let mut of_types = Vec::new();
    for name in &types {
        let has_address = |service: &&Service| addresses(service, wanted).next().is_some();
        let of_type = catalog.iter().filter(|service| service.service_type.as_deref() == Some(name));
        of_types.extend(of_type.filter(|service| !ANY_VERSION.contains(name) || has_address(service)));
    }
    if of_types.is_empty() {
        let all = || catalog.iter().filter_map(|service| service.service_type.as_deref());
        let old: BTreeSet<_> = all().filter(|name| types.contains(name)).collect();
        let there = only(all());
        return Err(match chosen {
            Some(chosen) => {
                Error::invalid_config("service_type", format!("the catalog has no service of type {chosen:?}, {there}"))
            }
            None if !old.is_empty() => {
                let old = list(&old.into_iter().collect::<Vec<_>>());
                let reason = format!("the catalog has the service only as {old}, without an address of version 3");
                Error::invalid_config("endpoint", reason)
            }
            None => Error::invalid_config(
                "endpoint",
                format!("the catalog has no service of the types {}, {there}", list(&types)),
            ),
        });
    }
    let Some(name) = wanted.service_name.as_deref() else { return Ok(of_types) };
    // As in keystoneauth, a service without a name matches any.
    let fits = |service: &&&Service| service.name.as_deref().is_none_or(|its| its == name);
    let of_name: Vec<_> = of_types.iter().filter(fits).copied().collect();
    if of_name.is_empty() {
        let there = only(of_types.iter().filter_map(|service| service.name.as_deref()));
        let reason = format!("the catalog has no such service of name {name:?}, {there}");
        return Err(Error::invalid_config("service_name", reason));
    }
    Ok(of_name)
}

/// A service's endpoints that have an address: of version 3 if the type is ambiguous and was not chosen.
fn addresses<'a>(service: &'a Service, wanted: &Wanted) -> impl Iterator<Item = (&'a Endpoint, &'a str)> {
    let is_free = wanted.service_type.is_some()
        || service.service_type.as_deref().is_none_or(|name| !ANY_VERSION.contains(&name));
    service.endpoints.iter().filter_map(move |endpoint| {
        let address = endpoint.url.as_deref().filter(|url| !url.is_empty())?;
        (is_free || address.split('/').any(|segment| segment == "v3")).then_some((endpoint, address))
    })
}

/// An interface by its short name: `publicURL` is `public`.
pub(super) fn interface(name: &str) -> &str {
    name.strip_suffix("URL").unwrap_or(name)
}

fn interface_of(endpoint: &Endpoint) -> &str {
    interface(endpoint.interface.as_deref().unwrap_or("public"))
}

fn region_of(endpoint: &Endpoint) -> Option<&str> {
    // If both exist, they are equal.
    [&endpoint.region_id, &endpoint.region].into_iter().flatten().map(String::as_str).find(|id| !id.is_empty())
}

/// The names that exist: "only a, b".
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
