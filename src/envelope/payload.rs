//! The payload of an envelope: bytes, and what they are.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::content_type::ContentType;
use super::depth;
use super::error::{DecodeError, EncodeError};

/// A payload as it travels: bytes and their content type. Cheap to clone.
///
/// No bytes at all with a content type of JSON mean that there is no payload: JSON has no empty text.
/// `Debug` prints the length and not the content.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    bytes: Bytes,
    content_type: ContentType,
}

impl Encoded {
    /// Turns a value into JSON.
    ///
    /// # Errors
    ///
    /// The value is something that JSON cannot hold, such as a map with keys that are no text, or refuses. Why
    /// is not told: the text could quote the value. Or the crate was built without the feature `json`.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        #[cfg(feature = "json")]
        return match serde_json::to_vec(value) {
            Ok(bytes) => Ok(Self::new(bytes, ContentType::Json)),
            Err(_) => Err(EncodeError::Serialize),
        };
        #[cfg(not(feature = "json"))]
        {
            let _ = value;
            Err(EncodeError::NoJson)
        }
    }

    /// Takes bytes of which no more is known.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::new(bytes, ContentType::OctetStream)
    }

    /// Takes bytes of a content type. Nobody checks that they are of it.
    pub fn new(bytes: impl Into<Bytes>, content_type: ContentType) -> Self {
        Self { bytes: bytes.into(), content_type }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Returns what the bytes are.
    #[must_use]
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// Says whether there is no payload.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.bytes.is_empty() && self.content_type.is_json()
    }

    /// Makes a value of JSON that is nested at most so deep.
    ///
    /// Depth is checked before anything else is done. Above 127 it is `serde_json` that refuses, as a payload
    /// that does not fit.
    ///
    /// # Errors
    ///
    /// There is no payload; its content type is not JSON; it is nested too deep; it is not JSON, or not of this
    /// type. The type's own words are lost, since they could quote the payload. Or the crate was built without the
    /// feature `json`.
    pub fn decode<T: DeserializeOwned>(&self, max_depth: usize) -> Result<T, DecodeError> {
        if !self.content_type.is_json() {
            return Err(DecodeError::NotJson);
        }
        if self.bytes.is_empty() {
            return Err(DecodeError::NoPayload);
        }
        self.check_depth(max_depth)?;
        #[cfg(feature = "json")]
        return serde_json::from_slice(&self.bytes)
            .map_err(|error| DecodeError::Payload { line: error.line(), column: error.column() });
        #[cfg(not(feature = "json"))]
        Err(DecodeError::NoJson)
    }

    /// Refuses JSON that is nested deeper; what is not JSON has no depth.
    pub(super) fn check_depth(&self, limit: usize) -> Result<(), DecodeError> {
        if self.content_type.is_json() && !depth::is_within_depth(&self.bytes, limit) {
            return Err(DecodeError::TooDeep { limit });
        }
        Ok(())
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} bytes of {})", self.bytes.len(), self.content_type)
    }
}

#[cfg(all(test, feature = "json", not(loom)))]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_value_comes_back_from_json() {
        let encoded = Encoded::json(&("a", 1, [true])).expect("JSON");
        assert_eq!(&encoded.bytes()[..], br#"["a",1,[true]]"#);
        assert_eq!(encoded.content_type(), &ContentType::Json);
        assert_eq!(encoded.decode(2), Ok((String::from("a"), 1_u8, [true])));
        assert_eq!(Encoded::json("text").expect("JSON").decode(0), Ok(String::from("text")));
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        let odd = HashMap::from([(vec![1], "secret")]);
        assert_eq!(Encoded::json(&odd), Err(EncodeError::Serialize));
    }

    #[test]
    fn errors_tell_the_place_and_not_the_content() {
        let encoded = Encoded::new(&b"{\"a\":\n \"secret\"}"[..], ContentType::Json);
        let error = encoded.decode::<HashMap<String, u8>>(8).expect_err("a text is no number");
        assert_eq!(error, DecodeError::Payload { line: 2, column: 9 });
        assert!(!error.to_string().contains("secret"));
        assert_eq!(format!("{encoded:?}"), "Encoded(16 bytes of application/json)");
    }

    #[test]
    fn each_way_to_have_no_value_is_told() {
        assert_eq!(Encoded::raw(&b"1"[..]).decode::<u8>(8), Err(DecodeError::NotJson));
        let absent = Encoded::new(Bytes::new(), ContentType::Json);
        assert!(absent.is_absent() && !Encoded::raw(Bytes::new()).is_absent());
        assert_eq!(absent.decode::<u8>(8), Err(DecodeError::NoPayload));
        let deep = Encoded::new(&b"[[1]]"[..], ContentType::Json);
        assert_eq!(deep.decode::<[[u8; 1]; 1]>(1), Err(DecodeError::TooDeep { limit: 1 }));
        assert_eq!(deep.decode(2), Ok([[1_u8]]));
        let broken = Encoded::new(&b"\xff"[..], ContentType::Json);
        assert!(matches!(broken.decode::<u8>(8), Err(DecodeError::Payload { .. })));
    }

    #[test]
    fn depth_without_end_overflows_no_stack() {
        let deep = Encoded::new("[".repeat(1_000_000), ContentType::Json);
        assert_eq!(deep.decode::<serde_json::Value>(64), Err(DecodeError::TooDeep { limit: 64 }));
        assert!(matches!(deep.decode::<serde_json::Value>(usize::MAX), Err(DecodeError::Payload { .. })));
    }

    #[test]
    fn bytes_are_not_copied() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let address = bytes.as_ptr();
        assert_eq!(Encoded::raw(bytes).clone().into_bytes().as_ptr(), address);
    }
}
