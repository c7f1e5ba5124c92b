//! What stands in the way of a platform, and what mends it: one file a subject. Nothing is changed, and nothing waits
//! for long.

mod clock;
mod configuration;
mod finding;
mod folder;
mod postgres;
mod redis;
mod services;
mod words;

use std::time::Duration;

use holdfast_runtime::Config;
use tokio::task::JoinHandle;

pub(crate) use finding::{Finding, Grade};
pub(crate) use services::Which;

use crate::settings::Settings;

/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Checks all that the configuration names, everything at once; the findings in their order.
pub(crate) async fn examine(config: &Config<Settings>, which: Which) -> Vec<Finding> {
    let settings = &config.value;
    let mut checks = vec![
        start("data_folder", folder::store(settings.data_dir.clone())),
        start("disk", folder::disk(settings.data_dir.clone())),
    ];
    checks.extend(services::wanted(config, which).map(|service| start(service.kind, service.check())));
    if !settings.store.url.is_empty() {
        checks.push(start("postgres", postgres::server(config.clone())));
        checks.push(start("postgres_contents", postgres::contents(config.clone())));
    }
    if !settings.redis.url.is_empty() {
        checks.push(start("redis", redis::server(config.clone())));
    }
    let mut findings = configuration::check(config);
    for check in checks {
        match check.await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(Finding::fail("doctor", format!("a check broke down: {error}"))),
        }
    }
    findings
}

/// Starts a check, which ends in time.
fn start(
    kind: &'static str,
    check: impl Future<Output = Vec<Finding>> + Send + 'static,
) -> JoinHandle<Vec<Finding>> {
    tokio::spawn(async move {
        tokio::time::timeout(LIMIT, check).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", LIMIT.as_secs());
            vec![Finding::fail(kind, message).mend("look whether it hangs, and start it again")]
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_runtime::config::{FileChoice, Inputs};

    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config<Settings> {
        let env = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::load(&Inputs { env, file: FileChoice::None, ..Inputs::default() }).unwrap()
    }

    fn of<'a>(findings: &'a [Finding], kind: &str) -> &'a Finding {
        findings.iter().find(|finding| finding.kind == kind).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_a_failure() {
        let found = start("redis", std::future::pending()).await.unwrap();
        assert_eq!((found[0].kind, found[0].grade), ("redis", Grade::Fail));
        assert!(found[0].mend.is_some());
    }

    #[tokio::test]
    async fn what_is_not_there_is_found_and_no_secret_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let config = config(&[
            ("HOLDFAST_DATA_DIR", data.to_str().unwrap()),
            ("HOLDFAST_JOIN__HEALTH", "127.0.0.1:1"),
            ("HOLDFAST_STORE__URL", "postgres://me:hunter2@127.0.0.1:1/x"),
            ("HOLDFAST_REDIS__URL", "redis://:hunter2@127.0.0.1:1"),
            ("HOLDFAST_WORKER__SLOT", "3"),
        ]);
        let findings = examine(&config, Which::Configured).await;
        for kind in ["health", "postgres", "postgres_contents", "redis"] {
            let finding = of(&findings, kind);
            assert!(finding.grade == Grade::Fail && finding.mend.is_some(), "{finding:?}");
        }
        assert_eq!(of(&findings, "configuration").grade, Grade::Warn);
        assert_eq!(of(&findings, "data_folder").grade, Grade::Ok);
        // Nobody configured these.
        assert!(!findings.iter().any(|finding| ["checkpoint", "idempotency"].contains(&finding.kind)));
        assert_eq!(of(&findings, "server").grade, Grade::Ok);
        assert!(!format!("{findings:?}").contains("hunter2"), "{findings:?}");
        assert!(!data.exists());
    }

    #[tokio::test]
    async fn every_service_is_asked_where_that_is_wanted() {
        let nowhere = ("HOLDFAST_JOIN__CHECKPOINT", "127.0.0.1:1,127.0.0.1:2");
        let findings = examine(&config(&[nowhere]), Which::All).await;
        let count = |kind| findings.iter().filter(|finding| finding.kind == kind).count();
        assert_eq!((count("checkpoint"), count("idempotency"), count("health")), (2, 1, 1));
        let mends: Vec<_> = findings.iter().filter_map(|finding| finding.mend.as_deref()).collect();
        assert!(mends.contains(&"holdfast serve checkpoint --listen 127.0.0.1:2"), "{mends:?}");
    }
}
