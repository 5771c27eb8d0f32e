//! Where a directory is and how its users and groups are found.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use secrecy::SecretString;

use super::names;
use crate::{BasicScheme, ConfigError};

/// A directory, and how users and their groups are found in it; for
/// [`LdapUsers`](super::LdapUsers).
///
/// In filters (RFC 4515) `?` stands for the user's name, which is escaped. A base in a list may
/// hold several, with `#` between them; within a name that is written `\23`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LdapConfig {
    /// The realm, and the scopes that are asked for; [`BasicScheme::default`] by default.
    pub scheme: BasicScheme,
    /// A name for this store, which identities have as the attribute `domain`. Empty by default,
    /// for none.
    pub domain_name: String,
    /// `ldap://host[:389]` or `ldaps://host[:636]`. A host may be an address; with TLS, of IPv4
    /// only.
    pub connection_url: String,
    /// The DN that searches are made as. Empty by default, for anonymously.
    pub connection_name: String,
    /// Its password.
    pub connection_password: SecretString,
    /// Where users are looked for, below each of these.
    pub user_search_base: Vec<String>,
    /// What users are, for the filter where none is given; `person` by default.
    pub user_entry_object_class: String,
    /// The attribute that has a user's name, for identities and for the filter where none is given;
    /// `uid` by default.
    pub user_name_attribute: String,
    /// Finds a user. Empty by default, for
    /// `(&(objectClass=<user_entry_object_class>)(<user_name_attribute>=?))`.
    pub user_name_search_filter: String,
    /// Finds all users. Nobody has to be listed to be let in, so that it is not used; it is held to
    /// be a filter if it is given.
    pub user_name_list_filter: String,
    /// Where groups are looked for, below each of these. None by default: nobody has any scope.
    pub group_search_base: Vec<String>,
    /// What groups are, for the filter where none is given; `groupOfNames` by default.
    pub group_entry_object_class: String,
    /// The attribute whose values are scopes; `cn` by default.
    pub group_name_attribute: String,
    /// Finds a group by its name. Groups are found by their members, so that it is not used; it is
    /// held to be a filter if it is given.
    pub group_name_search_filter: String,
    /// Finds all groups, of which those are taken that have the user as a member. Empty by default,
    /// for `(objectClass=<group_entry_object_class>)`.
    pub group_name_list_filter: String,
    /// The attribute of a group that has its members' DNs, or of `memberUid` their names: the value
    /// in the first part of the DN. `member` by default.
    pub membership_attribute: String,
    /// How long a user's groups are remembered, of 4 096 users at most; zero, which is the default,
    /// for not at all. Passwords never are.
    pub user_roles_cache: Duration,
    /// Connections that are kept for later, as many for searches as for logins; 8 by default, zero
    /// for none.
    pub connection_pool: usize,
    /// How long one is kept unused; 60 s by default.
    pub connection_idle_timeout: Duration,
    /// Until a connection is there, with TLS; 5 s by default.
    pub connection_timeout: Duration,
    /// Until the directory answers, each time; 60 s by default.
    pub read_timeout: Duration,
    /// A file of PEM with the authorities that a directory's certificate may come from, in the
    /// place of the system's. None by default.
    pub trusted_certificates: Option<PathBuf>,
    /// Takes any certificate from whoever pretends to be the directory, and gives them all users'
    /// passwords. Off by default.
    pub danger_accept_any_certificate: bool,
    /// Whether passwords may go to another host over `ldap://`, to be read by everybody on the way.
    /// Off by default.
    pub allow_clear_text: bool,
}

impl LdapConfig {
    /// A directory at `ldap://…` or `ldaps://…`, all else by default.
    pub fn new(connection_url: impl Into<String>) -> Self {
        Self {
            scheme: BasicScheme::default(),
            domain_name: String::new(),
            connection_url: connection_url.into(),
            connection_name: String::new(),
            connection_password: SecretString::default(),
            user_search_base: Vec::new(),
            user_entry_object_class: "person".into(),
            user_name_attribute: "uid".into(),
            user_name_search_filter: String::new(),
            user_name_list_filter: String::new(),
            group_search_base: Vec::new(),
            group_entry_object_class: "groupOfNames".into(),
            group_name_attribute: "cn".into(),
            group_name_search_filter: String::new(),
            group_name_list_filter: String::new(),
            membership_attribute: "member".into(),
            user_roles_cache: Duration::ZERO,
            connection_pool: 8,
            connection_idle_timeout: Duration::from_secs(60),
            connection_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            trusted_certificates: None,
            danger_accept_any_certificate: false,
            allow_clear_text: false,
        }
    }

    /// As it is used: bases one by one, and filters that are given.
    pub(super) fn checked(mut self) -> Result<Self, ConfigError> {
        if let Some((scheme, rest)) = self.connection_url.split_once(':') {
            // "An implementation should accept uppercase letters as equivalent" (RFC 3986 §3.1).
            self.connection_url = format!("{}:{rest}", scheme.to_ascii_lowercase());
        }
        self.check_url()?;
        self.check_attributes()?;
        self.user_search_base = split(&self.user_search_base);
        self.group_search_base = split(&self.group_search_base);
        if self.user_search_base.is_empty() {
            return Err(ConfigError::new("user_search_base", "is empty"));
        }
        let (class, name) = (&self.user_entry_object_class, &self.user_name_attribute);
        or(&mut self.user_name_search_filter, || format!("(&(objectClass={class})({name}=?))"));
        let class = &self.group_entry_object_class;
        or(&mut self.group_name_list_filter, || format!("(objectClass={class})"));
        if !self.user_name_search_filter.contains('?') {
            let problem = "has no `?`, so that it finds the same users whoever asks";
            return Err(ConfigError::new("user_name_search_filter", problem));
        }
        self.check_filters()?;
        Ok(self)
    }

    fn check_url(&self) -> Result<(), ConfigError> {
        let error = |problem: &str| Err(ConfigError::new("connection_url", problem));
        let Ok(url) = self.connection_url.parse::<Uri>() else {
            return error("is not a URL");
        };
        let host = url.host().unwrap_or_default();
        let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
        match url.scheme_str() {
            Some("ldaps") => {}
            Some("ldap") if self.allow_clear_text || is_loopback(host) => {}
            Some("ldap") => {
                return error(
                    "would send passwords in clear text, which `allow_clear_text` does not allow",
                );
            }
            _ => return error("is neither `ldap://` nor `ldaps://`"),
        }
        match () {
            () if has_user => error("holds a user, which is for `connection_name`"),
            () if host.is_empty() => error("names no host"),
            () if !matches!(url.path(), "" | "/") => error("has a path, which is for the bases"),
            () => Ok(()),
        }
    }

    fn check_attributes(&self) -> Result<(), ConfigError> {
        let attributes = [
            ("user_name_attribute", &self.user_name_attribute),
            ("group_name_attribute", &self.group_name_attribute),
            ("membership_attribute", &self.membership_attribute),
            ("user_entry_object_class", &self.user_entry_object_class),
            ("group_entry_object_class", &self.group_entry_object_class),
        ];
        match attributes.into_iter().find(|(_, name)| !names::is_descriptor(name)) {
            None => Ok(()),
            Some((what, name)) => {
                let problem = format!("{name:?} is not a name of RFC 4512 §1.4");
                Err(ConfigError::new(what, problem))
            }
        }
    }

    fn check_filters(&self) -> Result<(), ConfigError> {
        let filters = [
            ("user_name_search_filter", &self.user_name_search_filter),
            ("user_name_list_filter", &self.user_name_list_filter),
            ("group_name_search_filter", &self.group_name_search_filter),
            ("group_name_list_filter", &self.group_name_list_filter),
        ];
        let is_wrong = |filter: &str| {
            !filter.is_empty() && ldap3::parse_filter(names::filter(filter, "x")).is_err()
        };
        match filters.into_iter().find(|(_, filter)| is_wrong(filter)) {
            None => Ok(()),
            Some((what, filter)) => {
                Err(ConfigError::new(what, format!("{filter:?} is not a filter of RFC 4515")))
            }
        }
    }
}

fn or(text: &mut String, default: impl FnOnce() -> String) {
    if text.is_empty() {
        *text = default();
    }
}

/// Each base by itself.
fn split(bases: &[String]) -> Vec<String> {
    let bases = bases.iter().flat_map(|bases| bases.split('#')).map(str::trim);
    bases.filter(|base| !base.is_empty()).map(str::to_owned).collect()
}

/// Whether what is sent there stays on this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
