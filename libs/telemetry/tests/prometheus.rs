//! The Prometheus endpoint over a real socket.
#![allow(clippy::unwrap_used)]

use holdfast_telemetry::{Config, init, prometheus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

async fn request(address: std::net::SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_serves_metrics_and_nothing_else_until_it_is_told_to_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let telemetry = init(&Config { prometheus: Some(address), ..Config::default() }).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = prometheus::serve(listener, telemetry.scrape().unwrap(), async {
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving);

    telemetry.metrics().replay();
    let answer = request(address, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nholdfast_replays_total 1\n"), "{answer}");
    assert!(request(address, "GET /").await.starts_with("HTTP/1.1 404"));
    assert!(request(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));

    let held = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    drop(held);
    telemetry.shutdown().await;
}
