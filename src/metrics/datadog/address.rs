//! Where an exporter sends to, and the client that does.

use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::time::Duration;

use cadence::{StatsdClient, StatsdClientBuilder, UdpMetricSink};

use super::error::DatadogError;

/// How long one line may wait for a socket that takes nothing.
const LONGEST_SEND: Duration = Duration::from_millis(100);

/// Makes a client that sends each line as a datagram, so that it is known of each whether it was sent.
///
/// # Errors
///
/// [`DatadogError`] if the address is none, its host is not known, or there is no socket.
///
/// # Blocking
///
/// While the name of a host is looked up.
pub(super) fn client(address: &str, prefix: &str, tags: &[String]) -> Result<StatsdClient, DatadogError> {
    if let Some(path) = address.strip_prefix("unix://").or_else(|| address.strip_prefix("unixgram://")) {
        return unix(address, path, prefix, tags);
    }
    let wrong = |source| DatadogError::InvalidAddress { address: address.to_owned(), source };
    let host = address.strip_prefix("udp://").unwrap_or(address);
    let found = host.to_socket_addrs().map_err(wrong)?.next();
    let found =
        found.ok_or_else(|| wrong(io::Error::new(io::ErrorKind::NotFound, "the host has no address")))?;
    if found.port() == 0 {
        return Err(wrong(io::Error::new(io::ErrorKind::InvalidInput, "nobody receives at port 0")));
    }
    let any = if found.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).map_err(DatadogError::Socket)?;
    socket.set_write_timeout(Some(LONGEST_SEND)).map_err(DatadogError::Socket)?;
    let sink = UdpMetricSink::from(found, socket).map_err(|error| wrong(io::Error::other(error)))?;
    Ok(finish(StatsdClient::builder(prefix, sink), tags))
}

/// A client for a Unix socket, which need not be there yet.
#[cfg(unix)]
fn unix(address: &str, path: &str, prefix: &str, tags: &[String]) -> Result<StatsdClient, DatadogError> {
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let wrong = |source| DatadogError::InvalidAddress { address: address.to_owned(), source };
    if path.is_empty() {
        return Err(wrong(io::Error::new(io::ErrorKind::InvalidInput, "the path is empty")));
    }
    SocketAddr::from_pathname(path).map_err(wrong)?;
    let socket = UnixDatagram::unbound().map_err(DatadogError::Socket)?;
    socket.set_write_timeout(Some(LONGEST_SEND)).map_err(DatadogError::Socket)?;
    Ok(finish(StatsdClient::builder(prefix, cadence::UnixMetricSink::from(path, socket)), tags))
}

/// There are no such sockets.
#[cfg(not(unix))]
fn unix(address: &str, _: &str, _: &str, _: &[String]) -> Result<StatsdClient, DatadogError> {
    let source = io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets");
    Err(DatadogError::InvalidAddress { address: address.to_owned(), source })
}

/// Gives the client its base tags, this once: a line adds its own to a copy.
fn finish(mut builder: StatsdClientBuilder, tags: &[String]) -> StatsdClient {
    for tag in tags {
        builder = match tag.split_once(':') {
            Some((key, value)) => builder.with_tag(key, value),
            None => builder.with_tag_value(tag),
        };
    }
    builder.build()
}

/// A client for tests, with any sink.
#[cfg(all(test, not(loom)))]
pub(super) fn client_to<S>(sink: S, tags: &[String]) -> StatsdClient
where
    S: cadence::MetricSink + Sync + Send + std::panic::RefUnwindSafe + 'static,
{
    finish(StatsdClient::builder("eventbus", sink), tags)
}
