//! A page's body: it is refused, or it survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vbs_client::fuzzing::{BackupList, next_link};

fuzz_target!(|body: &[u8]| {
    let Ok(list) = serde_json::from_slice::<BackupList>(body) else { return };
    let again = serde_json::to_vec(&list).unwrap();
    assert_eq!(serde_json::from_slice::<BackupList>(&again).unwrap(), list);
    let _ = next_link(&list.backups_links);
});
