//! Whose an event is, where one bus serves several parties.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a tenant: 1 to 64 ASCII letters, digits, `-` and `_`. Cheap to clone.
///
/// Nothing in it separates anything (`.`, `/`, `:` and the like) or is a wildcard, so it can be a part of a
/// broker's topic, subject, stream or group without being taken for two parts, or for another tenant's.
/// Case matters: a broker that ignores it must refuse one of two names that differ in nothing else.
///
/// ```
/// use trolleybus::{Tenant, TenantError};
///
/// let tenant = Tenant::new("acme-eu")?;
/// assert_eq!(tenant.as_str(), "acme-eu");
/// assert_eq!(Tenant::new("acme.eu"), Err(TenantError::Character { position: 4 }));
/// # Ok::<(), TenantError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Checks a name and makes a tenant of it.
    ///
    /// # Errors
    ///
    /// The first thing that makes it no name of a tenant.
    pub fn new(name: impl AsRef<str>) -> Result<Self, TenantError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(TenantError::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(TenantError::TooLong { length: name.len() });
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match name.char_indices().find(|&(_, c)| !plain(c)) {
            Some((position, _)) => Err(TenantError::Character { position }),
            None => Ok(Self(name.into())),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tenant").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl AsRef<str> for Tenant {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Tenant {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Tenant {
    type Err = TenantError;

    fn from_str(name: &str) -> Result<Self, TenantError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Tenant {
    type Error = TenantError;

    fn try_from(name: &str) -> Result<Self, TenantError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Tenant {
    type Error = TenantError;

    fn try_from(name: String) -> Result<Self, TenantError> {
        Self::new(name)
    }
}

impl From<&Self> for Tenant {
    fn from(tenant: &Self) -> Self {
        tenant.clone()
    }
}

/// Why a text is no name of a tenant, or [no tenant of a bus](crate::EventBus::tenant).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// The name is empty.
    #[error("a tenant's name must not be empty")]
    Empty,
    /// The name is longer than [`Tenant::MAX_LEN`].
    #[error("a tenant's name of {length} bytes is too long, {max} are allowed", max = Tenant::MAX_LEN)]
    TooLong {
        /// The name's length in bytes.
        length: usize,
    },
    /// Something in it is no ASCII letter, digit, `-` or `_`.
    #[error(
        "a tenant's name consists of ASCII letters, digits, '-' and '_', there is another character at byte {position}"
    )]
    Character {
        /// The character's position in bytes.
        position: usize,
    },
    /// The bus has as many tenants as it [may have](crate::BusBuilder::max_tenants), and each of them is in use.
    #[error("the bus serves {limit} tenants already, and no more are allowed")]
    TooMany {
        /// The most tenants at a time.
        limit: usize,
    },
}

impl From<std::convert::Infallible> for TenantError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn names_within_the_limits_are_tenants() {
        let longest = "x".repeat(Tenant::MAX_LEN);
        for name in ["a", "A", "0", "-", "_", "acme-eu_2", &longest] {
            let tenant = Tenant::new(name).expect("a tenant");
            assert_eq!((tenant.as_str(), tenant.as_ref(), &*tenant.to_string()), (name, name, name));
            assert_eq!(name.parse::<Tenant>(), Ok(tenant.clone()));
            assert_eq!(Tenant::try_from(name.to_owned()), Ok(tenant));
        }
    }

    #[test]
    fn separators_wildcards_and_other_scripts_are_refused() {
        for name in [
            "ab.c", "ab/c", "ab:c", "ab c", "ab*c", "ab>c", "ab+c", "ab\0c", "ab\nc", "abé", "ab%c", "ab|c",
            "ab\\c",
        ] {
            assert_eq!(Tenant::try_from(name), Err(TenantError::Character { position: 2 }), "{name:?}");
        }
        assert_eq!(Tenant::new(""), Err(TenantError::Empty));
        assert_eq!(Tenant::new("x".repeat(65)), Err(TenantError::TooLong { length: 65 }));
        let error = Tenant::new("a.b").expect_err("a separator");
        assert!(error.to_string().ends_with("another character at byte 1"), "{error}");
    }

    #[test]
    fn a_tenant_behaves_as_its_text() {
        let [a, b] = ["a", "b"].map(|name| Tenant::new(name).expect("a tenant"));
        assert!(a < b);
        assert_eq!(format!("{a}|{a:>3}|{a:?}"), "a|  a|Tenant(\"a\")");
        assert!(HashSet::from([a.clone()]).contains("a"));
        assert_eq!(BTreeSet::from([b.clone(), a.clone()]).first(), Some(&a));
    }
}
