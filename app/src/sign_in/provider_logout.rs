//! Log-out initiated by the provider.

use portico_domain::{
    ports::{LogoutTokenError, RedeemError},
    use_cases::{BackChannelLogoutError, FrontChannelLogoutError},
};
use rocket::{
    FromForm, Request, Route, State,
    form::{self, Form},
    get, head,
    http::{ContentType, Header, Status},
    post,
    response::{self, Responder},
    routes,
};
use serde_json::json;

use super::guards::Stores;
use crate::{Ports, metrics::Metrics, web::NoBody};

pub(super) fn routes() -> Vec<Route> {
    routes![back_channel, no_form, front_channel, front_channel_head, front_channel_without]
}

/// Other fields are ignored (OpenID Connect Back-Channel Logout, section 2.5).
#[derive(FromForm)]
struct LogoutForm<'r> {
    logout_token: &'r str,
}

/// The provider itself sends this request, without a browser: there is neither a cookie nor an origin, and
/// the logout token says everything.
#[post("/backchannel-logout", data = "<form>")]
async fn back_channel(
    form: Result<Form<LogoutForm<'_>>, form::Errors<'_>>,
    ports: &State<Ports>,
    metrics: &State<Metrics>,
) -> LogoutResponse {
    let Ok(form) = form else { return LogoutResponse::invalid("there is no logout_token") };
    let done = ports.back_channel_logout().run(form.logout_token).await;
    metrics.logout_token(match &done {
        Ok(()) => "accepted",
        Err(BackChannelLogoutError::Token(LogoutTokenError::Invalid(_))) => "invalid",
        Err(BackChannelLogoutError::Replayed) => "replayed",
        Err(BackChannelLogoutError::Token(LogoutTokenError::Unavailable(_))) => {
            "provider_unavailable"
        }
        Err(BackChannelLogoutError::Sessions(_)) => "sessions_unavailable",
    });
    match done {
        Ok(()) => LogoutResponse::Done,
        Err(error) => {
            log::warn!("back-channel log-out: {error}");
            match error {
                BackChannelLogoutError::Token(LogoutTokenError::Invalid(why)) => {
                    LogoutResponse::invalid(why)
                }
                BackChannelLogoutError::Replayed => LogoutResponse::invalid("it was used before"),
                BackChannelLogoutError::Token(LogoutTokenError::Unavailable(_))
                | BackChannelLogoutError::Sessions(_) => LogoutResponse::not_now(),
            }
        }
    }
}

#[post("/backchannel-logout", rank = 2)]
fn no_form() -> LogoutResponse {
    LogoutResponse::invalid("it is no form")
}

/// The provider's log-out page frames it.
pub(crate) const FRONT_CHANNEL: &str = "/frontchannel-logout";

/// `iss` and `sid` come together (OpenID Connect Front-Channel Logout, section 2).
#[get("/frontchannel-logout?<iss>&<sid>")]
async fn front_channel(
    iss: &str,
    sid: &str,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> LogoutResponse {
    match ports.front_channel_logout(&*stores.session).run(iss, sid).await {
        Ok(()) => LogoutResponse::Done,
        Err(error) => {
            log::warn!("front-channel log-out: {error}");
            match error {
                FrontChannelLogoutError::Issuer(RedeemError::WrongIssuer(_)) => {
                    LogoutResponse::invalid("it is of another issuer")
                }
                FrontChannelLogoutError::Issuer(_) | FrontChannelLogoutError::Sessions(_) => {
                    LogoutResponse::not_now()
                }
            }
        }
    }
}

/// HEAD must not change anything (RFC 9110, section 9.2.1).
#[head("/frontchannel-logout")]
fn front_channel_head() -> NoBody {
    NoBody
}

#[get("/frontchannel-logout", rank = 2)]
fn front_channel_without() -> LogoutResponse {
    LogoutResponse::invalid("iss and sid have to be named")
}

/// The response to the provider (section 2.8): 400 also where the log-out failed at this site.
enum LogoutResponse {
    Done,
    Failed { error: &'static str, description: String },
}

impl LogoutResponse {
    fn invalid(description: impl Into<String>) -> Self {
        Self::Failed { error: "invalid_request", description: description.into() }
    }

    fn not_now() -> Self {
        let description = "the log-out cannot be made just now".into();
        Self::Failed { error: "temporarily_unavailable", description }
    }
}

impl<'r> Responder<'r, 'static> for LogoutResponse {
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
