use portico_domain::model::EntryRefusal;
use rocket::http::Status;

use crate::{Ports, web::Failure};

/// The log-in page that offers another account.
pub(crate) fn another_account(ports: &Ports) -> &'static str {
    match ports.identity.prompt_for_another_account() {
        "login" => "/login?prompt=login",
        _ => "/login?prompt=select_account",
    }
}

/// The user may not log in here, or not any more.
pub(crate) fn entry_refused(title: &'static str, refusal: &EntryRefusal) -> Failure {
    let what = match refusal {
        EntryRefusal::NoEmail => {
            "Your identity provider does not tell this site your e-mail address."
        }
        EntryRefusal::UnverifiedEmail => {
            "Your e-mail address is not verified at your identity provider."
        }
        EntryRefusal::EmailDomain => {
            "This site is for e-mail addresses of certain domains, and yours is not one of them."
        }
        EntryRefusal::Claim(_) => {
            "Your account is not in the group or role that this site requires."
        }
        EntryRefusal::ReferredClaim(_) => {
            "Your account has more groups than your identity provider tells this site."
        }
    };
    Failure::new(
        Status::Forbidden,
        title,
        what,
        "Log in with another account, or contact the operators of this site and give them the reference.",
    )
}
