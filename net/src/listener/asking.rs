//! What is asked of the user's code before the 101: who it is, and whether they are served.

use std::sync::Arc;

use wirewright_core::handshake::{Authenticator, Identity, Rejection, Request};

use super::admission::{Admission, Reason};
use super::expiry;
use super::opening::{Decision, Granted, Refusal, guard};
use super::options::Route;
use super::upgrade::UpgradeRequest;

/// What is to be asked of the user's code: who it is, and whether they are served.
pub(crate) struct Question {
    pub(crate) request: UpgradeRequest,
    pub(crate) route: Arc<Route>,
    pub(crate) admission: Arc<Admission>,
}

impl Question {
    pub(crate) fn may_block(&self) -> bool {
        self.route.may_block || self.route.authenticators.iter().any(|each| each.may_block())
    }

    pub(crate) fn answer(self) -> Decision {
        let Self { mut request, route, admission } = self;
        let mut place = None;
        if !route.authenticators.is_empty() {
            let identity = authenticate(&route.authenticators, &request)
                .map_err(|answer| Refusal::new(Reason::Authentication, answer))?;
            place = admission.identify(&identity.name).map_err(Refusal::busy)?;
            request.set_identity(identity);
        }
        let accept = guard("upgrade service", || route.service.upgrade(&request))
            .map_err(|answer| Refusal::new(Reason::Service, answer))?;
        Ok(Granted { request, accept, route, place })
    }
}

/// Asks one after another: the first that knows who it is decides, and so does the first that
/// refuses with anything but 401; that means that another may know. If none does, the 401 names
/// the challenges of all (RFC 9110 §11.6.1).
fn authenticate(
    authenticators: &[Arc<dyn Authenticator>],
    request: &Request,
) -> Result<Identity, Rejection> {
    if request.head().headers("Authorization").nth(1).is_some() {
        // Whom one authenticator sees need not be whom the next one does, nor a proxy in front:
        // the field is no list, so that it stands once (RFC 9110 §5.3, §11.6.2).
        return Err(Rejection::bad_request().body("more than one `Authorization`\n"));
    }
    let mut unknown: Option<Rejection> = None;
    for authenticator in authenticators {
        let known = guard("authenticator", || authenticator.authenticate(request));
        match known.and_then(expiry::still_valid) {
            Err(rejection) if rejection.status() == 401 => {
                unknown = Some(match unknown {
                    Some(first) => challenge_too(first, &rejection),
                    None => rejection,
                });
            }
            decided => return decided,
        }
    }
    Err(unknown.unwrap_or(Rejection::internal_error()))
}

/// The first 401 with the challenges of another.
fn challenge_too(mut first: Rejection, other: &Rejection) -> Rejection {
    let is_challenge = |name: &str| name.eq_ignore_ascii_case("WWW-Authenticate");
    for (name, value) in other.headers().iter().filter(|(name, _)| is_challenge(name)) {
        let known = first.headers().iter().any(|field| is_challenge(field.0) && field.1 == value);
        if !known {
            // It was a header's value, and can be one again.
            first = first.clone().header(name, value).unwrap_or(first);
        }
    }
    first
}
