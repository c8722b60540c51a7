use portico_domain::{
    model::{EntryRefusal, NextPage},
    ports::UnmetRequirement,
};
use rocket::http::Status;

use super::login::login_address;
use crate::{Ports, web::Failure};

/// The log-in page that offers another account and then leads to `next`.
pub(crate) fn another_account(ports: &Ports, next: Option<&NextPage>) -> String {
    another_account_with(&[], ports, next)
}

/// The same, for a log-in to this organization (Auth0's parameter `organization`).
pub(super) fn another_account_of(
    organization: &str,
    ports: &Ports,
    next: Option<&NextPage>,
) -> String {
    another_account_with(&[("organization", organization)], ports, next)
}

fn another_account_with(
    parameters: &[(&str, &str)],
    ports: &Ports,
    next: Option<&NextPage>,
) -> String {
    let prompt = ("prompt", ports.identity.prompt_for_another_account());
    let next = next.map(ToString::to_string);
    let next = next.as_deref().map(|next| ("next", next));
    let all: Vec<_> = [prompt].into_iter().chain(next).chain(parameters.iter().copied()).collect();
    login_address(&all)
}

/// The user logged in to another organization than was requested.
pub(super) fn wrong_organization(requested: &str, found: Option<&str>) -> Failure {
    let requested = shown(requested);
    let found = found.map_or_else(|| "none".into(), shown);
    Failure::new(
        Status::Forbidden,
        "This log-in is for another organization",
        format!(
            "This site asked for the organization {requested}, and you logged in to {found}. You have not been logged in here."
        ),
        "Log in with an account of that organization, or contact the operators of this site and give them the reference.",
    )
}

/// The log-in does not meet `acr_values` or `max_age`. The page offers to log in again with the same
/// request and `prompt=login`, because some providers reuse their own session despite the request.
pub(super) fn requirement_not_met(unmet: &UnmetRequirement, next: Option<&NextPage>) -> Failure {
    let ((name, value), asked, answer) = match unmet {
        UnmetRequirement::AcrValues(values) => (
            ("acr_values", values.clone()),
            format!("for a log-in by other means, acr_values {}", shown(values)),
            "The identity provider did not confirm that.",
        ),
        UnmetRequirement::NoAuthTime(age) => (
            ("max_age", age.num_seconds().to_string()),
            format!("for a log-in within the last {} s", age.num_seconds()),
            "The identity provider does not say when you logged in there.",
        ),
        UnmetRequirement::MaxAge(age) => (
            ("max_age", age.num_seconds().to_string()),
            format!("for a log-in within the last {} s", age.num_seconds()),
            "You logged in at the identity provider longer ago.",
        ),
    };
    let next = next.map(ToString::to_string);
    let parameters: Vec<_> = [(name, &*value), ("prompt", "login")]
        .into_iter()
        .chain(next.as_deref().map(|next| ("next", next)))
        .collect();
    Failure::new(
        Status::Forbidden,
        "This log-in does not meet the requirements",
        format!("This site asked {asked}. {answer} You have not been logged in by it."),
        "Log in again. If it happens again, contact the operators of this site and give them the reference.",
    )
    .with_action("Log in again", login_address(&parameters))
}

/// A name that others chose: in quotation marks, without characters that control the display, cut
/// after 100 characters.
fn shown(name: &str) -> String {
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(100).collect();
    format!("“{name}”")
}

/// The user may not log in here, or not any more.
pub(crate) fn entry_refused(title: &'static str, refusal: &EntryRefusal) -> Failure {
    let what = match refusal {
        EntryRefusal::NoEmail => {
            "Your identity provider does not tell this site your email address."
        }
        EntryRefusal::UnverifiedEmail => {
            "Your email address is not verified at your identity provider."
        }
        EntryRefusal::EmailDomain => {
            "This site is for email addresses of certain domains, and yours is not one of them."
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
