//! A connection survives any number of calls that are dropped at their end.
//!
//! A stream that is dropped after its last message is reset, and its trailers may be on the way already. The HTTP/2
//! library counts such frames over a connection's whole life and ends it after a thousand, unless it is told not to.
//! The server here is written by hand, so that the trailers always come after the reset.

use crate::common::a_call;
use futures::StreamExt;
use holdfast_ports::Tools;
use holdfast_proto::v1;
use holdfast_rpc::client::{Channel, Config};
use holdfast_rpc::clients::RemoteTools;
use holdfast_types::Payload;
use holdfast_types::worker::{ExecuteEvent, Success};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// More than the streams that are remembered after a reset and the library's default limit together.
const CALLS: usize = 2_300;

fn finished() -> ExecuteEvent {
    ExecuteEvent::Finished(Ok(Success { result: Payload::null(), replayed_downstream: false }))
}

async fn write(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(body);
    stream.write_all(&frame).await.unwrap();
}

/// One header field as HPACK has it: a literal with a new name, not indexed.
fn field(name: &str, value: &str) -> Vec<u8> {
    let sized = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], sized(name), sized(value)].concat()
}

/// Answers each request with its message, and with the trailers once the request was reset.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.read_exact(&mut [0; 24]).await?;
    write(&mut stream, SETTINGS, 0, 0, &[]).await;
    let message = v1::ExecuteResponse::from(finished()).encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let data = [&[0][..], &length, &message].concat();
    let status_200 = 0x88;
    let headers = [vec![status_200], field("content-type", "application/grpc")].concat();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut body = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut body).await?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & ACK) {
            (HEADERS, _) => {
                write(&mut stream, HEADERS, END_HEADERS, id, &headers).await;
                write(&mut stream, DATA, 0, id, &data).await;
            }
            (RST_STREAM, _) => {
                let trailers = field("grpc-status", "0");
                write(&mut stream, HEADERS, END_HEADERS | END_STREAM, id, &trailers).await;
            }
            (SETTINGS, 0) => write(&mut stream, SETTINGS, ACK, 0, &[]).await,
            (PING, 0) => write(&mut stream, PING, ACK, 0, &body).await,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_connection_survives_the_late_trailers_of_many_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // One connection only: a second one would not be served.
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    let tools = RemoteTools::new(Channel::new(&address.to_string(), Config::default()));
    // Held together and dropped together.
    let mut streams = Vec::new();
    for _ in 0..CALLS {
        let mut stream = tools.execute(a_call()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), finished());
        streams.push(stream);
    }
    drop(streams);
    for _ in 0..CALLS {
        // Behind these the late trailers of all of the above have come.
        drop(tools.execute(a_call()).await.unwrap());
    }
    let mut last = tools.execute(a_call()).await.unwrap();
    assert_eq!(last.next().await.unwrap().unwrap(), finished());
    server.abort();
}
