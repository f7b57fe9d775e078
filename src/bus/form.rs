//! What a publish call knows of the type of its payload.

use serde::Serialize;

use crate::engine::{EncodeError, Encoded};
use crate::event::{PayloadKind, Raw};

/// Turns a value into bytes.
pub(super) type Encode<T> = fn(&T) -> Result<Encoded, EncodeError>;

/// How values of a type travel.
pub(super) struct Form<T> {
    pub(super) kind: PayloadKind,
    /// `None`: they stay in the process.
    pub(super) encode: Option<Encode<T>>,
}

impl<T> Clone for Form<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Form<T> {}

impl<T> Form<T> {
    /// Values that never leave the process.
    pub(super) const LOCAL: Self = Self { kind: PayloadKind::Local, encode: None };
}

impl<T: Serialize> Form<T> {
    /// Values that serde can take apart.
    pub(super) const SERDE: Self = Self { kind: PayloadKind::Serde, encode: Some(Encoded::json::<T>) };
}

impl Form<Raw> {
    /// Bytes as they are.
    pub(super) const RAW: Self =
        Self { kind: PayloadKind::Raw, encode: Some(|raw| Ok(Encoded::raw(raw.clone().into_bytes()))) };
}
