//! A dependency with a fixed capacity: so many requests at once, each for so long, the others in a line. As real ones do,
//! it serves also those who have hung up meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

/// How many requests it serves at once.
pub(crate) const SERVERS: u32 = 8;

/// How long each takes.
const SERVICE: Duration = Duration::from_millis(40);

/// How many it can serve a second.
pub(crate) const CAPACITY: f64 = 200.0;

/// What is answered.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"ok\":true}";

/// The server; it ends when it is dropped.
pub(crate) struct Dependency {
    address: SocketAddr,
    served: Arc<AtomicU64>,
    _serving: AbortOnDropHandle<()>,
}

impl Dependency {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let served = Arc::new(AtomicU64::new(0));
        let (line, count) = (Arc::new(Semaphore::new(SERVERS as usize)), Arc::clone(&served));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (line, count) = (Arc::clone(&line), Arc::clone(&count));
                tokio::spawn(async move {
                    // Whoever hung up is served all the same, and does not hear of it.
                    drop(serve(stream, &line, &count).await);
                });
            }
        });
        Ok(Self { address, served, _serving: AbortOnDropHandle::new(serving) })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has served.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, line: &Semaphore, served: &AtomicU64) -> Result<()> {
    let (mut request, mut buffer) = (Vec::new(), [0; 2_048]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    let server = line.acquire().await?;
    tokio::time::sleep(SERVICE).await;
    served.fetch_add(1, Ordering::Relaxed);
    drop(server);
    stream.write_all(ANSWER).await?;
    Ok(())
}
