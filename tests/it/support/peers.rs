//! The real counterparts that `tests/run` starts, and what they say without us.

use std::process::Command;

/// Set by `tests/run --allow-missing`.
const ALLOW_MISSING: &str = "SMARTCLOUDOPS_TEST_ALLOW_MISSING";

/// The address of a counterpart. Without it the test fails, unless missing ones are allowed: then
/// it is `None`, and says so.
#[expect(
    clippy::disallowed_methods,
    reason = "the rig hands the addresses down in the environment"
)]
pub fn peer(variable: &str) -> Option<String> {
    match std::env::var(variable) {
        Ok(address) if !address.is_empty() => Some(address),
        _ if std::env::var_os(ALLOW_MISSING).is_some() => {
            eprintln!("left out: {variable} is not set");
            None
        }
        _ => panic!(
            "{variable} is not set: run the tests with ./tests/run, or set {ALLOW_MISSING}=1"
        ),
    }
}

/// A Prometheus that scrapes this machine.
pub fn live() -> Option<String> {
    peer("SMARTCLOUDOPS_TEST_PROMETHEUS_LIVE")
}

/// A Prometheus that knows the made-up fleet.
pub fn fleet() -> Option<String> {
    peer("SMARTCLOUDOPS_TEST_PROMETHEUS_FLEET")
}

/// A Prometheus behind TLS and a password.
pub fn locked() -> Option<String> {
    peer("SMARTCLOUDOPS_TEST_PROMETHEUS_LOCKED")
}

/// The certificate of the authority that signed the locked one's.
pub fn locked_authority() -> Option<String> {
    peer("SMARTCLOUDOPS_TEST_PROMETHEUS_LOCKED_CA")
}

/// A VictoriaMetrics that knows the same fleet.
pub fn victoria() -> Option<String> {
    peer("SMARTCLOUDOPS_TEST_VICTORIAMETRICS_FLEET")
}

/// Every server that knows the made-up fleet: what people are told does not depend on which.
pub fn fleets() -> Vec<String> {
    [fleet(), victoria()].into_iter().flatten().collect()
}

/// What promtool gets for a query at a moment: labels as printed, and values.
pub fn promtool(server: &str, query: &str, at: &str) -> Vec<(String, f64)> {
    let promtool = peer("SMARTCLOUDOPS_TEST_PROMTOOL").unwrap_or_else(|| "promtool".to_owned());
    let output = Command::new(promtool)
        .args(["query", "instant", "--time", at, server, query])
        .output()
        .unwrap();
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let (labels, rest) = line.rsplit_once(" => ")?;
            let value = rest.split(" @").next()?.parse().ok()?;
            Some((labels.to_owned(), value))
        })
        .collect()
}
