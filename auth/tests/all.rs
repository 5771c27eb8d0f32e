//! What the crate does, through its public names.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper fails the test")]

mod all {
    mod authorization;
    mod basic_file;
    mod basic_timing;
    mod basic_users;
    #[cfg(feature = "ldap")]
    mod ldap;
    #[cfg(feature = "ldap")]
    mod ldap_scripted;
    mod support;
}
