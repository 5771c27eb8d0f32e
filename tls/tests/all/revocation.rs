//! Certificates that were revoked, on both sides.

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber, date_time_ymd,
};
use wirewright_tls::{CertificateProblem, ClientTls, ServerTls, TlsError, Trust};

use crate::certificates::{Authority, Folder, Issued, params};
use crate::pair::Pair;

/// The authority's list of these serial numbers, as PEM, good until that year.
pub(crate) fn list(authority: &Authority, revoked: &[u64], until: i32) -> String {
    let revoked = revoked.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2021, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(until, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&authority.0).unwrap().pem().unwrap()
}

fn with_serial(authority: &Authority, serial: u64) -> Issued {
    let mut params = params(&["example.com"]);
    params.serial_number = Some(SerialNumber::from(serial));
    authority.issue_with(&params)
}

/// Whether a certificate is accepted, by a client and by a server.
fn verdicts(authority: &Authority, list: &str, lenient: bool) -> [Result<(), TlsError>; 2] {
    let folder = Folder::new();
    let path = folder.file("list.crl", list);
    let shown = with_serial(authority, 7);
    let trust = Trust::pem(authority.pem());
    let mut strict_client = ClientTls::builder().trust(trust.clone()).crl_file(&path);
    let server = ServerTls::builder().identity(shown.identity());
    let mut strict_server =
        server.clone().require_client_certificates(trust.clone()).crl_file(&path);
    if lenient {
        strict_client = strict_client.accept_unknown_revocation();
        strict_server = strict_server.accept_unknown_revocation();
    }
    let mut first =
        Pair::new(&strict_client.build().unwrap(), &server.build().unwrap(), "example.com");
    first.carry(usize::MAX);
    let client = ClientTls::builder().trust(trust).identity(shown.identity()).build().unwrap();
    let mut second = Pair::new(&client, &strict_server.build().unwrap(), "example.com");
    second.carry(usize::MAX);
    [first.client, second.server].map(|end| match end.error {
        Some(_) => Err(end.failure()),
        None => Ok(()),
    })
}

#[test]
fn rfc5280_5_a_revoked_certificate_is_refused() {
    let authority = Authority::new("authority");
    for verdict in verdicts(&authority, &list(&authority, &[6, 7], 2099), true) {
        assert_eq!(verdict, Err(TlsError::Certificate(CertificateProblem::Revoked)));
    }
    for verdict in verdicts(&authority, &list(&authority, &[6, 8], 2099), false) {
        assert_eq!(verdict, Ok(()));
    }
}

#[test]
fn an_unknown_status_is_refused_unless_it_is_accepted() {
    let authority = Authority::new("authority");
    let other = Authority::new("another");
    let lists = [list(&other, &[], 2099), list(&authority, &[], 2021)];
    for (i, list) in lists.iter().enumerate() {
        for verdict in verdicts(&authority, list, false) {
            let Err(TlsError::Certificate(CertificateProblem::RevocationUnknown(why))) = verdict
            else {
                panic!("list {i}: {verdict:?}");
            };
            assert_eq!(why.contains("out of date"), i == 1, "{why}");
        }
        for verdict in verdicts(&authority, list, true) {
            assert_eq!(verdict, Ok(()), "list {i}");
        }
    }
}
