//! Calls as metrics: histograms since the gateway started.

use std::{collections::BTreeMap, time::Duration};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{InstrumentationScope, KeyValue},
    metrics::v1::{
        AggregationTemporality, Histogram, HistogramDataPoint, Metric, ResourceMetrics,
        ScopeMetrics, metric::Data,
    },
};
use tollgate_core::{Call, UnixMs};

use super::{names, resource, spans, text};

/// Combinations of attributes that are told apart; clients choose the names of models. Further models
/// share those of [`OTHERS`].
const SERIES_MAX: usize = 500;
const OTHERS: &str = "(others)";

/// Bounds that the conventions give, in seconds and in tokens.
const SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// A metric, in the order in which they are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Duration,
    FirstChunk,
    Tokens,
}

impl What {
    const ALL: [Self; 3] = [Self::Duration, Self::FirstChunk, Self::Tokens];

    const fn bounds(self) -> &'static [f64] {
        match self {
            Self::Duration | Self::FirstChunk => &SECONDS,
            Self::Tokens => &TOKENS,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Duration => names::DURATION_METRIC,
            Self::FirstChunk => names::FIRST_CHUNK_METRIC,
            Self::Tokens => names::TOKENS_METRIC,
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Duration | Self::FirstChunk => "s",
            Self::Tokens => "{token}",
        }
    }
}

/// Attributes in order.
type Labels = Vec<(&'static str, String)>;

#[derive(Default)]
struct Values {
    count: u64,
    sum: f64,
    buckets: Vec<u64>,
}

/// All calls since the beginning, summed up.
pub(super) struct Sums {
    since: UnixMs,
    series: BTreeMap<(What, Labels), Values>,
}

impl Sums {
    pub(super) const fn new(since: UnixMs) -> Self {
        Self { since, series: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, call: &Call) {
        let labels = labels(call);
        let seconds = |us| Duration::from_micros(us).as_secs_f64();
        self.observe(What::Duration, labels.clone(), seconds(call.timing.finished_us));
        if let Some(us) = call.timing.first_token_us {
            self.observe(What::FirstChunk, labels.clone(), seconds(us));
        }
        let kinds = [("input", spans::input_tokens(call)), ("output", call.usage.output)];
        for (kind, count) in kinds {
            let Some(count) = count else { continue };
            let mut labels = labels.clone();
            labels.push((names::TOKEN_TYPE, kind.to_owned()));
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.observe(What::Tokens, labels, count.into());
        }
    }

    fn observe(&mut self, what: What, mut labels: Labels, value: f64) {
        if self.series.len() >= SERIES_MAX && !self.series.contains_key(&(what, labels.clone())) {
            for (name, value) in &mut labels {
                if [names::REQUEST_MODEL, names::RESPONSE_MODEL].contains(name) {
                    OTHERS.clone_into(value);
                }
            }
        }
        let bounds = what.bounds();
        let values = self.series.entry((what, labels)).or_default();
        values.buckets.resize(bounds.len() + 1, 0);
        let bucket = bounds.iter().position(|it| value <= *it).unwrap_or(bounds.len());
        if let Some(bucket) = values.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        values.count += 1;
        values.sum += value;
    }

    /// All of it, as it is now.
    pub(super) fn request(&self, now: UnixMs) -> ExportMetricsServiceRequest {
        let metrics = What::ALL.map(|what| {
            let points = self.series.iter().filter(|((it, _), _)| *it == what);
            let points = points.map(|((_, labels), values)| self.point(what, labels, values, now));
            let histogram = Histogram {
                data_points: points.collect(),
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
            };
            Metric {
                name: what.name().to_owned(),
                unit: what.unit().to_owned(),
                data: Some(Data::Histogram(histogram)),
                ..Metric::default()
            }
        });
        let scope = InstrumentationScope { name: "tollgate".to_owned(), ..<_>::default() };
        let metrics =
            ScopeMetrics { scope: Some(scope), metrics: metrics.into(), ..<_>::default() };
        let all = ResourceMetrics {
            resource: Some(resource()),
            scope_metrics: vec![metrics],
            ..<_>::default()
        };
        ExportMetricsServiceRequest { resource_metrics: vec![all] }
    }

    fn point(
        &self,
        what: What,
        labels: &Labels,
        values: &Values,
        now: UnixMs,
    ) -> HistogramDataPoint {
        let nanos = |at: UnixMs| u64::try_from(at.0).unwrap_or_default().saturating_mul(1_000_000);
        let attributes: Vec<KeyValue> = labels.iter().map(|(name, it)| text(name, it)).collect();
        HistogramDataPoint {
            attributes,
            start_time_unix_nano: nanos(self.since),
            time_unix_nano: nanos(now),
            count: values.count,
            sum: Some(values.sum),
            bucket_counts: values.buckets.clone(),
            explicit_bounds: what.bounds().to_vec(),
            ..HistogramDataPoint::default()
        }
    }
}

fn labels(call: &Call) -> Labels {
    let all = [
        (names::OPERATION, spans::operation(call).map(str::to_owned)),
        (names::PROVIDER, call.provider.as_deref().map(|it| spans::provider(it).to_owned())),
        (names::REQUEST_MODEL, call.model_asked.clone()),
        (names::RESPONSE_MODEL, call.model_served.clone()),
        (names::ERROR, spans::error(call)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
