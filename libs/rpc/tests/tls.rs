//! TLS on real sockets: who is trusted, by which name, and what is said where somebody is not.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{Running, Script, a_call, serve, worker, worker_on};
use futures::StreamExt;
use holdfast_proto::v1;
use holdfast_proto::v1::worker_service_client::WorkerServiceClient;
use holdfast_rpc::client::{Channel, Config, Error, Health, health};
use holdfast_rpc::status::{Sent, to_failure};
use holdfast_rpc::tls::{Authorities, ClientTls, Identity, ServerTls};
use holdfast_rpc::{Server, server};
use holdfast_types::worker::ExecuteEvent;
use holdfast_types::{Effect, Reason};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tonic::Status;

/// An authority, and a folder for what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.path("ca"), authority.issuer.pem()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn trusted(&self) -> Authorities {
        Authorities::read(&self.path("ca")).unwrap()
    }

    /// A certificate for a name, and its key.
    fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        std::fs::write(self.path("cert"), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(self.path("key"), key.serialize_pem()).unwrap();
        Identity::read(&self.path("cert"), &self.path("key")).unwrap()
    }

    fn client(&self) -> ClientTls {
        ClientTls::new(&self.trusted(), None).unwrap()
    }
}

async fn secured(tls: ServerTls) -> Running {
    let server = Server::new(server::Config::default()).secured(tls);
    worker_on(server, Script::Say(vec![ExecuteEvent::Heartbeat(None)])).await.0
}

fn channel(server: &Running, tls: Option<ClientTls>) -> Channel {
    Channel::new(&server.address.to_string(), Config { tls, ..Config::default() })
}

async fn check(channel: Channel) -> Result<(), Status> {
    WorkerServiceClient::new(channel).check(v1::CheckRequest::default()).await.map(drop)
}

/// What a client that is not let in, or does not go in, is told.
async fn refusal(server: &Running, tls: ClientTls) -> String {
    let refused = check(channel(server, Some(tls))).await.unwrap_err();
    let error = Error::behind(&refused).unwrap();
    assert_eq!(error.sent(), Sent::No);
    let failure = to_failure(&refused, Sent::Maybe);
    assert_eq!((failure.effect, failure.reason), (Effect::NotExecuted, Reason::ConnectFailed));
    error.to_string()
}

#[tokio::test]
async fn calls_streams_and_health_go_over_tls() {
    let authority = Authority::new();
    let server = secured(ServerTls::new(&authority.identity("127.0.0.1"), None).unwrap()).await;
    let channel = channel(&server, Some(authority.client()));
    check(channel.clone()).await.unwrap();
    let mut client = WorkerServiceClient::new(channel.clone());
    let stream = client.execute(v1::ExecuteRequest::from(a_call())).await.unwrap().into_inner();
    assert_eq!(stream.count().await, 1);
    assert_eq!(health(&channel, Duration::from_secs(60)).await.unwrap(), Health::Serving);
}

#[tokio::test]
async fn a_server_of_a_strange_authority_or_another_name_is_not_called() {
    let authority = Authority::new();
    let server = secured(ServerTls::new(&authority.identity("localhost"), None).unwrap()).await;
    let told = refusal(&server, authority.client()).await;
    assert!(told.contains("not valid for name \"127.0.0.1\"") && told.contains("localhost"), "{told}");
    check(channel(&server, Some(authority.client().named("localhost").unwrap()))).await.unwrap();
    let told = refusal(&server, Authority::new().client().named("localhost").unwrap()).await;
    assert!(told.contains("not trusted here"), "{told}");
}

#[tokio::test]
async fn plain_and_secured_sides_do_not_meet() {
    let authority = Authority::new();
    let (plain, _) = worker(Script::Silence).await;
    let told = refusal(&plain, authority.client()).await;
    assert!(told.contains("no TLS with"), "{told}");
    let server = secured(ServerTls::new(&authority.identity("127.0.0.1"), None).unwrap()).await;
    let refused = check(channel(&server, None)).await.unwrap_err();
    assert!(Error::behind(&refused).is_some(), "{refused:?}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_not_let_in_where_one_is_asked_for() {
    let authority = Authority::new();
    let clients = Authority::new();
    let tls = ServerTls::new(&authority.identity("127.0.0.1"), Some(&clients.trusted())).unwrap();
    let server = secured(tls).await;
    let with = |shown: Option<&Identity>| {
        channel(&server, Some(ClientTls::new(&authority.trusted(), shown).unwrap()))
    };
    check(with(Some(&clients.identity("member")))).await.unwrap();
    for stranger in [None, Some(&authority.identity("member"))] {
        let refused = check(with(stranger)).await.unwrap_err();
        assert!(Error::behind(&refused).is_some(), "{refused:?}");
    }
}

/// Whoever connects and says nothing holds neither other connections nor the server's end.
#[tokio::test]
async fn a_silent_connection_is_in_nobodys_way() {
    let authority = Authority::new();
    let tls = ServerTls::new(&authority.identity("127.0.0.1"), None).unwrap();
    let config = server::Config { drain: Duration::from_secs(60), ..server::Config::default() };
    let mut server = serve(Server::new(config).secured(tls)).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let answer = health(&channel(&server, Some(authority.client())), Duration::from_secs(60)).await;
    assert_eq!(answer.unwrap(), Health::Serving);
    server.drain();
    // Long before the drain is over.
    server.ended().await;
    drop(silent);
}
