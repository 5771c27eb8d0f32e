//! Files of text that hold keys and certificates, one behind the other (RFC 7468).

use pkcs8::der::pem::Decoder;
use secrecy::zeroize::Zeroizing;

/// One object of such a file.
pub(super) struct Section<'a> {
    pub(super) label: &'a str,
    pub(super) der: Zeroizing<Vec<u8>>,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Whether this is such a file, and not DER.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// Finds the first object for which `make` has something; whatever stands between objects is
/// commentary (RFC 7468 §2).
pub(super) fn find<T>(
    text: &[u8],
    mut make: impl FnMut(Section<'_>) -> Option<Result<T, String>>,
) -> Result<Option<T>, String> {
    let text = str::from_utf8(text).map_err(|_| "is neither PEM nor DER")?;
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let (object, behind) = split_object(rest.get(start..).unwrap_or_default())
            .ok_or("holds a `-----BEGIN` without its `-----END`")?;
        rest = behind;
        if let Some(made) = make(decode(object)?) {
            return made.map(Some);
        }
    }
    Ok(None)
}

/// The object that `text` begins with, and what is behind it.
fn split_object(text: &str) -> Option<(&str, &str)> {
    let end = text.find(END)? + END.len();
    let dashes = text.get(end..)?.find(DASHES)? + DASHES.len();
    text.split_at_checked(end + dashes)
}

fn decode(object: &str) -> Result<Section<'_>, String> {
    if object.contains("Proc-Type:") {
        return Err("is encrypted in OpenSSL's old way, whose keys are derived with MD5; convert \
                    it with `openssl pkcs8 -topk8`"
            .into());
    }
    let malformed = |error| format!("is not PEM as of RFC 7468: {error}");
    let mut decoder = Decoder::new_detect_wrap(object.as_bytes()).map_err(malformed)?;
    // Room for all at once: what a growing buffer leaves behind is not wiped.
    let mut der = Zeroizing::new(Vec::with_capacity(decoder.remaining_len()));
    let label = decoder.type_label();
    decoder.decode_to_end(&mut der).map_err(malformed)?;
    Ok(Section { label, der })
}
