//! Why an exporter was not started.

use std::io;

/// Why a [`DatadogExporter`](super::DatadogExporter) was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatadogError {
    /// The interval is zero.
    #[error("the interval must be longer than zero")]
    ZeroInterval,
    /// The address is none, or its host is not known.
    #[error("cannot send to \"{address}\" (`host:port`, or `unix://` and a path)")]
    InvalidAddress {
        /// The address.
        address: String,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// The prefix cannot begin the name of a metric.
    #[error(
        "\"{prefix}\" cannot begin the name of a metric: letters, digits, `_`, `-`, and `.` between them"
    )]
    InvalidPrefix {
        /// The prefix.
        prefix: String,
    },
    /// A base tag is empty, has a character in it that ends a tag, or is one of the exporter's own.
    #[error(
        "\"{tag}\" cannot be a tag of all metrics: without `,`, `|` and control characters, and not `engine` or `reason`"
    )]
    InvalidTag {
        /// The tag.
        tag: String,
    },
    /// The system refused the socket.
    #[error("there is no socket for the exporter")]
    Socket(#[source] io::Error),
    /// The system refused the thread.
    #[error("there is no thread for the exporter")]
    Thread(#[source] io::Error),
}
