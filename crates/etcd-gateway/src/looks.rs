//! What is counted of those who look at the member.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What is counted of health checks, and of those who look at metrics. Cheap to clone; clones count
/// together.
#[derive(Clone)]
pub struct Looks {
    healthy: IntCounter,
    unhealthy: IntCounter,
    checks: IntCounterVec,
    results: IntGaugeVec,
    scrapes: IntCounterVec,
    scraping: IntGauge,
}

impl Looks {
    /// Counters that `registry` shows from now on.
    ///
    /// # Panics
    /// If the registry has metrics of these names already.
    #[must_use]
    pub fn new(registry: &Registry) -> Looks {
        let made = "the names are valid, and nothing else has them";
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect(made);
            registry.register(Box::new(counter.clone())).expect(made);
            counter
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels).expect(made);
            registry.register(Box::new(counters.clone())).expect(made);
            counters
        };
        let results = Opts::new("etcd_server_healthcheck", "How health checks ended last.");
        let results = IntGaugeVec::new(results, &["name", "type"]).expect(made);
        registry.register(Box::new(results.clone())).expect(made);
        let scraping = "promhttp_metric_handler_requests_in_flight";
        let scraping = IntGauge::new(scraping, "Scrapes that are under way.").expect(made);
        registry.register(Box::new(scraping.clone())).expect(made);
        let scrapes = "promhttp_metric_handler_requests_total";
        let scrapes = counters(scrapes, "Scrapes, by HTTP's status.", &["code"]);
        // As in etcd's library these are there before the first.
        for code in ["200", "500", "503"] {
            scrapes.with_label_values(&[code]);
        }
        Looks {
            healthy: counter("etcd_server_health_success", "Health checks that went well."),
            unhealthy: counter("etcd_server_health_failures", "Health checks that did not."),
            checks: counters(
                "etcd_server_healthchecks_total",
                "Checks of liveness and readiness, by how they ended.",
                &["name", "status", "type"],
            ),
            results,
            scrapes,
            scraping,
        }
    }

    /// `/health` was answered.
    pub(crate) fn count_health<E>(&self, result: &Result<(), E>) {
        match result {
            Ok(()) => self.healthy.inc(),
            Err(_) => self.unhealthy.inc(),
        }
    }

    /// A check of `/livez` or `/readyz` ended.
    pub(crate) fn count_check<E>(&self, kind: &str, name: &str, result: &Result<(), E>) {
        let status = if result.is_ok() { "success" } else { "error" };
        self.checks.with_label_values(&[name, status, kind]).inc();
        self.results.with_label_values(&[name, kind]).set(i64::from(result.is_ok()));
    }

    /// Somebody looks at metrics.
    pub(crate) fn begin_scrape(&self) {
        self.scraping.inc();
    }

    /// The metrics were shown, with this status of HTTP's.
    pub(crate) fn end_scrape(&self, code: &str) {
        self.scraping.dec();
        self.scrapes.with_label_values(&[code]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    #[test]
    fn checks_are_counted_by_their_ends() {
        let registry = Registry::new();
        let looks = Looks::new(&registry);
        looks.count_health::<()>(&Ok(()));
        looks.count_check("readyz", "non_learner", &Err("it is one"));
        let text = TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
        for line in [
            "etcd_server_health_success 1",
            "etcd_server_health_failures 0",
            "etcd_server_healthcheck{name=\"non_learner\",type=\"readyz\"} 0",
            "etcd_server_healthchecks_total{name=\"non_learner\",status=\"error\",type=\"readyz\"} 1",
            "promhttp_metric_handler_requests_total{code=\"503\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
