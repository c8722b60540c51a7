//! Pages about faults that do not pass by themselves: operators have to correct something. The log says what.

use std::fmt::Display;

use rocket::http::Status;

use crate::web::Failure;

/// What a visitor can do.
pub(crate) const ASK_OPERATORS: &str =
    "Contact the operators of this site and give them the reference. Trying again will not help.";

/// The settings and the provider do not fit together. The cause names the settings.
pub(super) fn misconfigured(cause: impl Display) -> Failure {
    Failure::new(
        Status::InternalServerError,
        "Log-in is not set up correctly",
        "This site and its identity provider do not fit together. You have not been logged in.",
        ASK_OPERATORS,
    )
    .caused_by(cause)
}

/// The claims and tokens of the user do not fit into the session store. `consequence` ends the text.
pub(crate) fn account_too_large(consequence: &str, cause: impl Display) -> Failure {
    let what = "Your identity provider sends more data about you than this site can keep.";
    Failure::new(
        Status::InternalServerError,
        "Your account does not fit",
        format!("{what} {consequence}"),
        ASK_OPERATORS,
    )
    .caused_by(format_args!("{cause}; SESSION_STORE=database has room for it"))
}
