//! A value that only whoever owns it touches, so that it may stand in what many look at.

/// Lends its value to whoever holds it exclusively, and to nobody else: hence it can be shared though the value cannot.
/// (`std::sync::Exclusive`, which is not stable.)
#[derive(Default)]
pub(crate) struct Exclusive<T: ?Sized> {
    // Never locked: its owner needs no lock.
    value: std::sync::Mutex<T>,
}

impl<T> Exclusive<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { value: std::sync::Mutex::new(value) }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
