//! As much of Redis's protocol as a test needs to look into a server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::RedisError;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a command, and returns its answer as text.
pub(super) fn ask(port: u16, command: &[&str]) -> Result<String, RedisError> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut packed = format!("*{}\r\n", command.len());
    for part in command {
        packed.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    stream.write_all(packed.as_bytes())?;
    answer(&mut BufReader::new(stream))
}

fn answer(from: &mut impl BufRead) -> Result<String, RedisError> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    };
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "-" => Err(RedisError::Refused(rest.to_owned())),
        "$" => bulk(from, rest),
        "*" => {
            let items: Result<Vec<_>, _> = (0..count(rest)?.unwrap_or(0)).map(|_| answer(from)).collect();
            Ok(items?.join("\n"))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no answer of Redis").into()),
    }
}

/// A text; what is missing is empty.
fn bulk(from: &mut impl BufRead, size: &str) -> Result<String, RedisError> {
    let Some(size) = count(size)? else { return Ok(String::new()) };
    let mut content = vec![0; size + 2];
    from.read_exact(&mut content)?;
    content.truncate(size);
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// A size; none where it is negative, which means that there is nothing.
fn count(text: &str) -> Result<Option<usize>, io::Error> {
    let number: i64 = text.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(usize::try_from(number).ok())
}
