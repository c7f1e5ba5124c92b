//! The instruments, made of their definitions.

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};

use super::catalogue::{Definition, Kind};

pub(super) fn counter(meter: &Meter, of: &Definition) -> Counter<u64> {
    meter.u64_counter(of.name).with_unit(of.unit.as_str()).with_description(of.tells).build()
}

pub(super) fn up_down_counter(meter: &Meter, of: &Definition) -> UpDownCounter<i64> {
    meter.i64_up_down_counter(of.name).with_unit(of.unit.as_str()).with_description(of.tells).build()
}

pub(super) fn gauge(meter: &Meter, of: &Definition) -> Gauge<u64> {
    meter.u64_gauge(of.name).with_unit(of.unit.as_str()).with_description(of.tells).build()
}

pub(super) fn histogram(meter: &Meter, of: &Definition) -> Histogram<f64> {
    let bounds = match of.kind {
        Kind::Histogram(bounds) => bounds.to_vec(),
        Kind::Counter | Kind::UpDownCounter | Kind::Gauge => Vec::new(),
    };
    let unit = of.unit.as_str();
    meter.f64_histogram(of.name).with_unit(unit).with_description(of.tells).with_boundaries(bounds).build()
}
