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

impl<T: 'static> Form<T> {
    /// Values that never leave the process.
    pub(super) const LOCAL: &'static Self = &Self { kind: PayloadKind::Local, encode: None };
}

impl<T: Serialize + 'static> Form<T> {
    /// Values that serde can take apart.
    pub(super) const SERDE: &'static Self =
        &Self { kind: PayloadKind::Serde, encode: Some(Encoded::json::<T>) };
}

impl Form<Raw> {
    /// Bytes as they are.
    pub(super) const RAW: &'static Self =
        &Self { kind: PayloadKind::Raw, encode: Some(|raw| Ok(Encoded::raw(raw.clone().into_bytes()))) };
}
