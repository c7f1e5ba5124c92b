//! A proxy before a server, which can lose the answer to a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_store::SecretUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections to a server.
pub(crate) struct Proxy {
    url: String,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts one before the server of a URL.
    pub(crate) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = server.split(['@', '/']).nth(3).unwrap().to_owned();
        let url = server.replace(&address, &format!("127.0.0.1:{port}"));
        let armed = Arc::new(AtomicBool::new(false));
        let lose = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&address).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&lose)));
            }
        });
        Self { url, armed }
    }

    /// Where it takes connections.
    pub(crate) fn url(&self) -> SecretUrl {
        SecretUrl::new(&self.url)
    }

    /// The next commit reaches the server, and the connection is cut once the server has answered.
    pub(crate) fn lose_the_next_commits_answer(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, armed: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut cut = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let is_commit = asked[..read].windows(7).any(|part| part == b"COMMIT\0");
                cut |= is_commit && armed.swap(false, Ordering::SeqCst);
                if server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if cut || client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
