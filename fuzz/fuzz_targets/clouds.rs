//! clouds.yaml: any file is read or refused, and neither shows a secret.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "correct-horse-battery";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// The whole file, or lines of the entry before the password and after it.
    before: &'a str,
    after: Option<&'a str>,
}

fuzz_target!(|input: Input| {
    let Some(after) = input.after else {
        if let Err(reason) = vbs_client::fuzzing::clouds(input.before) {
            assert!(!reason.is_empty());
        }
        return;
    };
    let line = |text: &str| text.replace(|c: char| c.is_control(), " ");
    let (before, after) = (line(input.before), line(after));
    let text = format!("clouds:\n  a:\n    {before}\n    auth:\n      password: {SECRET}\n      {after}\n");
    let (Ok(shown) | Err(shown)) = vbs_client::fuzzing::clouds(&text);
    // With these, the password's line may belong to another value, or to a key.
    let is_password = !format!("{before} {after}").contains(SECRET)
        && !before.contains(['"', '\'', '|', '>', '?', '[', '{', '&']) && !after.contains('*');
    assert!(!is_password || !shown.contains(SECRET), "{shown}");
});
