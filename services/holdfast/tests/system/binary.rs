//! The binary under test.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Generous: a slow machine is no failure, a hang is.
pub const GUARD: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn path() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_holdfast"))
}

/// The binary, in a folder, without the environment's own settings.
pub fn holdfast(folder: &Path) -> Command {
    holdfast_testkit::holdfast(path(), folder)
}

/// Runs a command to its end.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// What a finished command wrote to stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a finished command wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The objects that a command wrote, one a line.
pub fn lines(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What Prometheus reads at an address.
pub fn metrics_at(address: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
