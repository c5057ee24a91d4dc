//! An error's body: any body is shown as one short line of plain text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let (fault, text) = vbs_client::fuzzing::fault(body);
    for line in fault.map(|fault| fault.message).into_iter().chain([text]) {
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        assert!(line.chars().count() <= 503, "{line:?}");
        assert_eq!(line, line.trim());
    }
});
