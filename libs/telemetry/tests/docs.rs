//! `docs/metrics.md`, the alerts and the dashboard are checked against the metrics that there are.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use holdfast_telemetry::names::metric;
use holdfast_telemetry::{
    BreakerState, CompensationResult, Definition, FrontAnswer, KeyDurability, KeyVerb, KeyVerbAnswer, Kind,
    Resolution, ResumeKind, SpanLoss,
};
use holdfast_types::TaskOutcome;
use holdfast_types::task::WaitReason;

fn read(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The row of a metric, as the page has it.
fn row(of: &Definition) -> String {
    let labels: Vec<String> = of.labels.iter().map(|label| format!("`{label}`")).collect();
    format!(
        "| `{}` | `{}` | {} | {} | {} | {} |",
        of.name,
        of.prometheus_name(),
        of.kind.as_str(),
        of.unit.as_str(),
        labels.join(", "),
        of.tells
    )
}

#[test]
fn the_page_has_a_row_for_every_metric_and_no_other() {
    let page = read("docs/metrics.md");
    let rows =
        page.lines().filter(|line| line.starts_with("| `holdfast.") || line.starts_with("| `process."));
    let shown: BTreeSet<String> = rows.map(str::to_owned).collect();
    let wanted: BTreeSet<String> = metric::ALL.iter().map(row).collect();
    let missing: Vec<_> = wanted.difference(&shown).collect();
    let other: Vec<_> = shown.difference(&wanted).collect();
    assert!(missing.is_empty() && other.is_empty(), "missing: {missing:#?}\nno metric: {other:#?}");
    let names: BTreeSet<_> = metric::ALL.iter().map(|definition| definition.name).collect();
    assert_eq!(names.len(), metric::ALL.len(), "two metrics have one name");
}

#[test]
fn the_page_lists_every_value_of_a_label() {
    let page = read("docs/metrics.md");
    let (_, labels) = page.split_once("\n## Labels\n").unwrap();
    let values = |of: &str| -> Vec<String> {
        let start = format!("| {of} |");
        let row =
            labels.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row of {of}"));
        row.strip_prefix(&start).unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    macro_rules! all {
        ($list:ty) => {
            <$list>::ALL.iter().map(|value| value.as_str().to_owned()).collect::<Vec<_>>()
        };
    }
    assert_eq!(values("`outcome`"), all!(TaskOutcome));
    assert_eq!(values("`reason` of `holdfast.tasks.waiting`"), all!(WaitReason));
    assert_eq!(values("`reason` of `holdfast.spans.dropped`"), all!(SpanLoss));
    assert_eq!(values("`resolution`"), all!(Resolution));
    assert_eq!(values("`result`"), all!(CompensationResult));
    assert_eq!(values("`kind`"), all!(ResumeKind));
    assert_eq!(values("`from`, `to`, `state`"), all!(BreakerState));
    assert_eq!(values("`verb`"), all!(KeyVerb));
    assert_eq!(values("`answer` of `holdfast.keys.verbs`"), all!(KeyVerbAnswer));
    assert_eq!(values("`answer` of `holdfast.keys.front`"), all!(FrontAnswer));
    assert_eq!(values("`durability`"), all!(KeyDurability));
}

/// What can be asked of a metric in Prometheus: its series and their labels.
fn series() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut series = BTreeMap::from([("up".to_owned(), BTreeSet::new())]);
    for definition in metric::ALL {
        let (endings, more): (&[&str], &[&str]) = match definition.kind {
            Kind::Histogram(_) => (&["_bucket", "_sum", "_count"], &["le"]),
            Kind::Counter | Kind::UpDownCounter | Kind::Gauge => (&[""], &[]),
        };
        for ending in endings {
            let labels = definition.labels.iter().chain(more).copied().collect();
            series.insert(format!("{}{ending}", definition.prometheus_name()), labels);
        }
    }
    series
}

/// What Prometheus itself puts on every series.
const OF_TARGETS: [&str; 3] = ["job", "service", "instance"];

/// Words of the query language that are no metric.
const WORDS: [&str; 16] = [
    "sum",
    "max",
    "min",
    "count",
    "by",
    "without",
    "or",
    "and",
    "unless",
    "on",
    "ignoring",
    "offset",
    "bool",
    "group_left",
    "group_right",
    "le",
];

/// What is wrong with a query: names that are no metric, labels that the query's metrics don't have.
fn faults(query: &str) -> Vec<String> {
    let (known, mut faults) = (series(), Vec::new());
    let (mut labels, mut asked): (BTreeSet<&str>, Vec<String>) = (OF_TARGETS.into(), Vec::new());
    let texts_gone: String = query.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    let chars: Vec<char> = texts_gone.chars().collect();
    let (mut at, mut in_matcher, mut in_grouping) = (0, false, false);
    let mut before = String::new();
    while at < chars.len() {
        match chars[at] {
            '{' => in_matcher = true,
            '}' => in_matcher = false,
            '(' if ["by", "without", "on", "ignoring"].contains(&before.as_str()) => in_grouping = true,
            ')' => in_grouping = false,
            '[' => at += chars[at..].iter().position(|c| *c == ']').unwrap_or(0),
            '$' => at += chars[at + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let word: String =
                    chars[at..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
                at += word.len();
                let next = chars[at..].iter().find(|c| !c.is_whitespace());
                match () {
                    () if in_matcher || in_grouping => asked.push(word.clone()),
                    () if next == Some(&'(') || WORDS.contains(&word.as_str()) => {}
                    () => match known.get(&word) {
                        Some(has) => labels.extend(has),
                        None => faults.push(format!("{word} is no metric")),
                    },
                }
                before = word;
                continue;
            }
            // A number may end in a letter: 5m, 1e3.
            c if c.is_ascii_digit() => {
                at += chars[at..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '.').count();
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    faults.extend(
        asked
            .iter()
            .filter(|label| !labels.contains(label.as_str()))
            .map(|label| format!("no label {label}")),
    );
    faults
}

#[test]
fn a_query_that_names_something_else_is_found_out() {
    let right =
        "histogram_quantile(0.99, sum by (le, tool) (rate(holdfast_step_duration_seconds_bucket[5m]))) > 2.5";
    assert_eq!(faults(right), [""; 0]);
    let right = "sum by (service) (up{job=\"holdfast\"}) or max(holdfast_queue_depth offset 5m) >= 1e3";
    assert_eq!(faults(right), [""; 0]);
    assert_eq!(faults("rate(holdfast_replays[$__rate_interval])"), ["holdfast_replays is no metric"]);
    assert_eq!(faults("sum by (tool) (holdfast_queue_depth)"), ["no label tool"]);
    assert_eq!(faults("holdfast_queue_depth{task=\"1\"}"), ["no label task"]);
    assert_eq!(faults("holdfast_step_duration_seconds > 1"), ["holdfast_step_duration_seconds is no metric"]);
}

/// The alerts: their names, their queries, and the section that each links to.
fn alerts() -> Vec<(String, String, String)> {
    let rules: serde_json::Value = serde_saphyr::from_str(&read("deploy/prometheus/alerts.yml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    rules
        .map(|rule| (text(&rule["alert"]), text(&rule["expr"]), text(&rule["annotations"]["runbook"])))
        .collect()
}

#[test]
fn alerts_ask_for_metrics_that_there_are() {
    for (alert, query, _) in alerts() {
        assert_eq!(faults(&query), [""; 0], "{alert}");
    }
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let alerts = alerts();
    let page = read("docs/alerts.md");
    let sections: BTreeMap<&str, &str> =
        page.split("\n## ").skip(1).filter_map(|s| s.split_once('\n')).collect();
    let names: BTreeSet<&str> = alerts.iter().map(|(alert, ..)| alert.as_str()).collect();
    assert_eq!(sections.keys().copied().collect::<BTreeSet<_>>(), names);
    for (alert, _, link) in &alerts {
        assert_eq!(*link, format!("docs/alerts.md#{}", alert.to_lowercase()));
        for part in ["**It means**", "**Users notice**", "**Do**", "**Wake someone**"] {
            assert!(sections[alert.as_str()].contains(part), "{alert}: no {part}");
        }
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/dashboards/holdfast.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries = 0;
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            assert_eq!(faults(query), [""; 0], "{}: {query}", panel["title"]);
            queries += 1;
        }
        assert_eq!(panel["datasource"]["uid"].as_str(), Some("prometheus"), "{}", panel["title"]);
    }
    assert!(queries >= panels.len());
    let source: serde_json::Value =
        serde_saphyr::from_str(&read("deploy/grafana/provisioning/datasources/prometheus.yml")).unwrap();
    assert_eq!(source["datasources"][0]["uid"].as_str(), Some("prometheus"), "the panels' source");
}
