//! What is tried, in this order, on one platform.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::docker::docker;
use super::plans::STEPS;
use super::platform::{Member, Platform, Security, Token, let_pass};
use super::tasks::{self, succeeds, until_recorded};
use super::{checks, images};
use crate::run::{root, run};

type Scenario = fn(&Platform<'_>) -> Result<()>;

/// Every scenario, with its name.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    ("the image is small", image_is_small),
    ("a caller without the token is told where to find it", the_token_is_asked_for),
    ("the examples run through the published port", examples_run),
    ("each container of the roles is killed in the middle of a task", roles_are_killed),
    ("a task's driver is killed, and another goes on", the_driver_is_killed),
    ("the gateway is killed in the middle of a task", gateway_is_killed),
    ("Redis is killed, and restarted", |platform| killed_and_restarted(platform, Member("redis", 1))),
    ("PostgreSQL is killed, and restarted", |platform| killed_and_restarted(platform, Member("postgres", 1))),
    ("checkpoint is cut off from PostgreSQL, and comes back", |platform| {
        cut_off(platform, Member("checkpoint", 1), "stores")
    }),
    ("the driver is cut off from the platform, and comes back", the_driver_is_cut_off),
    ("more orchestrators and workers are added", more_are_added),
    ("everything ends in good order when it is told to", all_end_in_good_order),
];

/// The same for a platform that speaks TLS.
pub(crate) const SECURED: &[(&str, Scenario)] =
    &[("with certificates all speak TLS, and nothing else", all_speak_tls)];

/// Longer than a lease, within which an orchestrator that is cut off stops its tasks by itself.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(13);

fn image_is_small(_: &Platform<'_>) -> Result<()> {
    let size = docker(&["image", "inspect", "--format", "{{.Size}}", "holdfast-local/holdfast"])?;
    let size: u64 = size.trim().parse().context("read the image's size")?;
    eprintln!("    {} MB", size / 1_000_000);
    ensure!(size < images::MOST, "the image takes {size} bytes");
    Ok(())
}

fn the_token_is_asked_for(platform: &Platform<'_>) -> Result<()> {
    let refused = tasks::ended(platform.client(Token::Withheld).arg("list"))?;
    let told = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success(), "a caller without a token was answered");
    ensure!(told.contains("docker compose logs init"), "it is not told where the token is: {told}");
    ensure!(
        tasks::ended(platform.client(Token::Shown).arg("list"))?.status.success(),
        "the token is refused"
    );
    Ok(())
}

fn examples_run(platform: &Platform<'_>) -> Result<()> {
    let examples = root().join("examples");
    let trip = tasks::submit(platform, &examples.join("trip.yaml"), &[])?;
    let report = ["folder=/examples", "report=/var/lib/holdfast/checksums.txt"];
    let sums = tasks::submit(platform, &examples.join("checksums.yaml"), &report)?;
    succeeds(platform, &trip)?;
    succeeds(platform, &sums)?;
    let mut deeds: Vec<String> =
        tasks::effects(platform, &trip)?.into_iter().map(|effect| effect.tool).collect();
    deeds.sort();
    ensure!(deeds == ["book_flight", "book_hotel", "charge_card"], "the trip did {deeds:?}");
    let listed = tasks::ended(platform.client(Token::Shown).args(["list", "--json"]))?;
    ensure!(tasks::lines(&listed.stdout)?.len() == 2, "two tasks were submitted");
    let worker = platform.container(Member("worker", 1))?;
    let written = docker(&["exec", &worker, "cat", "/var/lib/holdfast/checksums.txt"])?;
    ensure!(written.contains("trip.yaml"), "the report is missing a file: {written}");
    checks::one_whole_trace(platform, &trip)
}

fn all_speak_tls(platform: &Platform<'_>) -> Result<()> {
    let trip = tasks::submit(platform, &root().join("examples/trip.yaml"), &[])?;
    succeeds(platform, &trip)?;
    let plain = platform.server(Security::Plain);
    let refused = tasks::ended(platform.client(Token::Shown).args(["ping", "--server", &plain]))?;
    ensure!(!refused.status.success(), "a caller without TLS was answered");
    checks::one_whole_trace(platform, &trip)
}

const ROLES: [Member; 7] = [
    Member("orchestrator", 1),
    Member("orchestrator", 2),
    Member("worker", 1),
    Member("checkpoint", 1),
    Member("idempotency", 1),
    Member("health", 1),
    Member("trip-worker", 1),
];

fn roles_are_killed(platform: &Platform<'_>) -> Result<()> {
    for member in ROLES {
        killed(platform, member).with_context(|| format!("{member} is killed"))?;
    }
    Ok(())
}

fn the_driver_is_killed(platform: &Platform<'_>) -> Result<()> {
    strike_driver(platform, |driver| platform.kill(driver))
}

fn gateway_is_killed(platform: &Platform<'_>) -> Result<()> {
    killed(platform, Member("gateway", 1))
}

fn killed(platform: &Platform<'_>, member: Member) -> Result<()> {
    strike(platform, |_| platform.kill(member)).map(drop)
}

fn killed_and_restarted(platform: &Platform<'_>, member: Member) -> Result<()> {
    killed(platform, member)?;
    strike(platform, |_| platform.restart(member)).map(drop)
}

fn cut_off(platform: &Platform<'_>, member: Member, network: &str) -> Result<()> {
    let cut = |_: &str| {
        platform.cut(member, network)?;
        let_pass(Duration::from_secs(5));
        platform.heal(member, network)
    };
    strike(platform, cut).map(drop)
}

/// Until its lease is over callers may still be sent to it; the other one drives meanwhile.
fn the_driver_is_cut_off(platform: &Platform<'_>) -> Result<()> {
    strike_driver(platform, |driver| {
        platform.cut(driver, "platform")?;
        let_pass(BEYOND_THE_LEASE);
        platform.heal(driver, "platform")
    })
}

/// Strikes the orchestrator that drives a chain, in the middle of it: another has to have gone on.
fn strike_driver(platform: &Platform<'_>, blow: impl FnOnce(Member) -> Result<()>) -> Result<()> {
    let task = strike(platform, |task| blow(tasks::driver(platform, task)?))?;
    let lives = checks::lives(&tasks::journal(platform, &task)?);
    ensure!(lives > 1, "nobody took the task over from the driver that was struck");
    Ok(())
}

/// Submits a chain, strikes in the middle of it, and checks what came of it; leaves a platform that is whole again.
fn strike(platform: &Platform<'_>, blow: impl FnOnce(&str) -> Result<()>) -> Result<String> {
    let task = chain_begun(platform)?;
    blow(&task)?;
    succeeds(platform, &task)?;
    platform.until_healthy()?;
    checks::chain_ran_once(platform, &task)?;
    Ok(task)
}

/// Submits a chain and waits until it is in the middle of its work.
fn chain_begun(platform: &Platform<'_>) -> Result<String> {
    let task = tasks::submit(platform, &platform.chain(), &[])?;
    until_recorded(platform, &task, STEPS / 5)?;
    ensure!(tasks::outcome(platform, &task)?.is_none(), "the task had ended before the blow");
    Ok(task)
}

fn more_are_added(platform: &Platform<'_>) -> Result<()> {
    let more = ["--no-recreate", "--scale", "orchestrator=3", "--scale", "worker=4"];
    run(platform.compose(&["up", "--detach"]).args(more))?;
    platform.until_healthy()?;
    for (service, wanted) in [("orchestrator", 3), ("worker", 4)] {
        let there = platform.containers(service)?.len();
        ensure!(there == wanted, "{there} of {wanted} containers of {service}");
    }
    // The gateway has found the new one: the others are away.
    platform.stop(Member("orchestrator", 1))?;
    platform.stop(Member("orchestrator", 2))?;
    let task = chain_begun(platform)?;
    succeeds(platform, &task)?;
    checks::chain_ran_once(platform, &task)
}

fn all_end_in_good_order(platform: &Platform<'_>) -> Result<()> {
    let services = ["orchestrator", "worker", "trip-worker", "idempotency", "checkpoint", "health"];
    let mut containers = Vec::new();
    for service in services {
        containers.extend(platform.containers(service)?.into_iter().map(|container| (service, container)));
    }
    run(&mut platform.compose(&["stop"]))?;
    for (service, container) in containers {
        let code = docker(&["inspect", "--format", "{{.State.ExitCode}}", &container])?;
        ensure!(code.trim() == "0", "{service} ended with {}", code.trim());
    }
    Ok(())
}
