//! A Redis that is trusted by its certificate.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_store::{RedisConfig, RedisError, RedisKeys, check_redis};
use holdfast_testkit::Redis;

use crate::certificates::{Certificates, certificates};

fn written(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Has a server use a certificate, on a port of its own; returns its URL.
fn serve(redis: &Redis, folder: &Path, made: &Certificates) -> String {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port().to_string();
    let certificate = written(folder, "server.crt", &made.certificate).display().to_string();
    let key = written(folder, "server.key", &made.key).display().to_string();
    let set =
        ["CONFIG", "SET", "tls-auth-clients", "no", "tls-cert-file", &certificate, "tls-key-file", &key];
    redis.ask(&[&set[..], &["tls-port", &port]].concat()).unwrap();
    format!("rediss://127.0.0.1:{port}")
}

fn config(url: &str, ca: &Path) -> RedisConfig {
    RedisConfig { ca: ca.to_owned(), timeout: Duration::from_secs(10), ..RedisConfig::new(url) }
}

#[tokio::test]
async fn a_server_is_trusted_by_the_ca_that_is_named_and_by_no_other() {
    let redis = Redis::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (certificates("127.0.0.1"), certificates("127.0.0.1"));
    let url = serve(&redis, folder.path(), &own);
    let ca = written(folder.path(), "own.pem", &own.ca);
    check_redis(&config(&url, &ca)).await.unwrap();
    RedisKeys::open(&config(&url, &ca), None).await.unwrap();
    let strange = written(folder.path(), "other.pem", &other.ca);
    let refused = check_redis(&config(&url, &strange)).await.unwrap_err();
    let RedisError::Unreachable(why) = &refused else { panic!("{refused:?}") };
    assert!(why.to_string().contains("certificate") && why.to_string().contains("[redis] ca"), "{why}");
    // Without a CA the system's are asked, which know nothing of a test's.
    assert!(check_redis(&config(&url, Path::new(""))).await.is_err());
}

#[tokio::test]
async fn a_ca_that_can_not_be_used_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none.pem");
    let junk =
        written(folder.path(), "junk.pem", "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n");
    for (url, ca) in
        [("rediss://127.0.0.1:1", &none), ("rediss://127.0.0.1:1", &junk), ("redis://127.0.0.1:1", &junk)]
    {
        let refused = check_redis(&config(url, ca)).await.unwrap_err();
        assert!(matches!(refused, RedisError::Setting { setting: "ca", .. }), "{url} {refused:?}");
    }
}
