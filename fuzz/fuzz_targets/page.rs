//! A page's body: it is refused, or its rows survive being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vbs_client::Backup;
use vbs_client::fuzzing::list;

fuzz_target!(|body: &[u8]| {
    let Ok((rows, _next)) = list(body) else { return };
    let again = serde_json::to_vec(&rows).unwrap();
    assert_eq!(serde_json::from_slice::<Vec<Backup>>(&again).unwrap(), rows);
});
