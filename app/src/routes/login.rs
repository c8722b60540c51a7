use std::collections::HashMap;

use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationParameters, AuthorizationResponse, Callback, EntryRefusal,
        InvalidParameter, NextPage, ProviderRefusal, Screen, State as LoginState,
    },
    ports::{RedeemError, SaveSessionError},
    use_cases::{BeginLoginError, BeginLoginOutcome, LoginError, LoginRequest},
};
use rocket::{
    FromForm, Route, State,
    form::Form,
    get, head,
    http::{Status, uri::Origin},
    post, routes,
};
use url::form_urlencoded;

use crate::{
    guards::{Device, NotPrefetched, Stores},
    ports::{About, Ports},
    views::{Failure, NoBody, SeeOther},
};

pub(super) fn routes() -> Vec<Route> {
    routes![
        login,
        login_head,
        login_by_form,
        signup,
        signup_head,
        callback,
        callback_head,
        callback_by_form,
    ]
}

/// Beside `next` it takes what may be asked of the provider ([`AuthorizationParameters`]), and the
/// login initiated by a third party (OpenID Connect Core, section 4).
#[get("/login")]
async fn login(
    _intended: NotPrefetched,
    uri: &Origin<'_>,
    stores: Stores<'_>,
    ports: &State<Ports>,
    about: &State<About>,
) -> Result<SeeOther, Failure> {
    let query = uri.query().map(|query| query.as_str()).unwrap_or_default();
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let given = |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let parameters =
        AuthorizationParameters::parse(pairs.iter().map(|(key, value)| (&**key, &**value)));
    let parameters = parameters.map_err(malformed)?;
    let next = match (given("iss"), given("next")) {
        (None, next) => NextPage::parse_or_profile(next),
        (Some(iss), _) => {
            ports.identity.verify_issuer(Some(iss.to_owned())).await.map_err(not_ours)?;
            given("target_link_uri")
                .and_then(|uri| about.own_page(uri))
                .unwrap_or_else(NextPage::home)
        }
    };
    let renew = given("renew") == Some("true");
    let request = LoginRequest { screen: Screen::LogIn, next, parameters, renew };
    begin(ports, stores, request).await
}

/// A third party may send a form as well. The browser leaves the site's cookies out of
/// such a request, so the redirect makes it send them with a GET.
#[post("/login", data = "<wish>")]
fn login_by_form(wish: Form<HashMap<String, String>>) -> SeeOther {
    let known = ["iss", "login_hint", "target_link_uri"];
    let given = known.iter().filter_map(|name| Some((name, wish.get(*name)?)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    SeeOther(format!("/login?{query}"))
}

fn malformed(cause: InvalidParameter) -> Failure {
    Failure::new(
        Status::BadRequest,
        "This link cannot be followed",
        "It requests a login with invalid parameters.",
        "Log in without it, and tell the author of the link.",
    )
    .with_action("Log in", "/login")
    .caused_by(cause)
}

/// The issuer of a login initiated by a third party is not the configured one, or cannot be checked.
fn not_ours(cause: RedeemError) -> Failure {
    match cause {
        RedeemError::WrongIssuer(_) => Failure::new(
            Status::BadRequest,
            "This link cannot be followed",
            "It asks you to sign in with a service that this site does not use.",
            "Log in without it, and tell the author of the link.",
        )
        .with_action("Log in", "/login")
        .caused_by(cause),
        cause => away(cause),
    }
}

/// HEAD must not change anything (RFC 9110, section 9.2.1): no attempt, no request to the provider.
#[head("/login")]
fn login_head() -> NoBody {
    NoBody
}

#[head("/signup")]
fn signup_head() -> NoBody {
    NoBody
}

/// Leaves the code to the GET that may follow.
#[head("/callback")]
fn callback_head() -> NoBody {
    NoBody
}

#[get("/signup")]
async fn signup(
    _intended: NotPrefetched,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<SeeOther, Failure> {
    let request = LoginRequest {
        screen: Screen::SignUp,
        next: NextPage::profile(),
        parameters: AuthorizationParameters::default(),
        renew: false,
    };
    begin(ports, stores, request).await
}

async fn begin(
    ports: &Ports,
    stores: Stores<'_>,
    request: LoginRequest,
) -> Result<SeeOther, Failure> {
    match ports.begin_login().run(&*stores.session, &*stores.attempts, request).await {
        Ok(BeginLoginOutcome::AtProvider(url)) => Ok(SeeOther(url)),
        Ok(BeginLoginOutcome::AlreadyLoggedIn(next)) => Ok(SeeOther(next.to_string())),
        Err(cause @ BeginLoginError::Loop) => Err(Failure::new(
            Status::TooManyRequests,
            "Too many log-ins",
            "Your browser logged in several times within a minute and came back without a session each time. It may be blocking the cookies of this site.",
            "Allow cookies for this site, wait a minute, then log in again. If it happens again, contact the operators of this site and give them the reference.",
        )
        .with_action("Home page", "/")
        .caused_by(cause)),
        Err(cause @ BeginLoginError::Provider(_)) => Err(away(cause)),
        Err(cause) => Err(unavailable(cause)),
    }
}

/// The provider is out of reach.
fn away(cause: impl std::fmt::Display) -> Failure {
    Failure::new(
        Status::ServiceUnavailable,
        "Signing in is not possible just now",
        "The identity provider cannot be reached.",
        "Try again in a moment. The public pages work as ever.",
    )
    .with_action("Try again", "/login")
    .caused_by(cause)
}

/// The parameters of an authorization response that Portico knows (RFC 6749, sections 4.1.2 and
/// 4.1.2.1; RFC 9207, section 2); others are ignored, as the RFC asks.
#[derive(FromForm)]
struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

impl Answer {
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
    answer: Answer,
    device: Device,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<SeeOther, Failure> {
    complete(ports, stores, device, answer).await
}

/// For `response_mode=form_post` (OAuth 2.0 Form Post Response Mode, section 2).
#[post("/callback", data = "<answer>")]
async fn callback_by_form(
    _intended: NotPrefetched,
    answer: Form<Answer>,
    device: Device,
    stores: Stores<'_>,
    ports: &State<Ports>,
) -> Result<SeeOther, Failure> {
    complete(ports, stores, device, answer.into_inner()).await
}

async fn complete(
    ports: &Ports,
    stores: Stores<'_>,
    device: Device,
    answer: Answer,
) -> Result<SeeOther, Failure> {
    let callback = answer.into_callback();
    let complete = ports.complete_login();
    let done = complete.run(&*stores.session, &*stores.attempts, callback, &device.0).await;
    done.map(|next| SeeOther(next.to_string())).map_err(|error| {
        let other_account = another_account(ports.identity.prompt_for_another_account());
        explain(error, other_account)
    })
}

/// The log-in page that offers another account.
pub(super) fn another_account(prompt: &str) -> &'static str {
    match prompt {
        "login" => "/login?prompt=login",
        _ => "/login?prompt=select_account",
    }
}

const AGAIN: &str = "Please log in again.";

fn explain(error: LoginError, other_account: &'static str) -> Failure {
    let bad = |title, what, todo| Failure::new(Status::BadRequest, title, what, todo);
    let failure = match &error {
        LoginError::NoAttempt => bad(
            "This login cannot be completed",
            "Your browser has no login in progress that matches this response: it was completed or replaced, started in another browser, or cookies are switched off.",
            AGAIN,
        ),
        LoginError::Expired => {
            bad("This login took too long", "A login must be completed within ten minutes.", AGAIN)
        }
        LoginError::Refused(refusal) if refusal.error == "access_denied" => {
            return refused(refusal)
                .with_action("Log in with another account", other_account)
                .caused_by(error);
        }
        LoginError::Refused(refusal) => refused(refusal),
        LoginError::NotAllowed(refusal) => {
            return not_allowed("You may not log in to this site", refusal)
                .with_action("Log in with another account", other_account)
                .caused_by(error);
        }
        LoginError::Redeem(RedeemError::WrongIssuer(_) | RedeemError::WrongNonce) => bad(
            "This login cannot be trusted",
            "The response does not belong to the login that was started in this browser. You have not been signed in.",
            "Log in again. If it happens again, contact the operators of this site and give them the reference.",
        ),
        LoginError::Redeem(RedeemError::CodeRejected(_)) => bad(
            "This login was used or has expired",
            "The identity provider does not accept the authorization code.",
            AGAIN,
        ),
        LoginError::Redeem(RedeemError::InvalidIdentity(_) | RedeemError::ProviderFault(_)) => {
            Failure::new(
                Status::BadGateway,
                "Signing in failed",
                "The identity provider sent an invalid response. You have not been signed in.",
                "Log in again in a moment. If it happens again, contact the operators of this site and give them the reference.",
            )
        }
        LoginError::Redeem(RedeemError::ProviderTimeout(_)) => Failure::new(
            Status::GatewayTimeout,
            "Signing in takes too long",
            "The identity provider did not respond in time. You have not been signed in.",
            "Log in again in a moment.",
        ),
        LoginError::Save(SaveSessionError::TooLarge { .. }) => Failure::new(
            Status::InternalServerError,
            "Your account does not fit",
            "Your identity provider sends more data about you than this site can keep. You have not been logged in.",
            "Contact the operators of this site and give them the reference. Trying again will not help.",
        ),
        LoginError::Save(SaveSessionError::Unavailable(_))
        | LoginError::Sessions(_)
        | LoginError::Users(_)
        | LoginError::Randomness(_) => {
            return unavailable(error);
        }
    };
    failure.with_action("Log in again", "/login").caused_by(error)
}

/// The user may not log in here, or not any more.
pub(super) fn not_allowed(title: &'static str, refusal: &EntryRefusal) -> Failure {
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

fn refused(refusal: &ProviderRefusal) -> Failure {
    let (title, what, todo) = match refusal.error.as_str() {
        "access_denied" => (
            "You were not let in",
            "The login was cancelled, or your account may not use this site.",
            "Log in again, perhaps with another account.",
        ),
        "login_required" => (
            "You have to sign in first",
            "The identity provider needs you to sign in there.",
            AGAIN,
        ),
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
                "Signing in failed",
                "The identity provider reports an internal error.",
                "Log in again in a moment.",
            )
            .with_detail(refusal.description.clone());
        }
        "temporarily_unavailable" => {
            return Failure::new(
                Status::BadGateway,
                "Signing in is not possible just now",
                "The identity provider is overloaded or under maintenance.",
                "Log in again in a few minutes.",
            )
            .with_detail(refusal.description.clone());
        }
        _ => (
            "Signing in failed",
            "The identity provider refused the login.",
            "Log in again. If it happens again, contact the operators of this site and give them the reference.",
        ),
    };
    let detail = refusal.description.clone().unwrap_or_else(|| refusal.error.clone());
    Failure::new(Status::BadRequest, title, what, todo).with_detail(Some(detail))
}

/// Our own storage is out of reach.
fn unavailable(cause: impl std::fmt::Display) -> Failure {
    Failure::new(
        Status::ServiceUnavailable,
        "Signing in is not possible just now",
        "This site cannot remember who you are at the moment. You have not been signed in.",
        "Try again in a moment.",
    )
    .with_action("Try again", "/login")
    .caused_by(cause)
}
