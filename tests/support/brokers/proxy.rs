//! A proxy on loopback that does to the bytes of its connections what networks do. The faults have toxiproxy's names.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::random::Rng;

/// How soon a connection sees that something has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What is done to the bytes that go one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toxic {
    /// They come later, by this and up to so much more.
    Latency(Duration, Duration),
    /// So many bytes a second.
    Bandwidth(u64),
    /// In pieces of so many bytes.
    Slicer(usize),
    /// They wait until the fault is taken away.
    Stall,
    /// They are swallowed: whoever waits for them waits for ever.
    Timeout,
    /// After so many bytes of a connection it ends, with a FIN.
    LimitData(u64),
    /// After so many bytes of a connection it ends, with a RST.
    ResetPeer(u64),
}

/// A proxy before a server. Its connections end with it.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepts: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    seed: u64,
    toxics: Mutex<[Option<Toxic>; 2]>,
    /// All connections, to cut them.
    open: Mutex<Vec<Arc<Connection>>>,
    passed: [AtomicU64; 2],
    accepted: AtomicUsize,
    /// New connections are refused.
    refuses: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    /// Before that server. What is left to chance is drawn from the seed.
    pub(crate) fn new(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            server,
            seed,
            toxics: Mutex::default(),
            open: Mutex::default(),
            passed: Default::default(),
            accepted: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let accepts = Some(thread::spawn(move || accept(&listener, &accepting)));
        Self { shared, address, accepts }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault of one way, for the connections that are open and those that come.
    pub(crate) fn set(&self, way: Way, toxic: impl Into<Option<Toxic>>) {
        self.shared.toxics.lock().expect("lock")[way as usize] = toxic.into();
    }

    /// Ends all connections: with a FIN, or with a RST if `reset`. Returns how many.
    pub(crate) fn cut(&self, reset: bool) -> usize {
        let open = std::mem::take(&mut *self.shared.open.lock().expect("lock"));
        let open = open.iter().filter(|one| !one.ended.load(Ordering::Acquire));
        open.map(|one| one.end(reset)).count()
    }

    /// Lets no new connection in, or does again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Release);
    }

    /// How many bytes have gone that way.
    pub(crate) fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Ordering::Acquire)
    }

    /// How many connections were let in so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        let _ = self.accepts.take().map(JoinHandle::join);
        self.cut(false);
    }
}

/// A client's connection, and the one to the server for it. Each is one descriptor: a RST is sent by its close.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    ended: AtomicBool,
}

impl Connection {
    /// Ends both: with a FIN at once, or with a RST as soon as those who copy have let go of it.
    fn end(&self, reset: bool) {
        if self.ended.swap(true, Ordering::AcqRel) {
            // A FIN after all would come before the RST.
            return;
        }
        for stream in [&self.client, &self.server] {
            if reset {
                // With nothing to linger for, a close is a RST.
                let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
            } else {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Shared {
    /// Lets go of the connections that have ended: their close is to come from those who copied.
    fn forget_ended(&self) {
        self.open.lock().expect("lock").retain(|one| !one.ended.load(Ordering::Acquire));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::Acquire) {
            return;
        }
        let Ok(client) = client else { continue };
        let server = if shared.refuses.load(Ordering::Acquire) {
            None
        } else {
            TcpStream::connect(shared.server).ok()
        };
        let Some(server) = server else {
            let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
            continue;
        };
        let number = shared.accepted.fetch_add(1, Ordering::AcqRel) as u64;
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket");
            stream.set_read_timeout(Some(LOOK_AGAIN)).expect("a socket");
            stream.set_write_timeout(Some(LOOK_AGAIN)).expect("a socket");
        }
        let connection = Arc::new(Connection { client, server, ended: AtomicBool::new(false) });
        shared.open.lock().expect("lock").push(Arc::clone(&connection));
        for way in [Way::Up, Way::Down] {
            let (connection, shared) = (Arc::clone(&connection), Arc::clone(shared));
            let rng = Rng::new(shared.seed ^ (number << 1 | way as u64));
            thread::spawn(move || Pump { way, connection, shared, rng, passed: 0 }.run());
        }
    }
}

/// One way of a connection.
struct Pump {
    way: Way,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    rng: Rng,
    /// Bytes of this connection so far.
    passed: u64,
}

/// Says whether it is merely time to look again.
fn waits(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// What is to become of a connection.
enum Then {
    GoesOn,
    Ends { reset: bool },
}

impl Pump {
    fn run(mut self) {
        let mut bytes = [0; 16 * 1024];
        loop {
            let then = match self.ends().0.read(&mut bytes) {
                _ if self.is_over() => return,
                Ok(0) => Then::Ends { reset: false },
                Ok(count) => self.pass(&bytes[..count]),
                Err(error) if waits(&error) => Then::GoesOn,
                Err(_) => Then::Ends { reset: false },
            };
            if let Then::Ends { reset } = then {
                self.connection.end(reset);
                return self.shared.forget_ended();
            }
        }
    }

    /// Where bytes come from, and where they go to.
    fn ends(&self) -> (&TcpStream, &TcpStream) {
        let Connection { client, server, .. } = &*self.connection;
        match self.way {
            Way::Up => (client, server),
            Way::Down => (server, client),
        }
    }

    fn is_over(&self) -> bool {
        self.connection.ended.load(Ordering::Acquire) || self.shared.ended.load(Ordering::Acquire)
    }

    fn toxic(&self) -> Option<Toxic> {
        self.shared.toxics.lock().expect("lock")[self.way as usize]
    }

    fn pass(&mut self, bytes: &[u8]) -> Then {
        match self.toxic() {
            None => self.write(bytes),
            Some(Toxic::Timeout) => Then::GoesOn,
            Some(Toxic::Latency(least, jitter)) => {
                let jitter = usize::try_from(jitter.as_micros()).expect("short");
                thread::sleep(least + Duration::from_micros(self.rng.below(jitter + 1) as u64));
                self.write(bytes)
            }
            Some(Toxic::Stall) => {
                while self.toxic() == Some(Toxic::Stall) && !self.is_over() {
                    thread::sleep(LOOK_AGAIN);
                }
                self.write(bytes)
            }
            Some(Toxic::Slicer(size)) => self.write_pieces(bytes, size, |_| Duration::ZERO),
            Some(Toxic::Bandwidth(a_second)) => {
                // Ten pieces a second.
                let size = usize::try_from(a_second / 10).unwrap_or(usize::MAX).max(1);
                let takes =
                    |piece: &[u8]| Duration::from_secs(1).mul_f64(piece.len() as f64 / a_second as f64);
                self.write_pieces(bytes, size, takes)
            }
            Some(Toxic::LimitData(most)) => self.write_up_to(bytes, most, false),
            Some(Toxic::ResetPeer(most)) => self.write_up_to(bytes, most, true),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Then {
        let mut left = bytes;
        while !left.is_empty() {
            match self.ends().1.write(left) {
                _ if self.is_over() => return Then::Ends { reset: false },
                Ok(count) => left = &left[count..],
                Err(error) if waits(&error) => {}
                Err(_) => return Then::Ends { reset: false },
            }
        }
        self.passed += bytes.len() as u64;
        self.shared.passed[self.way as usize].fetch_add(bytes.len() as u64, Ordering::AcqRel);
        Then::GoesOn
    }

    fn write_pieces(&mut self, bytes: &[u8], size: usize, takes: impl Fn(&[u8]) -> Duration) -> Then {
        for piece in bytes.chunks(size.max(1)) {
            thread::sleep(takes(piece));
            if let Then::Ends { reset } = self.write(piece) {
                return Then::Ends { reset };
            }
        }
        Then::GoesOn
    }

    fn write_up_to(&mut self, bytes: &[u8], most: u64, reset: bool) -> Then {
        let left = usize::try_from(most.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        if bytes.len() < left {
            return self.write(bytes);
        }
        self.write(&bytes[..left.min(bytes.len())]);
        Then::Ends { reset }
    }
}
