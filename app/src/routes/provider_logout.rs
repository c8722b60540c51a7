//! Where the provider says that somebody logged out there.

use portico_domain::{
    ports::LogoutTokenError,
    use_cases::{EndByProvider, EndByProviderError},
};
use rocket::{
    FromForm, Request, Route, State,
    form::{self, Form},
    http::{ContentType, Header, Status},
    post,
    response::{self, Responder},
    routes,
};
use serde_json::json;

use crate::Ports;

pub(super) fn routes() -> Vec<Route> {
    routes![back_channel, no_form]
}

/// Other fields are nobody's business (OpenID Connect Back-Channel Logout, section 2.5).
#[derive(FromForm)]
struct Notice<'r> {
    logout_token: &'r str,
}

/// The provider itself asks this, without a browser: there is neither a cookie nor an origin, and
/// the logout token says everything.
#[post("/backchannel-logout", data = "<notice>")]
async fn back_channel(
    notice: Result<Form<Notice<'_>>, form::Errors<'_>>,
    ports: &State<Ports>,
) -> Answer {
    let Ok(notice) = notice else { return Answer::invalid("there is no logout_token") };
    let end = EndByProvider {
        identity: &*ports.identity,
        registry: &*ports.registry,
        clock: &*ports.clock,
    };
    match end.run(notice.logout_token).await {
        Ok(()) => Answer::Done,
        Err(error) => {
            log::warn!("back-channel log-out: {error}");
            match error {
                EndByProviderError::Token(LogoutTokenError::NotBelieved(why)) => {
                    Answer::invalid(why)
                }
                EndByProviderError::Replayed => Answer::invalid("it was used before"),
                EndByProviderError::Token(LogoutTokenError::Unavailable(_))
                | EndByProviderError::Sessions(_) => Answer::Failed {
                    error: "temporarily_unavailable",
                    description: "the log-out cannot be made just now".into(),
                },
            }
        }
    }
}

#[post("/backchannel-logout", rank = 2)]
fn no_form() -> Answer {
    Answer::invalid("it is no form")
}

/// What the provider is told (section 2.8): 400 also where the log-out failed on our side.
enum Answer {
    Done,
    Failed { error: &'static str, description: String },
}

impl Answer {
    fn invalid(description: impl Into<String>) -> Self {
        Self::Failed { error: "invalid_request", description: description.into() }
    }
}

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut response = match self {
            Self::Done => Status::Ok.respond_to(request)?,
            Self::Failed { error, description } => {
                let body = json!({ "error": error, "error_description": description });
                (Status::BadRequest, (ContentType::JSON, body.to_string())).respond_to(request)?
            }
        };
        response.set_header(Header::new("Cache-Control", "no-store"));
        Ok(response)
    }
}
