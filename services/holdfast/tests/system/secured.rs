//! The platform spread out, with tokens and certificates: what members ask of each other, and what of callers.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use holdfast_proto::v1;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_proto::v1::idempotency_service_client::IdempotencyServiceClient;
use holdfast_rpc::Token;
use holdfast_rpc::client::{Channel, Config};
use holdfast_rpc::tls::{Authorities, ClientTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic_types::StatusExt;

use crate::binary::{lines, output, stderr, stdout};
use crate::cluster::{Cluster, Guarded, Role};
use crate::plans;
use crate::scene::Scene;

const STEPS: usize = 12;

/// Secrets as `holdfast secrets` makes them, and certificates for the loopback.
struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new(scene: &Scene) -> Self {
        let keys = Self { folder: tempfile::tempdir().unwrap() };
        let made = output(scene.holdfast().args(["secrets", "--json"]).arg(keys.folder.path()));
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        assert_eq!(lines(&made)[0]["api_token"], keys.secret("api-token"));
        let again = output(scene.holdfast().arg("secrets").arg(keys.folder.path()));
        let line = format!("export HOLDFAST_AUTH__API_TOKEN={}", keys.secret("api-token"));
        assert!(stdout(&again).starts_with(&line) && stdout(&again).lines().count() == 1);

        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        for (name, pem) in
            [("ca.pem", authority.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(keys.folder.path().join(name), pem).unwrap();
        }
        keys
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap().trim().to_owned()
    }

    fn guarded(&self) -> Guarded {
        let api = ("HOLDFAST_AUTH__API_TOKEN_FILE", self.path("api-token"));
        let ca = ("HOLDFAST_TLS__CA", self.path("ca.pem"));
        let members = vec![
            api.clone(),
            ("HOLDFAST_AUTH__CLUSTER_TOKEN_FILE", self.path("cluster-token")),
            ("HOLDFAST_TLS__CERT", self.path("cert.pem")),
            ("HOLDFAST_TLS__KEY", self.path("key.pem")),
            ca.clone(),
        ];
        Guarded { members, callers: vec![api, ca], scheme: Some("https://") }
    }

    /// A caller's own way to a server, with a token.
    fn channel(&self, address: &str, token: &str) -> Channel {
        let trusted = Authorities::read(Path::new(&self.path("ca.pem"))).unwrap();
        let tls = Some(ClientTls::new(&trusted, None).unwrap());
        let token = Some(Token::try_new(&self.secret(token)).unwrap());
        Channel::new(address, Config { token, tls, ..Config::default() })
    }
}

#[test]
fn a_guarded_cluster_works_through_a_loss_and_lets_no_stranger_in() {
    let scene = Scene::new(|ledger| plans::chain(ledger, STEPS));
    let keys = Keys::new(&scene);
    let mut cluster = Cluster::start_guarded(scene, keys.guarded());
    let task = cluster.submit(0);
    cluster.until_effects(&task, STEPS / 3);
    for role in [Role::Orchestrator, Role::Worker] {
        cluster.kill(role, 0);
        cluster.start_again(role, 0);
    }
    assert!(cluster.outcome(&task).ends_with("SUCCEEDED"), "{}", cluster.logged());
    let seen = cluster.scene.effects().iter().filter(|effect| effect.task == task).count();
    assert_eq!(seen, STEPS);
    cluster.scene.assert_each_effect_once();

    strangers_are_told_what_they_lack(&cluster);
    everybody_is_asked_for_health(&cluster);
    members_ask_for_the_clusters_token(&cluster, &keys);
    a_foreign_caller_claims_keys_and_hosts_no_tools(&cluster, &keys);
    let logged = cluster.logged();
    for secret in ["api-token", "cluster-token"] {
        assert!(!logged.contains(&keys.secret(secret)), "{secret} is logged");
    }
}

fn strangers_are_told_what_they_lack(cluster: &Cluster) {
    let server = cluster.any_server();
    let list = |change: &dyn Fn(&mut std::process::Command)| -> Output {
        let mut command = cluster.caller();
        command.args(["list", "--server", &server]);
        change(&mut command);
        output(&mut command)
    };
    let well = list(&|_| {});
    assert_eq!(well.status.code(), Some(0), "{}", stderr(&well));
    let tools = output(cluster.caller().args(["tools", "--server", &server]));
    assert!(stdout(&tools).contains("chain_step"), "{}", stderr(&tools));

    let missing = list(&|command| {
        command.env_remove("HOLDFAST_AUTH__API_TOKEN_FILE");
    });
    assert_eq!(missing.status.code(), Some(2));
    for word in ["asks for a token", "HOLDFAST_AUTH__API_TOKEN_FILE", "docker compose logs init"] {
        assert!(stderr(&missing).contains(word), "{}", stderr(&missing));
    }
    let wrong = list(&|command| {
        command.env_remove("HOLDFAST_AUTH__API_TOKEN_FILE").env("HOLDFAST_AUTH__API_TOKEN", "hunter2");
    });
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("does not open") && !stderr(&wrong).contains("hunter2"));

    let distrusting = list(&|command| {
        command.env_remove("HOLDFAST_TLS__CA");
    });
    assert_eq!(distrusting.status.code(), Some(9), "{}", stderr(&distrusting));
    assert!(stderr(&distrusting).contains("not trusted here"), "{}", stderr(&distrusting));
    let plain = output(cluster.caller().args(["list", "--server", &server.replace("https", "http")]));
    assert_eq!(plain.status.code(), Some(9), "{}", stderr(&plain));
}

fn everybody_is_asked_for_health(cluster: &Cluster) {
    let roles = [Role::Orchestrator, Role::Worker, Role::Idempotency, Role::Checkpoint, Role::Health];
    for address in roles.into_iter().flat_map(|role| cluster.addresses(role)) {
        let mut ping = cluster.caller();
        ping.env_remove("HOLDFAST_AUTH__API_TOKEN_FILE");
        let well = output(ping.args(["ping", "--json", "--server", &format!("https://{address}")]));
        assert_eq!(well.status.code(), Some(0), "{}", stderr(&well));
    }
    let checkpoint = cluster.addresses(Role::Checkpoint).remove(0);
    let mut ping = cluster.caller();
    ping.env("HOLDFAST_SERVE__CHECKPOINT", checkpoint);
    ping.env("HOLDFAST_TLS__CERT", cluster_file(cluster, "HOLDFAST_TLS__CERT"));
    ping.env("HOLDFAST_TLS__KEY", cluster_file(cluster, "HOLDFAST_TLS__KEY"));
    let by_role = output(ping.args(["ping", "checkpoint"]));
    assert_eq!(by_role.status.code(), Some(0), "{}", stderr(&by_role));
}

fn cluster_file(cluster: &Cluster, variable: &str) -> String {
    cluster.guarded().members.iter().find(|(name, _)| *name == variable).unwrap().1.clone()
}

fn members_ask_for_the_clusters_token(cluster: &Cluster, keys: &Keys) {
    let checkpoint = cluster.addresses(Role::Checkpoint).remove(0);
    let prune = |token: &str| {
        let mut command = cluster.caller();
        command.env("HOLDFAST_AUTH__CLUSTER_TOKEN_FILE", keys.path(token));
        output(command.args(["prune", "--checkpoint", &checkpoint]))
    };
    let refused = prune("api-token");
    assert_ne!(refused.status.code(), Some(0));
    assert!(stderr(&refused).contains("HOLDFAST_AUTH__CLUSTER_TOKEN_FILE"), "{}", stderr(&refused));
    let member = prune("cluster-token");
    assert_eq!(member.status.code(), Some(0), "{}", stderr(&member));
}

fn a_foreign_caller_claims_keys_and_hosts_no_tools(cluster: &Cluster, keys: &Keys) {
    let published = cluster.addresses(Role::Orchestrator).remove(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = keys.channel(&published, "api-token");
        let message = v1::BeginRequest {
            key: "shop/charge/7".into(),
            fingerprint: "a".repeat(64),
            holder: Some(v1::Holder { holder: Some(v1::holder::Holder::Foreign("shop:1".into())) }),
            lease: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
            ..Default::default()
        };
        let begun = IdempotencyServiceClient::new(channel.clone()).begin(message).await;
        let answer = begun.unwrap().into_inner().answer.unwrap().answer.unwrap();
        assert!(matches!(answer, v1::begin_answer::Answer::Acquired(_)), "{answer:?}");

        // Whoever registers is called with the cluster's token, so the API's must not be enough.
        let register = |channel| async move {
            let message = v1::RegisterWorkerRequest::default();
            HealthServiceClient::new(channel).register_worker(message).await.unwrap_err()
        };
        let reason = |status: tonic::Status| {
            status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
        };
        assert_eq!(reason(register(channel).await), "WRONG_TOKEN");
        let member = register(keys.channel(&published, "cluster-token")).await;
        assert_eq!(reason(member), "BAD_ARGUMENTS");
    });
}

#[test]
fn nothing_listens_beyond_this_machine_without_a_token() {
    let scene = Scene::new(plans::trip);
    for (role, variable) in
        [("health", "HOLDFAST_AUTH__CLUSTER_TOKEN_FILE"), ("orchestrator", "HOLDFAST_AUTH__API_TOKEN_FILE")]
    {
        let refused = output(scene.holdfast().args(["serve", role, "--listen", "0.0.0.0:0"]));
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(variable), "{}", stderr(&refused));
    }
    let refused = output(scene.holdfast().args(["dev", "--listen", "0.0.0.0:0", "--metrics", "127.0.0.1:0"]));
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
}

#[test]
fn one_machine_with_tokens_needs_no_other_configuration() {
    let scene = Scene::new(plans::trip);
    let keys = Keys::new(&scene);
    let mut run = scene.run();
    // Certificates are for the published port, which `run` has not.
    run.envs(keys.guarded().members);
    let ended = output(&mut run);
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let shown = output(scene.holdfast().arg("config").envs(keys.guarded().members));
    assert!(stdout(&shown).contains("auth.api_token") && !stdout(&shown).contains(&keys.secret("api-token")));
    let broken = output(
        scene
            .run()
            .env("HOLDFAST_TLS__CERT", keys.path("none.pem"))
            .env("HOLDFAST_TLS__KEY", keys.path("key.pem")),
    );
    assert_eq!(broken.status.code(), Some(2));
    assert!(stderr(&broken).contains("tls.cert: can't read") && stderr(&broken).contains("none.pem"));
}

#[test]
fn a_server_that_says_nothing_is_not_reached() {
    let scene = Scene::new(plans::trip);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", silent.local_addr().unwrap());
    let began = holdfast_runtime::Clock::boot(&holdfast_runtime::SystemClock);
    let hung = output(scene.holdfast().args(["ping", "--server", &server]));
    assert_eq!(hung.status.code(), Some(9), "{}", stderr(&hung));
    let took = holdfast_runtime::Clock::boot(&holdfast_runtime::SystemClock).since(began);
    assert!(took < Duration::from_secs(60), "{took:?}");
}
