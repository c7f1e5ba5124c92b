//! The breakers at the published port: seen, followed, held and let go.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::binary::{lines, output, stderr, stdout};
use crate::plans;
use crate::scene::Scene;

const TOKEN: &str = "a-token-of-forty-characters-for-the-tests";

#[test]
fn an_operator_sees_holds_and_lets_go_of_a_breaker_at_the_published_port() {
    let scene = Scene::new(plans::trip);
    let dev = scene.dev_with("HOLDFAST_AUTH__API_TOKEN", TOKEN);
    let server = dev.server();
    let command = |args: &[&str]| {
        let mut command = scene.holdfast();
        command.env("HOLDFAST_AUTH__API_TOKEN", TOKEN);
        command.arg("breakers").args(args).args(["--server", &server]);
        command
    };
    let ask = |args: &[&str]| output(command(args).arg("--json"));

    let listed = lines(&ask(&["list"]));
    let charge = listed.iter().find(|breaker| breaker["dependency"] == "charge_card").unwrap();
    assert_eq!(charge["state"], "BREAKER_STATE_CLOSED", "{listed:?}");

    let opened = ask(&["open", "charge_card", "--reason", "bank holiday", "--for", "10m"]);
    assert_eq!(opened.status.code(), Some(0), "{}", stderr(&opened));
    let held = &lines(&opened)[0];
    assert_eq!(
        (&held["state"], &held["force"]),
        (&"BREAKER_STATE_OPEN".into(), &"BREAKER_FORCE_OPEN".into())
    );
    assert_eq!(held["force_reason"], "bank holiday");
    assert!(held["forced_until"].as_str() > held["since"].as_str(), "{held}");

    let mut watch = command(&["watch", "--json", "charge_card"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&told.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["force_reason"], "bank holiday");

    let closed = ask(&["close", "charge_card", "--reason", "it is over"]);
    assert_eq!(lines(&closed)[0]["force"], "BREAKER_FORCE_CLOSED");
    assert_eq!(next()["force"], "BREAKER_FORCE_CLOSED");
    let table = stdout(&output(&mut command(&["list", "charge_card"])));
    assert!(table.starts_with("charge_card  HELD CLOSED  20") && table.contains("it is over"), "{table}");

    assert_eq!(ask(&["reset", "charge_card"]).status.code(), Some(0));
    let free = next();
    assert_eq!(
        (&free["state"], &free["force"]),
        (&"BREAKER_STATE_CLOSED".into(), &"BREAKER_FORCE_AUTO".into())
    );
    watch.kill().unwrap();
    watch.wait().unwrap();

    // What can't be done is said, with the number of bad usage.
    for (args, word) in [
        (&["open", "charge_card"][..], "--reason"),
        (&["open", "charge_card", "--reason", "x", "--for", "31d"], "valid_for"),
        (&["open", "charge_cart", "--reason", "x"], "charge_cart"),
    ] {
        let refused = ask(args);
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(word), "{}", stderr(&refused));
    }
    let mut stranger = scene.holdfast();
    stranger.args(["breakers", "open", "charge_card", "--reason", "x", "--server", &server]);
    assert_eq!(output(&mut stranger).status.code(), Some(2));
    let mut nobody = scene.holdfast();
    nobody.args(["breakers", "watch", "--server", "http://127.0.0.1:1"]);
    assert_eq!(output(&mut nobody).status.code(), Some(9));
}
