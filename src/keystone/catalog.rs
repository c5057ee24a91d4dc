//! Where the catalog has the service.

use std::collections::BTreeSet;

use super::generated::types::{Endpoint, Service};
use super::invalid;
use crate::Error;

/// The types of the service, the preferred one first.
const TYPES: &[&str] = &["vbs", "vbsv2", "block-storage", "volumev3", "block-store", "volume", "volumev2"];

/// Of these, types of earlier versions, too: only an address of version 3 counts.
const ANY_VERSION: &[&str] = &["block-store", "volume", "volumev2"];

/// The region of endpoints that are for all of them.
const ANY_REGION: &str = "*";

/// How many names an error lists.
const MAX_NAMES: usize = 20;

/// Which service, where, and for whom.
pub(super) struct Wanted {
    pub(super) region: Option<String>,
    pub(super) interface: String,
    pub(super) service_type: Option<String>,
    pub(super) service_name: Option<String>,
}

/// The address of the service.
pub(super) fn endpoint(catalog: &[Service], wanted: &Wanted) -> Result<String, Error> {
    let (region, interface) = (wanted.region.as_deref(), wanted.interface.as_str());
    let services = services(catalog, wanted)?;
    let all = || services.iter().flat_map(|service| addresses(service, wanted));
    let offered: Vec<_> = all().map(|(endpoint, _)| endpoint).filter(|it| interface_of(it) == interface).collect();
    if offered.is_empty() {
        let there = only(all().map(|(endpoint, _)| interface_of(endpoint)));
        return Err(invalid(
            "interface",
            format!("the service has no interface {interface:?} in the catalog, {there}"),
        ));
    }
    let regions: BTreeSet<_> = offered.iter().flat_map(|endpoint| regions_of(endpoint)).collect();
    let regions: Vec<_> = regions.into_iter().filter(|region| *region != ANY_REGION).collect();
    let region = match (region, regions.as_slice()) {
        (Some(region), _) => Some(region),
        (None, [] | [_]) => None,
        (None, several) => {
            return Err(invalid(
                "region",
                format!("no region is chosen, and the catalog has several: {}", list(several)),
            ));
        }
    };
    let is_in = |endpoint: &Endpoint, name: &str| regions_of(endpoint).any(|region| region == name);
    // Within a service, an endpoint of this region wins over one for all regions.
    let found = services.iter().find_map(|service| {
        let mut offered = addresses(service, wanted).filter(|(endpoint, _)| interface_of(endpoint) == interface);
        let Some(region) = region else { return offered.next() };
        let mut of_all = offered.clone();
        offered
            .find(|(endpoint, _)| is_in(endpoint, region))
            .or_else(|| of_all.find(|(endpoint, _)| is_in(endpoint, ANY_REGION)))
    });
    found.map(|(_, address)| address.to_owned()).ok_or_else(|| {
        let name = region.unwrap_or_default();
        let there = match regions.as_slice() {
            [] => "it has no other".to_owned(),
            regions => format!("its regions: {}", list(regions)),
        };
        invalid("region", format!("the service is not in region {name:?}; {there}"))
    })
}

/// The services that are wanted, the preferred one first.
fn services<'a>(catalog: &'a [Service], wanted: &'a Wanted) -> Result<Vec<&'a Service>, Error> {
    let chosen = wanted.service_type.as_deref();
    let types: Vec<&str> = match chosen {
        None => TYPES.to_vec(),
        // It stands for its older names, too.
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
        let there = only(catalog.iter().filter_map(|service| service.service_type.as_deref()));
        return Err(match chosen {
            Some(chosen) => invalid("service_type", format!("the catalog has no service of type {chosen:?}, {there}")),
            None => invalid("endpoint", format!("the catalog has no service of the types {}, {there}", list(&types))),
        });
    }
    let Some(name) = wanted.service_name.as_deref() else { return Ok(of_types) };
    // As keystoneauth has it: a service without a name fits any.
    let fits = |service: &&&Service| service.name.as_deref().is_none_or(|its| its == name);
    let of_name: Vec<_> = of_types.iter().filter(fits).copied().collect();
    if of_name.is_empty() {
        let there = only(of_types.iter().filter_map(|service| service.name.as_deref()));
        return Err(invalid("service_name", format!("the catalog has no such service of name {name:?}, {there}")));
    }
    Ok(of_name)
}

/// A service's endpoints that have an address, of version 3 where the type does not say so, unless that was chosen.
fn addresses<'a>(service: &'a Service, wanted: &Wanted) -> impl Iterator<Item = (&'a Endpoint, &'a str)> + Clone {
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

fn regions_of(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
    // The two are the same, where both are there.
    [&endpoint.region_id, &endpoint.region]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .find(|id| !id.is_empty())
        .into_iter()
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
