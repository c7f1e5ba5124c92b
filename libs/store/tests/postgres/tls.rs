//! A server that is trusted by its certificate.

use std::path::{Path, PathBuf};

use holdfast_store::suite::ManualClock;
use holdfast_store::{Error, OnLoss, PostgresClock, PostgresConfig, PostgresStore};
use holdfast_testkit::{Flush, Postgres};
use sqlx::{Connection, PgConnection};

use crate::certificates::{Certificates, certificates};

/// Has a server use a certificate. The files are written by the server itself, so that they are its own.
async fn serve(server: &Postgres, made: &Certificates) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    for (file, content) in [("server.crt", &made.certificate), ("server.key", &made.key)] {
        // Two statements: the second sees what the first has written.
        let object: sqlx::postgres::types::Oid = sqlx::query_scalar("SELECT lo_from_bytea(0, $1)")
            .bind(content.as_bytes())
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let written = sqlx::query("SELECT lo_export($1, $2)").bind(object).bind(file);
        written.execute(&mut connection).await.unwrap();
    }
    for statement in [
        "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; chmod 600 server.key'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    // The postmaster reads its settings when it has the time.
    loop {
        let mut connection = PgConnection::connect(&server.url()).await.unwrap();
        let on: String = sqlx::query_scalar("SHOW ssl").fetch_one(&mut connection).await.unwrap();
        if on == "on" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn written(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

async fn opened(url: String, ca: &Path) -> Result<(), Error> {
    let config = PostgresConfig { on_loss: OnLoss::Warn, ca: ca.to_owned(), ..PostgresConfig::new(url) };
    let clock = ManualClock::default();
    let store = PostgresStore::open(config, PostgresClock::Given(clock.source())).await?;
    store.close().await;
    Ok(())
}

#[tokio::test]
async fn a_server_is_trusted_by_the_ca_that_is_named_and_by_no_other() {
    let server = Postgres::start(Flush::Never).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (certificates("127.0.0.1"), certificates("127.0.0.1"));
    let own_ca = written(folder.path(), "own.pem", &own.ca);
    // Before it has a certificate: nobody is trusted.
    let refused = opened(server.url(), &own_ca).await.unwrap_err();
    assert!(matches!(refused, Error::Tls { .. }), "{refused:?}");
    serve(&server, &own).await;
    opened(server.url(), &own_ca).await.unwrap();
    opened(format!("{}?sslmode=verify-full", server.url()), &own_ca).await.unwrap();
    let other_ca = written(folder.path(), "other.pem", &other.ca);
    let refused = opened(server.url(), &other_ca).await.unwrap_err();
    assert!(matches!(refused, Error::Tls { .. }), "{refused:?}");
    assert!(refused.to_string().contains("[store] ca"), "{refused}");
    // The URL's word stands.
    opened(format!("{}?sslmode=disable", server.url()), &other_ca).await.unwrap();
    let missing = opened(server.url(), &folder.path().join("none.pem")).await.unwrap_err();
    assert!(matches!(missing, Error::Ca { .. }), "{missing:?}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let server = Postgres::start(Flush::Never).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = certificates("db.example.com");
    let ca = written(folder.path(), "ca.pem", &made.ca);
    serve(&server, &made).await;
    let refused = opened(server.url(), &ca).await.unwrap_err();
    assert!(matches!(refused, Error::Tls { .. }), "{refused:?}");
    opened(format!("{}?sslmode=verify-ca", server.url()), &ca).await.unwrap();
}
