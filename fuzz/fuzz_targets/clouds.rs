//! clouds.yaml: whatever it is, it is read or refused, and neither way shows a secret.
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
    match vbs_client::fuzzing::clouds(&text) {
        // An alias may stand for the secret in a setting that is none.
        Ok(shown) => assert!(!shown.contains(SECRET) || before.contains('&') || after.contains('*'), "{shown}"),
        Err(reason) => assert!(!reason.contains(SECRET), "{reason}"),
    }
});
