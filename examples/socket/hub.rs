//! The broker: it sends each frame to all who are connected, the sender included, in one order for all.
//!
//! A frame is its length in four bytes, and so many bytes. Whoever has connected gets an empty one: from then on no
//! frame passes by.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest frame: what an event may have, and a header.
const MAX_FRAME: usize = 1024 * 1024 + 64;

/// Reads a frame.
pub(crate) fn read_frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that is too long"));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

/// Writes a frame, of some parts.
pub(crate) fn write_frame(to: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let length = u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // In one piece: a packet for the length alone would be a slow start.
    to.write_all(&[&length.to_be_bytes(), &*parts.concat()].concat())
}

/// A hub with a thread for each connection. Dropped, it cuts them.
pub(crate) struct Hub {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Arc<TcpStream>>>,
    stops: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<TcpStream>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for connection in self.lock().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Takes frames from a connection until it breaks.
    fn serve(&self, connection: &Arc<TcpStream>) {
        while let Ok(frame) = read_frame(&mut &**connection) {
            // Under the lock, so that all get the frames in one order. Who does not take it is gone.
            self.lock().retain(|to| write_frame(&mut &**to, &[&frame]).is_ok());
        }
        let _ = connection.shutdown(Shutdown::Both);
        self.lock().retain(|known| !Arc::ptr_eq(known, connection));
    }
}

impl Hub {
    /// Opens a hub; at port 0, at one that is free.
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let accepted = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for connection in listener.incoming().flatten().map(Arc::new) {
                if accepted.stops.load(Ordering::Acquire) {
                    return;
                }
                // Who does not read for so long is gone.
                let _ = connection.set_write_timeout(Some(Duration::from_secs(5)));
                let shared = Arc::clone(&accepted);
                let mut connections = shared.lock();
                if write_frame(&mut &*connection, &[]).is_ok() {
                    connections.push(Arc::clone(&connection));
                    drop(connections);
                    let _ = connection.set_nodelay(true);
                    std::thread::spawn(move || shared.serve(&connection));
                }
            }
        });
        Ok(Self { address, shared, accepting: Some(accepting) })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many are connected.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().len()
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Release);
        // It waits for a connection: here is one.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
        self.cut();
    }
}
