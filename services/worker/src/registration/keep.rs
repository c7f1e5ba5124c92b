//! A registration over the life of a worker, and of a directory that comes and goes.

use std::time::Duration;

use holdfast_runtime::Entropy;
use holdfast_types::Failure;
use holdfast_types::worker::WorkerInfo;
use tokio::time::{Instant, sleep, timeout};

use super::{Forgotten, Registrar, Standing};

/// The wait between two tries grows with the time that the worker is out, from the first to the second.
const WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Which part of the time that it is out already a worker waits until its next try: this bounds by how much longer than
/// the directory's absence its own is.
const PART: u32 = 8;

/// A registration that holds so long ends the time that a worker is out; one that is lost sooner does not, so that a
/// directory which takes and forgets a worker again and again is not asked without a pause.
const HOLDS: Duration = WAITS.1;

/// How long the answer to a goodbye is waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// Keeps a worker registered until the future is dropped.
pub(crate) async fn keep(registrar: &dyn Registrar, info: &WorkerInfo, entropy: &dyn Entropy) {
    let mut out_since = Instant::now();
    // Told once, and again when it is another one.
    let mut told: Option<Failure> = None;
    loop {
        let lost = match enter(registrar, info).await {
            Ok(entered) => {
                tracing::info!(worker_id = %info.id, address = info.address, "registered");
                let at = Instant::now();
                let lost = stay(registrar, info, entered).await;
                if at.elapsed() >= HOLDS {
                    (out_since, told) = (Instant::now(), None);
                }
                lost
            }
            Err(failure) => Lost::Failed(failure),
        };
        match lost {
            Lost::Forgotten => {
                tracing::info!(worker_id = %info.id, "the directory is gone, or forgot this worker")
            }
            Lost::Failed(failure) if told.as_ref() != Some(&failure) => {
                tracing::warn!(worker_id = %info.id, %failure, "registration failed, trying again");
                told = Some(failure);
            }
            Lost::Failed(failure) => {
                tracing::debug!(worker_id = %info.id, %failure, "registration failed again")
            }
        }
        sleep(pause(out_since.elapsed(), entropy)).await;
    }
}

/// A registration that was taken.
struct Entered {
    renew_after: Duration,
    forgotten: Forgotten,
}

/// How a registration was lost.
enum Lost {
    Forgotten,
    Failed(Failure),
}

/// Watches first and registers then: a directory that starts anew between the two is noticed.
async fn enter(registrar: &dyn Registrar, info: &WorkerInfo) -> Result<Entered, Failure> {
    let forgotten = registrar.watch(info.id).await?;
    let renew_after = registrar.register(info, Standing::Open).await?;
    Ok(Entered { renew_after, forgotten })
}

/// Renews a registration until it is lost.
async fn stay(registrar: &dyn Registrar, info: &WorkerInfo, entered: Entered) -> Lost {
    let Entered { mut renew_after, mut forgotten } = entered;
    let renewing = async {
        loop {
            sleep(renew_after).await;
            match registrar.register(info, Standing::Open).await {
                Ok(again) => renew_after = again,
                Err(failure) => return Lost::Failed(failure),
            }
        }
    };
    tokio::select! {
        () = &mut forgotten => Lost::Forgotten,
        lost = renewing => lost,
    }
}

/// How long to wait for the next try, of a worker that is out for so long; between half of it and all of it, so that many
/// workers don't come at the same moment.
fn pause(out: Duration, entropy: &dyn Entropy) -> Duration {
    (out / PART).clamp(WAITS.0, WAITS.1).mul_f64(0.5 + entropy.unit() / 2.0)
}

/// Tells the directory that the worker takes no new calls. A goodbye that does not arrive is no harm: the directory
/// finds out at its next check.
pub(crate) async fn say_goodbye(registrar: &dyn Registrar, info: &WorkerInfo) {
    match timeout(GOODBYE, registrar.register(info, Standing::Draining)).await {
        Ok(Ok(_)) => {}
        Ok(Err(failure)) => tracing::debug!(worker_id = %info.id, %failure, "the goodbye was not taken"),
        Err(_) => tracing::debug!(worker_id = %info.id, "the goodbye was not answered"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use holdfast_types::{Class, Effect, Reason, WorkerId};

    use super::*;

    /// A directory that is away for a time, then takes registrations and forgets each after another time.
    struct Directory {
        from: Instant,
        forgets_after: Duration,
        asked: Mutex<Vec<Instant>>,
    }

    impl Directory {
        fn new(away: Duration, forgets_after: Duration) -> Self {
            Self { from: Instant::now() + away, forgets_after, asked: Mutex::default() }
        }

        /// Keeps a worker registered for a time, and returns when it asked, in milliseconds from now.
        async fn serve(&self, span: Duration) -> Vec<u128> {
            let info = WorkerInfo {
                id: WorkerId::new(1, [1; 10]),
                address: "a:1".into(),
                slots: 1,
                tools: Vec::new(),
            };
            let began = Instant::now();
            let _ = timeout(span, keep(self, &info, &Latest)).await;
            self.asked.lock().unwrap().iter().map(|at| (*at - began).as_millis()).collect()
        }
    }

    /// The largest numbers: no wait is shortened.
    #[derive(Debug)]
    struct Latest;

    impl Entropy for Latest {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }

    #[async_trait]
    impl Registrar for Directory {
        async fn watch(&self, _: WorkerId) -> Result<Forgotten, Failure> {
            Ok(Box::pin(sleep(self.forgets_after)))
        }

        async fn register(&self, _: &WorkerInfo, _: Standing) -> Result<Duration, Failure> {
            let now = Instant::now();
            self.asked.lock().unwrap().push(now);
            if now < self.from {
                let (class, reason) = (Class::Transient, Reason::ConnectFailed);
                return Err(Failure::new(class, Effect::NotExecuted, reason, "down"));
            }
            Ok(Duration::from_secs(5))
        }
    }

    const NEVER: Duration = Duration::from_secs(1_000_000);

    #[tokio::test(start_paused = true)]
    async fn a_worker_registers_until_it_is_taken_and_renews_in_time() {
        let directory = Directory::new(Duration::from_millis(25), NEVER);
        assert_eq!(directory.serve(Duration::from_secs(11)).await, [0, 10, 20, 30, 5_030, 10_030]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_is_back_is_found_within_a_part_of_its_absence_without_busy_tries() {
        for away in [100, 300, 1_000, 4_000, 60_000] {
            let directory = Directory::new(Duration::from_millis(away), NEVER);
            let at = directory.serve(Duration::from_millis(away + 1_100)).await;
            let (taken, late) = (at[at.len() - 1] - u128::from(away), u128::from(away / 8).clamp(12, 1_001));
            assert!(taken <= late, "away for {away} ms, taken {taken} ms after its return");
            assert!(at.len() as u64 <= 50 + away / 1_000, "{} tries in {away} ms", at.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_was_forgotten_registers_at_once() {
        let directory = Directory::new(Duration::ZERO, Duration::from_millis(3_000));
        assert_eq!(directory.serve(Duration::from_secs(7)).await, [0, 3_010, 6_020]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_always_forgets_is_asked_more_and_more_seldom() {
        let directory = Directory::new(Duration::ZERO, Duration::ZERO);
        let at = directory.serve(Duration::from_secs(60)).await;
        assert!(at.len() < 110, "{} registrations in a minute", at.len());
    }
}
