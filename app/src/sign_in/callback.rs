use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationResponse, Callback, ProviderRefusal, State as LoginState,
    },
    ports::{RedeemError, SaveSessionError},
    use_cases::{FailedLogin, LoginError},
};
use rocket::{FromForm, Route, State, form::Form, get, head, http::Status, post, routes};

use super::{
    entry_refused::{
        another_account, another_account_of, entry_refused, requirement_not_met, wrong_organization,
    },
    guards::{Device, NotPrefetched, Stores},
    login::{log_in_for, unavailable},
    operator_faults::{account_too_large, misconfigured},
};
use crate::{
    Ports,
    metrics::{Metrics, SessionStartNoted, login_failure},
    web::{Failure, NoBody, SeeOther},
};

pub(super) fn routes() -> Vec<Route> {
    routes![callback, callback_head, callback_by_form]
}

/// Leaves the code to the GET that may follow.
#[head("/callback")]
fn callback_head() -> NoBody {
    NoBody
}

/// The parameters of an authorization response that Portico reads (RFC 6749, sections 4.1.2 and
/// 4.1.2.1; RFC 9207, section 2); others are ignored, as the RFC requires.
#[derive(FromForm)]
struct CallbackParameters {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

impl CallbackParameters {
    fn into_callback(self) -> Callback {
        let outcome = match (self.error, self.code) {
            (None, Some(code)) => {
                Ok(AuthorizationResponse { code: AuthorizationCode::new(code), issuer: self.iss })
            }
            (error, _) => Err(ProviderRefusal {
                error: error.unwrap_or_else(|| "no code".into()),
                description: self.error_description,
                issuer: self.iss,
            }),
        };
        Callback { state: LoginState::new(self.state.unwrap_or_default()), outcome }
    }
}

#[get("/callback?<answer..>")]
async fn callback(
    _intended: NotPrefetched,
    answer: CallbackParameters,
    device: Device,
    stores: Stores<'_>,
    ports: &State<Ports>,
    metrics: &State<Metrics>,
) -> Result<SeeOther, Failure> {
    complete(ports, metrics, stores, device, answer).await
}

/// For `response_mode=form_post` (OAuth 2.0 Form Post Response Mode, section 2).
#[post("/callback", data = "<answer>")]
async fn callback_by_form(
    _intended: NotPrefetched,
    answer: Form<CallbackParameters>,
    device: Device,
    stores: Stores<'_>,
    ports: &State<Ports>,
    metrics: &State<Metrics>,
) -> Result<SeeOther, Failure> {
    complete(ports, metrics, stores, device, answer.into_inner()).await
}

async fn complete(
    ports: &Ports,
    metrics: &Metrics,
    stores: Stores<'_>,
    device: Device,
    answer: CallbackParameters,
) -> Result<SeeOther, Failure> {
    let callback = answer.into_callback();
    let complete = ports.complete_login();
    let sessions = SessionStartNoted::new(&*stores.session);
    let done = complete.run(&sessions, &*stores.attempts, callback, &device.0).await;
    match &done {
        Ok(_) if sessions.has_started() => metrics.login_completed(),
        Ok(_) => {}
        Err(failed) => metrics.login_failed(login_failure(&failed.cause)),
    }
    done.map(SeeOther::to).map_err(|failed| explain(failed, ports))
}

const AGAIN: &str = "Please log in again.";

fn explain(FailedLogin { cause: error, next }: FailedLogin, ports: &Ports) -> Failure {
    let again = log_in_for(next.as_ref());
    let bad = |title, what, todo| Failure::new(Status::BadRequest, title, what, todo);
    let failure = match &error {
        LoginError::NoAttempt => bad(
            "This log-in cannot be completed",
            "Your browser has no log-in in progress that matches this response: it was completed or replaced, started in another browser, or cookies are switched off.",
            AGAIN,
        ),
        LoginError::Expired => bad(
            "This log-in took too long",
            "A log-in must be completed within ten minutes.",
            AGAIN,
        ),
        LoginError::Refused(refusal) if refusal.error == "access_denied" => {
            return refused(refusal)
                .with_action("Log in with another account", another_account(ports, next.as_ref()))
                .caused_by(error);
        }
        LoginError::Refused(refusal) => refused(refusal),
        LoginError::UnverifiedRefusal(_) => {
            return bad(
                "You were not let in",
                "The log-in was cancelled or refused, or it failed at the identity provider.",
                "Log in again, perhaps with another account.",
            )
            .with_action("Log in with another account", another_account(ports, next.as_ref()))
            .caused_by(error);
        }
        LoginError::NotAllowed(refusal) => {
            return entry_refused("You may not log in to this site", refusal)
                .with_action("Log in with another account", another_account(ports, next.as_ref()))
                .caused_by(error);
        }
        LoginError::Redeem(
            RedeemError::WrongIssuer(_) | RedeemError::MissingIssuer | RedeemError::WrongNonce,
        ) => bad(
            "This log-in cannot be trusted",
            "The response does not belong to the log-in that was started in this browser. You have not been logged in.",
            "Log in again. If it happens again, contact the operators of this site and give them the reference.",
        ),
        LoginError::Redeem(RedeemError::CodeRejected(_)) => bad(
            "This log-in was used or has expired",
            "The identity provider does not accept the authorization code.",
            AGAIN,
        ),
        LoginError::Redeem(RedeemError::WrongOrganization { requested, found }) => {
            let action = another_account_of(requested, ports, next.as_ref());
            return wrong_organization(requested, found.as_deref())
                .with_action("Log in with another account", action)
                .caused_by(error);
        }
        LoginError::Redeem(RedeemError::RequirementNotMet(unmet)) => {
            return requirement_not_met(unmet, next.as_ref()).caused_by(error);
        }
        LoginError::Redeem(RedeemError::Misconfigured(_)) => return misconfigured(error),
        LoginError::Redeem(RedeemError::InvalidIdentity(_)) => Failure::new(
            Status::BadGateway,
            "Log-in failed",
            "The identity provider sent an invalid response. You have not been logged in.",
            "Log in again. If it happens again, contact the operators of this site and give them the reference.",
        ),
        LoginError::Redeem(RedeemError::ProviderFault(_)) => Failure::new(
            Status::BadGateway,
            "Log-in failed",
            "The identity provider sent an invalid response. You have not been logged in.",
            "Log in again in a moment. If it happens again, contact the operators of this site and give them the reference.",
        ),
        LoginError::Redeem(RedeemError::ProviderTimeout(_)) => Failure::new(
            Status::GatewayTimeout,
            "Log-in takes too long",
            "The identity provider did not respond in time. You have not been logged in.",
            "Log in again in a moment.",
        ),
        LoginError::Save(SaveSessionError::TooLarge { .. }) => {
            return account_too_large("You have not been logged in.", error);
        }
        LoginError::Save(SaveSessionError::Unavailable(_))
        | LoginError::Sessions(_)
        | LoginError::Users(_)
        | LoginError::Randomness(_) => {
            return unavailable(again, error);
        }
    };
    failure.with_action("Log in again", again).caused_by(error)
}

fn refused(refusal: &ProviderRefusal) -> Failure {
    let (title, what, todo) = match refusal.error.as_str() {
        "access_denied" => (
            "You were not let in",
            "The log-in was cancelled, or your account may not use this site.",
            "Log in again, perhaps with another account.",
        ),
        "login_required" => {
            ("You have to log in first", "The identity provider needs you to log in there.", AGAIN)
        }
        "account_selection_required" => (
            "Choose an account first",
            "You have several accounts at the identity provider, and none was chosen.",
            "Log in again and choose one.",
        ),
        "interaction_required" => (
            "Something is left for you to do",
            "The identity provider has to show you a page first.",
            "Log in again and follow its instructions.",
        ),
        "consent_required" => (
            "Your consent is needed",
            "The identity provider needs your consent before it tells this site who you are.",
            "Log in again and consent.",
        ),
        "server_error" => {
            return Failure::new(
                Status::BadGateway,
                "Log-in failed",
                "The identity provider reports an internal error.",
                "Log in again in a moment.",
            )
            .with_detail(refusal.description.clone());
        }
        "temporarily_unavailable" => {
            return Failure::new(
                Status::BadGateway,
                "Log-in is not possible just now",
                "The identity provider is overloaded or under maintenance.",
                "Log in again in a few minutes.",
            )
            .with_detail(refusal.description.clone());
        }
        _ => (
            "Log-in failed",
            "The identity provider refused the log-in.",
            "Log in again. If it happens again, contact the operators of this site and give them the reference.",
        ),
    };
    let detail = refusal.description.clone().unwrap_or_else(|| refusal.error.clone());
    Failure::new(Status::BadRequest, title, what, todo).with_detail(Some(detail))
}
