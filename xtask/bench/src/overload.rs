//! A dependency that is asked for twice what it can do: what of it is of use, with and without limits before it.
//!
//! Tasks of one call come at a steady pace. Each has five seconds, each attempt one; an answer after that is work for
//! nothing, and a retry is more of it.

mod dependency;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::platform::Platform;
use crate::stats::rate;
use dependency::{CAPACITY, Dependency, SERVERS};

/// Twice the capacity.
const OFFERED: f64 = 2.0 * CAPACITY;
const ATTEMPT: Duration = Duration::from_secs(1);
const TASK: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 4;

/// What of a dependency's capacity was of use at twice its load, in percent.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Overload {
    /// Clients that time out and try again, as most are written.
    pub(crate) plain: Goodput,
    /// Tasks, without a limit on the tool.
    pub(crate) without_limits: Goodput,
    /// Tasks, with a limit of as many calls at once as the dependency serves, and as many more on their way.
    pub(crate) with_limits: Goodput,
}

/// What came of what was offered.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Goodput {
    /// In time, in percent of the capacity.
    pub(crate) useful: f64,
    /// Requests that the dependency served, in percent of its capacity.
    pub(crate) served: f64,
}

/// Measures each for this long.
pub(crate) async fn measure(binary: &Path, span: Duration) -> Result<Overload> {
    Ok(Overload {
        plain: plain(span).await?,
        without_limits: tasks(binary, None, span).await?,
        with_limits: tasks(binary, Some(2 * SERVERS), span).await?,
    })
}

async fn plain(span: Duration) -> Result<Goodput> {
    let dependency = Dependency::start().await?;
    let address = dependency.address();
    offered(&dependency, span, move || async move {
        timeout(TASK, stubborn(address)).await.is_ok_and(|answered| answered)
    })
    .await
}

/// Asks until it is answered, a few times.
async fn stubborn(address: SocketAddr) -> bool {
    for attempt in 0..ATTEMPTS {
        if timeout(ATTEMPT, ask(address)).await.is_ok_and(|asked| asked.is_ok()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50) * 2_u32.pow(attempt)).await;
    }
    false
}

async fn ask(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        bail!("no answer");
    }
    Ok(())
}

async fn tasks(binary: &Path, limit: Option<u32>, span: Duration) -> Result<Goodput> {
    let dependency = Dependency::start().await?;
    let plan: Arc<str> = crate::plans::asking(dependency.address(), ATTEMPT, TASK).into();
    let platform = Platform::calling(binary, limit, &plan).await?;
    let client = platform.client.clone();
    offered(&dependency, span, move || {
        let (client, plan) = (client.clone(), Arc::clone(&plan));
        async move { succeeds(&client, &plan).await.unwrap_or(false) }
    })
    .await
}

async fn succeeds(client: &Client, plan: &str) -> Result<bool> {
    let task = client.submit(plan).await?;
    Ok(client.ended(&task).await.is_ok())
}

/// Offers work at a steady pace, and counts what succeeds. What begins in the span counts, once it has ended.
async fn offered<F>(dependency: &Dependency, span: Duration, work: impl Fn() -> F) -> Result<Goodput>
where
    F: Future<Output = bool> + Send + 'static,
{
    let useful = Arc::new(AtomicU64::new(0));
    let mut under_way = JoinSet::new();
    let mut pace = tokio::time::interval(Duration::from_secs_f64(OFFERED.recip()));
    let begin = Instant::now();
    while begin.elapsed() < span {
        pace.tick().await;
        let (work, useful) = (work(), Arc::clone(&useful));
        under_way.spawn(async move {
            if work.await {
                useful.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let in_span = (useful.load(Ordering::Relaxed), dependency.served());
    let percent = |count| 100.0 * rate(count, span) / CAPACITY;
    under_way.shutdown().await;
    Ok(Goodput { useful: percent(in_span.0), served: percent(in_span.1) })
}
