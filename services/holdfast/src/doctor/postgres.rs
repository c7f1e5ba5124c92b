//! PostgreSQL: whether it is there, what it may lose, its clock, and what it holds.

use holdfast_runtime::Config;
use holdfast_store::{Error, Loss, OnLoss, PostgresStore, Survey};

use super::clock::Asked;
use super::finding::line;
use super::{Finding, Grade, words};
use crate::error::told;
use crate::run::progress::short;
use crate::settings::Settings;

const URL: &str = "postgres://USER:PASSWORD@HOST:5432/DATABASE";

/// How many tables are named, the largest.
const NAMED: usize = 3;

/// Asks the server about itself.
pub(super) async fn server(config: Config<Settings>) -> Vec<Finding> {
    let settings = &config.value.store;
    let asked = Asked::now();
    let report = match PostgresStore::check(settings).await {
        Ok(report) => report,
        Err(error) => return vec![unusable("postgres", &config, &error)],
    };
    let clock = asked.judge("postgres_clock", report.clock);
    let message = format!("{}, {}, answers in {}", report.server, report.version, short(asked.took()));
    let mut findings = vec![Finding::ok("postgres", message)];
    if report.losses.is_empty() {
        findings.push(Finding::ok("postgres_durability", "what it has answered stays"));
    }
    findings.extend(report.losses.iter().map(|found| loss(found, settings.on_loss)));
    findings.push(clock);
    findings
}

fn loss(found: &Loss, on_loss: OnLoss) -> Finding {
    // The platform does not start on it, unless it is told to.
    let grade = match on_loss {
        OnLoss::Refuse => Grade::Fail,
        OnLoss::Warn => Grade::Warn,
    };
    let Loss { setting, value, why, mend } = found;
    Finding::graded(grade, "postgres_durability", format!("{setting} = {value}: {why}")).mend(*mend)
}

/// Asks the server what it holds.
pub(super) async fn contents(config: Config<Settings>) -> Vec<Finding> {
    match PostgresStore::survey(&config.value.store).await {
        Ok(survey) => vec![Finding::ok("postgres_contents", held(&survey))],
        Err(error) => vec![unusable("postgres_contents", &config, &error)],
    }
}

fn held(survey: &Survey) -> String {
    let size = survey.size.map(|size| format!("{}; ", words::bytes(size))).unwrap_or_default();
    let tables: Vec<_> = survey
        .tables
        .iter()
        .take(NAMED)
        .map(|table| format!("{} {}", table.name, words::bytes(table.size)))
        .collect();
    let tables = if tables.is_empty() { String::new() } else { format!("{}; ", tables.join(", ")) };
    format!("{size}{tables}{}", words::work(survey.work.as_ref()))
}

fn unusable(kind: &'static str, config: &Config<Settings>, error: &Error) -> Finding {
    let mend = match error {
        Error::NewerDatabase { .. } => "install the release that has written it".to_owned(),
        _ => line(config, "store.url", URL),
    };
    Finding::fail(kind, told(error)).mend(mend)
}

#[cfg(test)]
mod tests {
    use holdfast_store::{Oldest, TableSize, Work};

    use super::*;

    #[test]
    fn what_it_holds_is_one_line() {
        let table = |name: &str, size| TableSize { name: name.to_owned(), size };
        let tables =
            vec![table("events", 4 << 20), table("tasks", 2048), table("keys", 9), table("inbox", 1)];
        let work = Work { unfinished: 0, oldest_task: None, oldest_key: Oldest::Nothing };
        let survey = Survey { size: Some(5 << 20), tables, work: Some(work) };
        let told = "5.0 MiB; events 4.0 MiB, tasks 2.0 KiB, keys 9 B; no unfinished task; no unsettled key";
        assert_eq!(held(&survey), told);
        let empty = Survey { size: None, tables: Vec::new(), work: None };
        assert_eq!(held(&empty), "no tables yet: the first start makes them");
    }

    #[test]
    fn a_loss_is_as_bad_as_the_platform_takes_it() {
        let found = Loss { setting: "fsync", value: "off".into(), why: "w", mend: "m" };
        let refused = loss(&found, OnLoss::Refuse);
        assert_eq!((refused.grade, refused.message.as_str()), (Grade::Fail, "fsync = off: w"));
        assert_eq!(refused.mend.as_deref(), Some("m"));
        assert_eq!(loss(&found, OnLoss::Warn).grade, Grade::Warn);
    }
}
