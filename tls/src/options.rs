//! Options that a client and a listener have in common.

/// The methods for them, within the `impl` of a builder with the fields `choices` and
/// `revocation`.
macro_rules! shared_options {
    () => {
        /// The versions to agree on: `TLSv1.3` (RFC 8446) and `TLSv1.2` (RFC 5246), which are
        /// both allowed by default. Older ones are not offered by rustls (RFC 8996).
        #[must_use]
        pub fn versions<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
            self.choices.versions = Some(names.into_iter().map(str::to_owned).collect());
            self
        }

        /// The cipher suites to agree on, by their IANA names, the one that is liked best first,
        /// such as `TLS_AES_128_GCM_SHA256`; by default all that rustls has. Those with CBC, DHE,
        /// RSA key exchange or RC4 are not offered by rustls. Each of the
        /// [versions](Self::versions) needs one.
        #[must_use]
        pub fn cipher_suites<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
            self.choices.suites = Some(names.into_iter().map(str::to_owned).collect());
            self
        }

        /// The groups for the exchange of keys, by their IANA names, the one that is liked best
        /// first; by default `X25519MLKEM768`, `x25519`, `secp256r1`, `secp384r1`.
        #[must_use]
        pub fn groups<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
            self.choices.groups = Some(names.into_iter().map(str::to_owned).collect());
            self
        }

        /// Has keys written to the file that `SSLKEYLOGFILE` in the environment names, if it does,
        /// for tools that look into the traffic: whoever has that file can decrypt everything.
        /// Off by default, and a warning in the log when on.
        #[must_use]
        pub fn log_keys_as_environment_says(mut self) -> Self {
            self.choices.logs_keys = true;
            self
        }

        /// A file of certificate revocation lists (RFC 5280 §5), any number as PEM or one as DER,
        /// which the peer's certificates, but for the authority's, must not be on. May be given
        /// more than once. Without any, nothing is looked up: neither lists nor OCSP are fetched.
        #[must_use]
        pub fn crl_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
            self.revocation.lists.push(crate::source::Source::File(path.into()));
            self
        }

        /// Accepts a certificate that none of the [lists](Self::crl_file) covers, or only one that
        /// is out of date. By default, where there are lists, it is refused.
        #[must_use]
        pub fn accept_unknown_revocation(mut self) -> Self {
            self.revocation.accepts_unknown = true;
            self
        }
    };
}

pub(crate) use shared_options;
