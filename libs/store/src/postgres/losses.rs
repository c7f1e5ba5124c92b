//! What a server may lose of what it has answered (PROTOCOL 17).

use std::collections::HashMap;

use sqlx::{PgConnection, Row};

/// A setting of the server by which answered commits may be lost, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The setting.
    pub setting: &'static str,
    /// Its value.
    pub value: String,
    /// What may be lost, and when.
    pub why: &'static str,
    /// The command that mends it.
    pub mend: &'static str,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {}: {}; mend it with: {}", self.setting, self.value, self.why, self.mend)
    }
}

/// Looks at the settings of this session. A database that has none of them (CockroachDB) loses nothing by them.
pub(super) async fn find(connection: &mut PgConnection) -> Result<Vec<Loss>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT name, setting FROM pg_settings WHERE name IN \
         ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut settings = HashMap::new();
    for row in &rows {
        settings.insert(row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?);
    }
    let standbys = if settings.contains_key("synchronous_standby_names") {
        sqlx::query_scalar("SELECT count(*) FROM pg_stat_replication").fetch_one(connection).await?
    } else {
        0_i64
    };
    Ok(judge(&settings, standbys))
}

fn judge(settings: &HashMap<String, String>, standbys: i64) -> Vec<Loss> {
    let value = |name: &str| settings.get(name).map(String::as_str);
    let mut found = Vec::new();
    let mut lose = |setting, value: Option<&str>, why, mend| {
        found.push(Loss { setting, value: value.unwrap_or_default().to_owned(), why, mend });
    };
    for (setting, why, mend) in SWITCHES {
        if value(setting) == Some("off") {
            lose(setting, value(setting), why, mend);
        }
    }
    if standbys > 0 {
        let names = value("synchronous_standby_names");
        if names.is_some_and(str::is_empty) {
            lose("synchronous_standby_names", Some("''"), ASYNCHRONOUS, NAME_STANDBYS);
        } else if value("synchronous_commit") == Some("local") {
            lose("synchronous_commit", Some("local"), ASYNCHRONOUS, SYNCHRONOUS_COMMIT);
        }
    }
    found
}

const SYNCHRONOUS_COMMIT: &str = "ALTER SYSTEM SET synchronous_commit = 'on'; SELECT pg_reload_conf();";
const NAME_STANDBYS: &str =
    "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'; SELECT pg_reload_conf();";
const ASYNCHRONOUS: &str =
    "a failover to a standby loses the last commits, and one epoch may be given out twice";

/// Settings that lose something where they are off.
const SWITCHES: [(&str, &str, &str); 3] = [
    (
        "fsync",
        "a crash of the machine loses commits or the whole database",
        "ALTER SYSTEM SET fsync = 'on'; SELECT pg_reload_conf();",
    ),
    (
        "full_page_writes",
        "a crash of the machine may leave torn pages",
        "ALTER SYSTEM SET full_page_writes = 'on'; SELECT pg_reload_conf();",
    ),
    ("synchronous_commit", "a crash of the server loses the last commits", SYNCHRONOUS_COMMIT),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(settings: &[(&str, &str)], standbys: i64) -> Vec<&'static str> {
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        judge(&settings, standbys).into_iter().map(|loss| loss.setting).collect()
    }

    #[test]
    fn what_may_be_lost_is_found() {
        let safe = [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("synchronous_standby_names", ""),
        ];
        assert!(found(&safe, 0).is_empty());
        assert_eq!(found(&safe, 1), ["synchronous_standby_names"]);
        let unsafe_ = [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")];
        assert_eq!(found(&unsafe_, 0), ["fsync", "full_page_writes", "synchronous_commit"]);
        let named = [("synchronous_commit", "local"), ("synchronous_standby_names", "ANY 1 (*)")];
        assert_eq!(found(&named, 2), ["synchronous_commit"]);
        assert!(found(&named, 0).is_empty());
        // CockroachDB has none of them.
        assert!(found(&[], 0).is_empty());
    }
}
