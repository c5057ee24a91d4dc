//! An endpoint: it is refused, or what is left of it is a plain address on the same host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|endpoint: String| {
    let Ok((base, project_id)) = vbs_client::fuzzing::endpoint(&endpoint) else { return };
    let (given, left) = (Url::parse(&endpoint).unwrap(), Url::parse(&base).unwrap());
    assert_eq!(given.origin(), left.origin());
    assert!(matches!(left.scheme(), "http" | "https"));
    assert!(left.username().is_empty() && left.password().is_none() && left.query().is_none() && left.fragment().is_none());
    assert!(!base.ends_with('/'));
    assert_eq!(vbs_client::fuzzing::endpoint(&base).unwrap(), (base.clone(), None));
    // With the project id, the same endpoint is found.
    if let Some(project_id) = project_id {
        let whole = format!("{base}/v3/{project_id}");
        assert_eq!(vbs_client::fuzzing::endpoint(&whole).unwrap(), (base, Some(project_id)));
    }
});
