//! Events at the edge of a broker: [CloudEvents](https://cloudevents.io) 1.0, in structured and in binary mode.
//!
//! An [`Envelope`] is an event with its payload in bytes, a `Codec` writes and reads it. Whatever an envelope
//! holds comes back as it was, in either mode, but for a time to live of less than a millisecond.
//!
//! | envelope | attribute | |
//! |---|---|---|
//! | topic | `type` | what is no [`Topic`](crate::Topic) is refused |
//! | id | `id` | an id from elsewhere that is no UUID leads to one that is always the same, and is kept as it was written |
//! | time | `time` | RFC 3339; the time of reading where there is none |
//! | payload | `data`, `data_base64`, `datacontenttype` | JSON stands in a structured message as it is |
//! | metadata `source` | `source` | the codec's where there is none, which is no metadata when it is read |
//! | metadata `subject`, `dataschema` | the same | |
//! | other metadata | an extension of the same name | if the name is of lower-case letters and digits and means nothing else |
//! | metadata that is left, and the order of names | `tbmeta` | a JSON object in a text, only where it is needed |
//! | key | `partitionkey` | `tbkey`, a JSON text, for a key that is empty or holds control characters |
//! | tenant | `tenant` | |
//! | time to live | `ttlms` | milliseconds, rounded up; a text from 2<sup>31</sup> on |
//!
//! Metadata that others wrote is in the order of its names. Booleans and integers become text.
//!
//! A message is never trusted: each of its parts is measured before it is parsed, a parser that recurses sees
//! nothing that is nested too deep, and no error repeats a value.
//!
//! | file | what lives there |
//! |---|---|
//! | `envelope.rs` | [`Envelope`] |
//! | `payload.rs`, `content_type.rs` | [`Encoded`] bytes, and what they are |
//! | `codec.rs` | `Codec` and its `Limits` |
//! | `attributes.rs` | the attributes, which both modes share |
//! | `extensions.rs` | metadata as attributes |
//! | `identity.rs` | ids for events from elsewhere |
//! | `structured.rs` | one JSON object |
//! | `original.rs` | the JSON of the bus that this one follows, version 1 |
//! | `binary.rs`, `percent.rs` | headers and a body |
//! | `json.rs`, `time.rs` | depth, members and texts; RFC 3339 |

#[cfg(feature = "cloudevents")]
mod attributes;
#[cfg(feature = "cloudevents")]
mod binary;
#[cfg(feature = "cloudevents")]
mod codec;
mod content_type;
mod depth;
#[expect(clippy::module_inception, reason = "the file is named after its type")]
mod envelope;
mod error;
#[cfg(feature = "cloudevents")]
mod extensions;
#[cfg(feature = "cloudevents")]
mod identity;
#[cfg(feature = "cloudevents")]
mod json;
#[cfg(feature = "cloudevents")]
mod original;
mod payload;
#[cfg(feature = "cloudevents")]
mod percent;
#[cfg(feature = "cloudevents")]
mod structured;
#[cfg(feature = "cloudevents")]
mod time;

#[cfg(all(test, feature = "cloudevents", not(loom)))]
mod tests;

#[cfg(feature = "cloudevents")]
pub use binary::{Binding, Headers};
#[cfg(feature = "cloudevents")]
pub use codec::{Codec, Limits, SourceError};
pub use content_type::{ContentType, ContentTypeError, MediaType};
pub use envelope::Envelope;
pub use error::{AttributeProblem, DecodeError, EncodeError};
pub use payload::Encoded;
