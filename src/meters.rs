//! What the bot counts about itself, for `/metrics`.

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

/// Counters, gauges and histograms, in a registry of their own.
pub struct Meters {
    registry: Registry,
    /// Events heard, by platform and outcome.
    pub inbound: IntCounterVec,
    /// Time from hearing an event to when it may be acknowledged, by platform.
    pub acknowledge_seconds: HistogramVec,
    /// Questions answered, by intent and outcome.
    pub answers: IntCounterVec,
    /// Time from hearing to having an answer.
    pub answer_seconds: Histogram,
    /// Messages given to platforms, by platform and outcome: posted, put_back or given_up.
    pub posts: IntCounterVec,
    /// Messages waiting to be sent.
    pub outbox_waiting: IntGauge,
    /// Looks at the metrics for what is unusual.
    pub looks: IntCounter,
    /// Those that came to nothing.
    pub watch_failures: IntCounter,
    /// Failures of the metrics source.
    pub metrics_failures: IntCounter,
    /// Failures of the database.
    pub store_failures: IntCounter,
}

impl Meters {
    /// All at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let build =
            gauges(&registry, "build_info", "The version that runs; always 1.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            inbound: counters(
                &registry,
                "inbound_events_total",
                "Events heard.",
                &["platform", "outcome"],
            ),
            acknowledge_seconds: histograms(
                &registry,
                "acknowledge_duration_seconds",
                "Time from hearing an event to when it may be acknowledged.",
                &["platform"],
            ),
            answers: counters(
                &registry,
                "answers_total",
                "Questions answered.",
                &["intent", "outcome"],
            ),
            answer_seconds: histogram(
                &registry,
                "answer_duration_seconds",
                "Time from hearing to having an answer.",
            ),
            posts: counters(
                &registry,
                "posts_total",
                "Messages given to platforms.",
                &["platform", "outcome"],
            ),
            outbox_waiting: gauge(
                &registry,
                "outbox_waiting_messages",
                "Messages waiting to be sent.",
            ),
            looks: counter(&registry, "looks_total", "Looks at the metrics for what is unusual."),
            watch_failures: counter(
                &registry,
                "look_failures_total",
                "Looks that came to nothing.",
            ),
            metrics_failures: counter(
                &registry,
                "metrics_source_failures_total",
                "Failures of the metrics source.",
            ),
            store_failures: counter(&registry, "store_failures_total", "Failures of the database."),
            registry,
        }
    }

    /// All of them in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "cannot write metrics");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

/// The names and labels are constants of this file, so a failure is a mistake in it, which the
/// test below finds.
#[expect(clippy::expect_used, reason = "constant names and labels, covered by a test")]
fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("a valid name");
    registry.register(Box::new(collector.clone())).expect("a name used once");
    collector
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("smartcloudops")
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    register(registry, IntCounter::with_opts(opts(name, help)))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(opts(name, help), labels))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::with_opts(opts(name, help)))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(opts(name, help), labels))
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Histogram {
    register(registry, Histogram::with_opts(seconds(name, help)))
}

fn histograms(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    register(registry, HistogramVec::new(seconds(name, help), labels))
}

fn seconds(name: &str, help: &str) -> HistogramOpts {
    let buckets = vec![0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    HistogramOpts::from(opts(name, help)).buckets(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meter_has_a_name_of_its_own() {
        let meters = Meters::new();
        meters.answers.with_label_values(&["metric", "answered"]).inc();
        let text = meters.text();
        assert!(
            text.contains("smartcloudops_answers_total{intent=\"metric\",outcome=\"answered\"} 1"),
            "{text}"
        );
        assert!(text.contains("# HELP smartcloudops_outbox_waiting_messages"), "{text}");
    }
}
