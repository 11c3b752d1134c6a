//! Whatever is written, the gate answers; and what it lets pass it lets pass again, unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smartcloudops::metrics::promql::{Limits, gate};

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    if let Ok(gated) = gate(text, &limits) {
        let sent = gated.as_str();
        // Written down again it can be longer than what was typed.
        if sent.len() <= limits.bytes {
            let again = gate(sent, &limits);
            assert_eq!(again.as_ref(), Ok(&gated), "`{text}` became `{sent}`");
        }
    }
});
