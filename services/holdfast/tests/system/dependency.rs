//! A dependency of the tests: an HTTP server that answers as it is told to, and counts who asks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use holdfast_runtime::{BootInstant, Clock, SystemClock};

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200, with JSON.
    Well,
    /// This status.
    Status(u16),
    /// 429, with `Retry-After` in seconds.
    TooMany { retry_after: u64 },
    /// 503 for three requests in ten, else as [`Answer::Well`].
    Flaky,
    /// What is no HTTP.
    Garbage,
    /// Nothing; the connection stays open.
    Nothing,
    /// As [`Answer::Well`], after this time.
    Slowly(Duration),
}

/// The server. It ends when it is dropped.
pub struct Dependency {
    address: SocketAddr,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

struct State {
    answer: Mutex<Answer>,
    asked: Mutex<Vec<BootInstant>>,
    /// How many of those who were not answered have hung up.
    hung_up: AtomicUsize,
    ended: AtomicBool,
}

impl Dependency {
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer: Mutex::new(answer),
            asked: Mutex::default(),
            hung_up: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let listening = Some(state.listen(listener));
        Self { address, state, listening }
    }

    /// Is dead: whoever comes is refused by the system.
    pub fn die(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap();
        }
    }

    /// Is back where it was.
    pub fn come_back(&mut self) {
        self.state.ended.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).unwrap();
        self.listening = Some(self.state.listen(listener));
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answer: Answer) {
        *self.state.answer.lock().unwrap() = answer;
    }

    /// When it was asked, since the first time.
    pub fn asked(&self) -> Vec<Duration> {
        let asked = self.state.asked.lock().unwrap();
        asked.iter().map(|at| at.since(asked[0])).collect()
    }

    /// Forgets who has asked.
    pub fn forget(&self) {
        self.state.asked.lock().unwrap().clear();
    }

    /// How many of those who were not answered have hung up.
    pub fn hung_up(&self) -> usize {
        self.state.hung_up.load(Ordering::SeqCst)
    }
}

impl Drop for Dependency {
    fn drop(&mut self) {
        self.die();
    }
}

impl State {
    fn listen(self: &Arc<Self>, listener: TcpListener) -> JoinHandle<()> {
        let serving = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&serving);
                // Whoever hangs up ends his thread.
                std::thread::spawn(move || drop(state.serve(stream)));
            }
        })
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                read => request.extend_from_slice(&buffer[..read]),
            }
        }
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(SystemClock.boot());
            asked.len()
        };
        let well = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"ok\":true}";
        let failed = |status: u16, more: &str| {
            format!("HTTP/1.1 {status} Status\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n")
        };
        let answer = *self.answer.lock().unwrap();
        let text = match answer {
            Answer::Well => well.to_owned(),
            Answer::Status(status) => failed(status, ""),
            Answer::TooMany { retry_after } => failed(429, &format!("retry-after: {retry_after}\r\n")),
            Answer::Flaky if matches!(number % 10, 0 | 3 | 7) => failed(503, ""),
            Answer::Flaky => well.to_owned(),
            Answer::Garbage => "no HTTP at all\r\n\r\n".to_owned(),
            Answer::Slowly(by) => {
                #[allow(clippy::disallowed_methods)]
                // it has a thread of its own, and real time is what is slow
                std::thread::sleep(by);
                well.to_owned()
            }
            Answer::Nothing => {
                // Until the other side goes.
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
                self.hung_up.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
        };
        stream.write_all(text.as_bytes())
    }
}
