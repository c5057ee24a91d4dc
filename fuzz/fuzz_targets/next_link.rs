//! A next link: it is refused, or gives a marker or an offset that the service could have meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vbs_client::Link;

fuzz_target!(|href: String| {
    let link = Link { href: href.clone(), rel: "next".to_owned() };
    match vbs_client::fuzzing::next_link(&[link]) {
        Err(reason) => assert!(!reason.is_empty()),
        Ok((Some(marker), None)) => {
            assert!((1..=255).contains(&marker.chars().count()) && !marker.contains('\0'), "{marker:?}");
            assert!(href.contains('?'));
        }
        Ok((None, Some(offset))) => assert!(offset <= 2_147_483_647),
        other => panic!("{other:?}"),
    }
});
