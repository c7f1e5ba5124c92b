//! Redis: whether it is there, what it keeps against what it must, and its clock.

use holdfast_runtime::Config;
use holdfast_store::{OnLoss, RedisError, RedisFinding, check_redis};

use super::clock::Asked;
use super::finding::line;
use super::{Finding, Grade};
use crate::error::told;
use crate::run::progress::short;
use crate::settings::Settings;

/// Asks the server about itself.
pub(super) async fn server(config: Config<Settings>) -> Vec<Finding> {
    let settings = &config.value.redis;
    let asked = Asked::now();
    let report = match check_redis(settings).await {
        Ok(report) => report,
        Err(error) => return vec![unusable(&config, &error)],
    };
    let clock = asked.judge("redis_clock", report.clock);
    let message =
        format!("Redis {}, {} keys, answers in {}", report.version, report.size, short(asked.took()));
    let mut findings = vec![Finding::ok("redis", message)];
    if report.findings.is_empty() {
        findings.push(Finding::ok("redis_durability", "it keeps what it must"));
    }
    findings.extend(report.findings.iter().map(|found| weaker(found, settings.on_loss)));
    findings.push(clock);
    findings
}

fn weaker(found: &RedisFinding, on_loss: OnLoss) -> Finding {
    let grade = match on_loss {
        OnLoss::Refuse => Grade::Fail,
        OnLoss::Warn => Grade::Warn,
    };
    let RedisFinding { setting, found, wanted, mend } = found;
    let found = if found.is_empty() { "not known" } else { found };
    let message = format!("{setting} is {found} and has to be {wanted}");
    Finding::graded(grade, "redis_durability", message).mend(mend.clone())
}

fn unusable(config: &Config<Settings>, error: &RedisError) -> Finding {
    let message = match error {
        RedisError::Unreachable(holdfast_ports::Error::Unavailable { why, .. }) => why.clone(),
        error => told(error),
    };
    Finding::fail("redis", message).mend(line(config, "redis.url", "redis://HOST:6379"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_does_not_keep_is_as_bad_as_the_platform_takes_it() {
        let found = RedisFinding {
            setting: "appendonly",
            found: String::new(),
            wanted: "yes",
            mend: "redis-cli CONFIG SET appendonly yes".into(),
        };
        let refused = weaker(&found, OnLoss::Refuse);
        assert_eq!(refused.grade, Grade::Fail);
        assert_eq!(refused.message, "appendonly is not known and has to be yes");
        assert_eq!(refused.mend.as_deref(), Some("redis-cli CONFIG SET appendonly yes"));
        assert_eq!(weaker(&found, OnLoss::Warn).grade, Grade::Warn);
    }
}
