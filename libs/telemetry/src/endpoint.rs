//! Where traces and metrics are pushed to, each by itself: a collector of traces need not take metrics.

use crate::Config;

/// What is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

/// Who says where the collector is.
#[derive(Debug, PartialEq)]
pub(crate) enum Endpoint {
    /// Our configuration.
    Configured(String),
    /// `OTEL_*`, which the exporter reads itself.
    Environment,
}

impl Endpoint {
    /// Chooses for a signal; none: it is not pushed. `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER` may say `none`
    /// (OpenTelemetry's "Environment Variable Specification"); whatever else they say is `otlp` here.
    pub(crate) fn choose(
        config: &Config,
        signal: Signal,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let (exporter, own) = match signal {
            Signal::Traces => ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            Signal::Metrics => ("OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        };
        let says = |name: &str, word: &str| env(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        if says("OTEL_SDK_DISABLED", "true") || says(exporter, "none") {
            return None;
        }
        if let Some(endpoint) = &config.otlp_endpoint {
            return Some(Self::Configured(endpoint.clone()));
        }
        let named = ["OTEL_EXPORTER_OTLP_ENDPOINT", own];
        named.iter().any(|name| env(name).is_some_and(|value| !value.is_empty())).then_some(Self::Environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(config: &Config, env: &[(&str, &str)]) -> [Option<Endpoint>; 2] {
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        [Signal::Traces, Signal::Metrics].map(|signal| Endpoint::choose(config, signal, &env))
    }

    #[test]
    fn nothing_is_exported_unless_somebody_says_where_to() {
        let silent = Config::default();
        let said = Config { otlp_endpoint: Some("http://127.0.0.1:4317".into()), ..Config::default() };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x");
        assert_eq!(chosen(&silent, &[]), [None, None]);
        assert_eq!(chosen(&silent, &[endpoint]), [Some(Endpoint::Environment), Some(Endpoint::Environment)]);
        assert!(matches!(
            chosen(&said, &[endpoint]),
            [Some(Endpoint::Configured(_)), Some(Endpoint::Configured(_))]
        ));
        assert_eq!(chosen(&said, &[("OTEL_SDK_DISABLED", "true")]), [None, None]);
    }

    #[test]
    fn a_collector_of_traces_gets_no_metrics() {
        let silent = Config::default();
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://x");
        assert_eq!(chosen(&silent, &[traces]), [Some(Endpoint::Environment), None]);
        let both = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x"), ("OTEL_METRICS_EXPORTER", "none")];
        assert_eq!(chosen(&silent, &both), [Some(Endpoint::Environment), None]);
    }
}
