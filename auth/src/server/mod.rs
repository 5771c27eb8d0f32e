//! The listener's side: authenticators, and what they have in common.

pub(crate) mod authorization;
pub(crate) mod basic;
pub(crate) mod bearer;
pub(crate) mod cache;
pub(crate) mod challenge;
pub(crate) mod introspection;
pub(crate) mod jwt;
pub(crate) mod keyed;
#[cfg(feature = "ldap")]
pub(crate) mod ldap;
pub(crate) mod scopes;
