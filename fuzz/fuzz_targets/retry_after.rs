//! A `Retry-After`: it is read correctly, or not at all.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reqwest::header::HeaderValue;

fn read(value: &str) -> Option<Duration> {
    vbs_client::fuzzing::retry_after(HeaderValue::try_from(value).unwrap())
}

fuzz_target!(|value: &[u8]| {
    let Ok(header) = HeaderValue::from_bytes(value) else { return };
    let Some(delay) = vbs_client::fuzzing::retry_after(header) else { return };
    let value = std::str::from_utf8(value).unwrap();
    if value.trim_start().starts_with(|c: char| c.is_ascii_alphabetic()) {
        // A date begins with the day of the week and has a year of four digits.
        assert!(delay < Duration::from_secs(10_000 * 366 * 24 * 3600));
        return;
    }
    // Seconds: the first number, rounded up.
    let number = value.trim_start_matches([' ', '\t']);
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    let seconds = number[..digits].parse().unwrap_or(u64::MAX);
    assert!(digits > 0 && delay.subsec_nanos() == 0);
    assert!(delay.as_secs() == seconds || delay.as_secs() == seconds.saturating_add(1), "{delay:?}");
    // And any text after it.
    assert_eq!(read(&format!("{value}, 7")), Some(delay));
});
