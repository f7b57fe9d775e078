//! Why an envelope was not written, or not read.
//!
//! No message holds a value: values may be secrets, and messages end in logs.

use thiserror::Error;

use crate::event::MetadataError;
use crate::tenant::TenantError;
use crate::topic::TopicError;

/// An envelope could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The message is larger than `Limits::max_bytes`.
    #[error("a message of {size} bytes is too large, {limit} are allowed")]
    TooLarge {
        /// The message's size, or a part of it that is too large alone.
        size: usize,
        /// The largest message.
        limit: usize,
    },
    /// The headers are larger than `Limits::max_header_bytes`.
    #[error("headers of {size} bytes are too large, {limit} are allowed")]
    HeadersTooLarge {
        /// The size of all names and values.
        size: usize,
        /// The largest headers.
        limit: usize,
    },
    /// There are more attributes than `Limits::max_attributes`.
    #[error("{count} attributes are too many, {limit} are allowed")]
    TooManyAttributes {
        /// How many there are.
        count: usize,
        /// The most attributes.
        limit: usize,
    },
    /// The payload is JSON that is nested deeper than `Limits::max_depth`.
    #[error("the payload is nested more than {limit} deep")]
    TooDeep {
        /// The deepest nesting.
        limit: usize,
    },
    /// The event's time is not in the years 0 to 9999, which are all that RFC 3339 can tell.
    #[error("the event's time is outside of the years 0 to 9999")]
    Time,
    /// The payload is a value, and the crate was built without the feature `json`.
    #[error("values do not travel: the crate was built without the feature `json`")]
    NoJson,
    /// The payload's own code panicked when it was serialised.
    #[error("the payload panicked when it was serialised")]
    Panicked,
    /// The payload's own code refused to be serialised, or it is something that JSON cannot hold.
    #[error("the payload could not be turned into JSON")]
    Serialize,
}

/// A message is no envelope, or an envelope's payload is not what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message is larger than `Limits::max_bytes`.
    #[error("a message of {size} bytes is too large, {limit} are allowed")]
    TooLarge {
        /// The message's size.
        size: usize,
        /// The largest message.
        limit: usize,
    },
    /// The headers are larger than `Limits::max_header_bytes`.
    #[error("headers of more than {limit} bytes are too large")]
    HeadersTooLarge {
        /// The largest headers.
        limit: usize,
    },
    /// The message is not UTF-8.
    #[error("the message is not UTF-8 from byte {position}")]
    NotUtf8 {
        /// Where the first byte stands that is none.
        position: usize,
    },
    /// The JSON of the payload, or the message around it, is nested deeper than
    /// `Limits::max_depth`.
    #[error("nested more than {limit} deep")]
    TooDeep {
        /// The deepest nesting of a payload.
        limit: usize,
    },
    /// The message is not JSON, or something follows it.
    #[error("the message is not JSON at line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// The message is JSON, but not an object.
    #[error("the message is not a JSON object")]
    NotAnObject,
    /// There are more attributes than `Limits::max_attributes`.
    #[error("more than {limit} attributes")]
    TooManyAttributes {
        /// The most attributes.
        limit: usize,
    },
    /// An attribute is there twice.
    #[error("the attribute {name:?} is there twice")]
    DuplicateAttribute {
        /// The attribute's name, the beginning of a long one.
        name: Box<str>,
    },
    /// The message names no version of CloudEvents, and is no event of the original bus either.
    #[error("no specversion")]
    NoSpecVersion,
    /// The message is of another version of CloudEvents than "1.0".
    #[error("the specversion is not \"1.0\"")]
    SpecVersion,
    /// An attribute is missing without which there is no event.
    #[error("the attribute {name:?} is missing")]
    MissingAttribute {
        /// The attribute's name.
        name: &'static str,
    },
    /// An attribute has a value that it cannot have.
    #[error("the attribute {name:?} {problem}")]
    InvalidAttribute {
        /// The attribute's name, the beginning of a long one.
        name: Box<str>,
        /// What is wrong with its value.
        problem: AttributeProblem,
    },
    /// The event's type is not a topic.
    #[error("the event's type is not a topic: {0}")]
    Topic(#[from] TopicError),
    /// The event's tenant is none.
    #[error("the event's tenant is none: {0}")]
    Tenant(#[from] TenantError),
    /// An attribute does not fit into metadata.
    #[error("an attribute does not fit into metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// There are both `data` and `data_base64`.
    #[error("both data and data_base64 are there")]
    TwoPayloads,
    /// The `data` of an event is not a JSON string, though its content type is not JSON.
    #[error("data is not a string, and the content type is not JSON")]
    PayloadNotText,
    /// The `data_base64` of an event is not Base64.
    #[error("data_base64 is not Base64")]
    PayloadNotBase64,
    /// A value was asked for, and the crate was built without the feature `json`.
    #[error("values do not travel: the crate was built without the feature `json`")]
    NoJson,
    /// The type's own code panicked when it was deserialised.
    #[error("the type panicked when it was deserialised")]
    Panicked,
    /// A value was asked for of a type whose values stay in the process.
    #[error("values of the type stay in the process")]
    StaysLocal,
    /// The event has no payload, and one was asked for.
    #[error("the event has no payload")]
    NoPayload,
    /// A value was asked for, and the payload's content type is not JSON.
    #[error("the payload's content type is not JSON")]
    NotJson,
    /// The payload is not JSON, or not of the type that was asked for.
    #[error("the payload does not fit its type at line {line}, column {column}")]
    Payload {
        /// The line of the payload, from 1; 0 where it is not known.
        line: usize,
        /// The column, from 1; 0 where it is not known.
        column: usize,
    },
}

#[cfg(feature = "cloudevents")]
impl DecodeError {
    /// Says what is wrong with an attribute.
    pub(super) fn attribute(name: &str, problem: AttributeProblem) -> Self {
        Self::InvalidAttribute { name: shown(name), problem }
    }

    /// Says that an attribute is there twice.
    pub(super) fn duplicate(name: &str) -> Self {
        Self::DuplicateAttribute { name: shown(name) }
    }
}

/// Cuts a name to what a message may hold: a stranger may have sent a megabyte.
#[cfg(feature = "cloudevents")]
fn shown(name: &str) -> Box<str> {
    const MOST: usize = 64;
    let end = (0..=MOST.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    name[..end].into()
}

/// What is wrong with the value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttributeProblem {
    /// It is neither text nor a boolean nor an integer.
    #[error("is neither text nor a boolean nor an integer")]
    Type,
    /// It is not UTF-8, or holds half of a surrogate pair.
    #[error("is not Unicode text")]
    NotUnicode,
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It is too long.
    #[error("is longer than {limit} bytes")]
    TooLong {
        /// The most bytes.
        limit: usize,
    },
    /// It contains a control character, or one that Unicode reserves for no character.
    #[error("contains a control character")]
    Control,
    /// It is not a time after RFC 3339.
    #[error("is not a time after RFC 3339")]
    NotATime,
    /// It is not a number of milliseconds.
    #[error("is not a number of milliseconds")]
    NotMilliseconds,
    /// It is not a media type.
    #[error("is not a media type")]
    NotAMediaType,
    /// It is one of ours and not what we write there.
    #[error("is not in the form in which it is written")]
    Malformed,
}

#[cfg(all(test, feature = "cloudevents", not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_from_strangers_are_cut() {
        let DecodeError::DuplicateAttribute { name } = DecodeError::duplicate(&"é".repeat(1000)) else {
            panic!("another error")
        };
        assert_eq!(&*name, "é".repeat(32));
        let DecodeError::InvalidAttribute { name, .. } =
            DecodeError::attribute(&format!("a{}", "é".repeat(1000)), AttributeProblem::Type)
        else {
            panic!("another error")
        };
        assert_eq!(name.len(), 63);
    }

    #[test]
    fn messages_name_the_attribute_in_print() {
        let error = DecodeError::attribute("a\r\nb", AttributeProblem::Control);
        assert_eq!(error.to_string(), r#"the attribute "a\r\nb" contains a control character"#);
        let error = DecodeError::from(TenantError::Empty);
        assert!(std::error::Error::source(&error).is_some());
    }
}
