//! Families of metrics as Prometheus' library knows them, made when they are asked for.

use etcd_figures::{Count, Distribution, Histogram};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, proto};

/// The labels of a metric, by name, in the order of their names.
pub(super) type Labels<'l> = Vec<(&'static str, &'l str)>;

/// Families that are shown together.
#[derive(Default)]
pub(super) struct Page {
    families: Vec<MetricFamily>,
}

impl Page {
    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, [(Labels::new(), value)]);
    }

    /// The same for a whole number.
    pub(super) fn level(&mut self, name: &str, help: &str, value: u64) {
        self.gauge(name, help, value as f64);
    }

    /// The same once for each set of labels; nothing if there is none.
    pub(super) fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        metrics: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) {
        self.add(name, help, MetricType::GAUGE, metrics, |metric, value| {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        });
    }

    /// A number that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, count: &Count) {
        self.counters(name, help, [(Labels::new(), count.get())]);
    }

    /// The same for a number that is not whole.
    pub(super) fn real_counter(&mut self, name: &str, help: &str, value: f64) {
        self.add(name, help, MetricType::COUNTER, [(Labels::new(), value)], set_counter);
    }

    /// The same once for each set of labels.
    pub(super) fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        metrics: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) {
        let metrics = metrics.into_iter().map(|(labels, count)| (labels, count as f64));
        self.add(name, help, MetricType::COUNTER, metrics, set_counter);
    }

    /// Times or sizes.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.histograms(name, help, [(Labels::new(), histogram.distribution())]);
    }

    /// The same once for each set of labels.
    pub(super) fn histograms<'l>(
        &mut self,
        name: &str,
        help: &str,
        metrics: impl IntoIterator<Item = (Labels<'l>, Distribution)>,
    ) {
        self.add(name, help, MetricType::HISTOGRAM, metrics, |metric, seen| {
            let mut histogram = proto::Histogram::default();
            histogram.set_sample_count(seen.count);
            histogram.set_sample_sum(seen.sum);
            let buckets = seen.places.into_iter().map(|(end, count)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(end);
                bucket.set_cumulative_count(count);
                bucket
            });
            histogram.set_bucket(buckets.collect());
            metric.set_histogram(histogram);
        });
    }

    fn add<'l, T>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        metrics: impl IntoIterator<Item = (Labels<'l>, T)>,
        set: impl Fn(&mut Metric, T),
    ) {
        let metrics = metrics.into_iter().map(|(labels, value)| {
            let pairs = labels.into_iter().map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name(name.to_owned());
                pair.set_value(value.to_owned());
                pair
            });
            let mut metric = Metric::from_label(pairs.collect());
            set(&mut metric, value);
            metric
        });
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics.collect());
        self.families.push(family);
    }
}

fn set_counter(metric: &mut Metric, value: f64) {
    let mut counter = proto::Counter::default();
    counter.set_value(value);
    metric.set_counter(counter);
}

/// Writes a page whenever somebody asks.
struct Author<W> {
    /// Prometheus' library tells collectors apart by such a thing.
    title: Desc,
    write: W,
}

impl<W: Fn(&mut Page) + Send + Sync> Collector for Author<W> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.title]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut page = Page::default();
        (self.write)(&mut page);
        page.families
    }
}

/// Has a page written whenever somebody looks at the registry.
///
/// # Panics
/// If the registry has a page of this title.
pub(super) fn register(
    registry: &Registry,
    title: &str,
    write: impl Fn(&mut Page) + Send + Sync + 'static,
) {
    let title = Desc::new(title.to_owned(), "A page.".to_owned(), Vec::new(), Default::default());
    let title = title.expect("a title is a name as metrics have them");
    let registered = registry.register(Box::new(Author { title, write }));
    registered.expect("each page is registered once");
}
