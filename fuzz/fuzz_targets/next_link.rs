//! A next link: it is refused, or gives a marker or an offset that the service could have meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vbs_client::{Cursor, Link};

fuzz_target!(|href: String| {
    let link: Link = serde_json::from_value(serde_json::json!({"href": href, "rel": "next"})).unwrap();
    match vbs_client::fuzzing::next_link(&[link]) {
        Err(reason) => assert!(!reason.is_empty()),
        Ok(None) => panic!("the link was not read"),
        Ok(Some(cursor)) => {
            let text = cursor.to_string();
            assert!(href.contains('?'));
            match text.split_once(':').unwrap() {
                ("marker", marker) => {
                    let length = marker.chars().count();
                    assert!((1..=255).contains(&length) && !marker.contains(char::is_control), "{marker:?}");
                }
                ("offset", offset) => assert!(offset.parse::<u32>().unwrap() <= 2_147_483_647),
                other => panic!("{other:?}"),
            }
            assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        }
    }
});
