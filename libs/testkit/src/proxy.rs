//! A wire between two processes that a test can cut and mend: nothing passes, and no end hears that.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// Everything passes.
    Whole,
    /// Nothing does: no byte, no new connection, and no end of one. Connections stay open.
    Cut,
    /// The proxy is gone.
    Gone,
}

#[derive(Debug)]
struct Shared {
    // A std mutex with its condition: held for a look, never across a read or a write.
    wire: Mutex<Wire>,
    changed: Condvar,
}

impl Shared {
    fn set(&self, wire: Wire) {
        *self.state() = wire;
        self.changed.notify_all();
    }

    /// Waits while the wire is cut; says whether it is whole then.
    fn passes(&self) -> bool {
        let mut state = self.state();
        while *state == Wire::Cut {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        *state == Wire::Whole
    }

    fn state(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards TCP connections to a server. When it is dropped it takes no more, and those that it has end with their next
/// byte.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts one before a server, on a free port.
    ///
    /// # Errors
    /// Those of the system, where it has no port.
    pub fn start(server: impl Into<String>) -> std::io::Result<Self> {
        let server = server.into();
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { wire: Mutex::new(Wire::Whole), changed: Condvar::new() });
        let wire = Arc::clone(&shared);
        thread::spawn(move || {
            // One that connects while the wire is cut waits in the listener's queue, as before a wall of silence.
            for client in listener.incoming() {
                if !wire.passes() {
                    return;
                }
                if let Ok(client) = client {
                    let (server, wire) = (server.clone(), Arc::clone(&wire));
                    thread::spawn(move || forward(&client, &server, &wire));
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it takes connections.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the wire: what is on its way stays there, and nobody is told.
    pub fn cut(&self) {
        self.shared.set(Wire::Cut);
    }

    /// Mends it: what stayed on its way arrives.
    pub fn mend(&self) {
        self.shared.set(Wire::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.set(Wire::Gone);
        // The listener wakes up by a connection, and sees that nobody wants it any more.
        let _ = TcpStream::connect(self.address);
    }
}

/// Forwards both ways until an end is closed, or the proxy is gone.
fn forward(client: &TcpStream, server: &str, wire: &Arc<Shared>) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    thread::scope(|scope| {
        scope.spawn(|| pump(client, &server, wire));
        pump(&server, client, wire);
    });
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, wire: &Shared) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer);
        // Also before an end is passed on.
        let passes = wire.passes();
        match read {
            Ok(read @ 1..) if passes && to.write_all(&buffer[..read]).is_ok() => {}
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_sent_over_a_cut_wire_arrives_when_it_is_mended() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().to_string()).unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let (mut served, _) = server.accept().unwrap();
        let mut byte = [0];
        client.write_all(b"a").unwrap();
        served.read_exact(&mut byte).unwrap();
        proxy.cut();
        client.write_all(b"b").unwrap();
        served.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(served.read_exact(&mut byte).is_err(), "nothing passes");
        proxy.mend();
        served.set_read_timeout(None).unwrap();
        served.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"b");
        served.write_all(b"c").unwrap();
        client.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"c");
    }

    #[test]
    fn its_connections_end_with_the_server_s() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().to_string()).unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        drop(server.accept().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}
