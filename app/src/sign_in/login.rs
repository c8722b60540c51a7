use std::{collections::HashMap, fmt::Display};

use portico_domain::{
    model::{InvalidParameter, NextPage, Screen},
    ports::{ProviderUnavailable, RedeemError},
    use_cases::{BeginLoginError, BeginLoginOutcome, LoginRequest},
};
use rocket::{
    Route, State,
    form::Form,
    get, head,
    http::{Status, uri::Origin},
    post, routes, uri,
};
use url::form_urlencoded;

use super::{
    guards::{NotPrefetched, Stores},
    login_limit::CountedLogin,
    operator_faults::misconfigured,
};
use crate::{
    About, Ports,
    metrics::Metrics,
    web::{Failure, NoBody, SeeOther},
};

pub(super) fn routes() -> Vec<Route> {
    routes![login, login_head, login_by_form, signup, signup_head]
}

/// Besides `next` it accepts the parameters that may be passed on to the provider
/// ([`portico_domain::model::LinkParameters`]), and those of a log-in that a third party initiates (OpenID Connect
/// Core, section 4).
#[get("/login")]
async fn login(
    _intended: NotPrefetched,
    counted: CountedLogin,
    uri: &Origin<'_>,
    stores: Stores<'_>,
    ports: &State<Ports>,
    metrics: &State<Metrics>,
    about: &State<About>,
) -> Result<SeeOther, Failure> {
    counted.allow(metrics)?;
    let query = uri.query().map(|query| query.as_str()).unwrap_or_default();
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let given = |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let parameters =
        about.link_parameters.read(pairs.iter().map(|(key, value)| (&**key, &**value)));
    let parameters = parameters.map_err(malformed)?;
    let next = match (given("iss"), given("next")) {
        (None, next) => NextPage::parse_or_profile(next),
        (Some(iss), _) => {
            let next = given("target_link_uri")
                .and_then(|uri| about.own_page(uri))
                .unwrap_or_else(NextPage::home);
            let verified = ports.identity.verify_issuer(Some(iss.to_owned())).await;
            verified.map_err(|cause| not_ours(&next, cause))?;
            next
        }
    };
    let renew = given("renew") == Some("true");
    let request = LoginRequest { screen: Screen::LogIn, next, parameters, renew };
    begin(ports, metrics, stores, request).await
}

/// The address of the log-in page with these parameters.
pub(crate) fn login_address(parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let address = uri!(login).to_string();
    if query.is_empty() { address } else { format!("{address}?{query}") }
}

/// The address of the log-in page that then leads to `next`.
pub(super) fn log_in_for(next: Option<&NextPage>) -> String {
    match next {
        Some(next) => login_address(&[("next", &next.to_string())]),
        None => login_address(&[]),
    }
}

/// A third party may also send a form. The browser omits the site's cookies from such a request; the
/// redirect makes it send them with a GET.
#[post("/login", data = "<form>")]
fn login_by_form(form: Form<HashMap<String, String>>) -> SeeOther {
    let accepted = ["iss", "login_hint", "target_link_uri"];
    let given: Vec<_> =
        accepted.iter().filter_map(|name| Some((*name, &**form.get(*name)?))).collect();
    SeeOther::to(login_address(&given))
}

fn malformed(cause: InvalidParameter) -> Failure {
    Failure::new(
        Status::BadRequest,
        "This link cannot be followed",
        "It requests a log-in with invalid parameters.",
        "Log in without it, and tell the author of the link.",
    )
    .with_action("Log In", uri!(login))
    .caused_by(cause)
}

/// The issuer of a login initiated by a third party is not the configured one, or cannot be checked.
fn not_ours(next: &NextPage, cause: RedeemError) -> Failure {
    match cause {
        RedeemError::WrongIssuer(_) => Failure::new(
            Status::BadRequest,
            "This link cannot be followed",
            "It asks you to log in at an identity provider that this site does not use.",
            "Log in without it, and tell the author of the link.",
        )
        .with_action("Log In", uri!(login))
        .caused_by(cause),
        RedeemError::Misconfigured(_) => misconfigured(cause),
        cause => provider_unavailable(log_in_for(Some(next)), cause),
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

#[get("/signup")]
async fn signup(
    _intended: NotPrefetched,
    counted: CountedLogin,
    stores: Stores<'_>,
    ports: &State<Ports>,
    metrics: &State<Metrics>,
    about: &State<About>,
) -> Result<SeeOther, Failure> {
    counted.allow(metrics)?;
    let request = LoginRequest {
        screen: Screen::SignUp,
        next: NextPage::profile(),
        parameters: about.sign_up_parameters.clone(),
        renew: false,
    };
    begin(ports, metrics, stores, request).await
}

async fn begin(
    ports: &Ports,
    metrics: &Metrics,
    stores: Stores<'_>,
    request: LoginRequest,
) -> Result<SeeOther, Failure> {
    let again = match request.screen {
        Screen::LogIn => log_in_for(Some(&request.next)),
        Screen::SignUp => uri!(signup).to_string(),
    };
    match ports.begin_login().run(&*stores.session, &*stores.attempts, request).await {
        Ok(BeginLoginOutcome::AtProvider(url)) => {
            metrics.login_begun();
            Ok(SeeOther::to(url))
        }
        Ok(BeginLoginOutcome::AlreadyLoggedIn(next)) => Ok(SeeOther::to(next)),
        Err(cause @ BeginLoginError::Loop) => Err(Failure::new(
            Status::TooManyRequests,
            "Too many log-ins",
            "Your browser logged in several times within a minute and came back without a session each time. It may be blocking the cookies of this site.",
            "Allow cookies for this site, wait a minute, then log in again. If it happens again, contact the operators of this site and give them the reference.",
        )
        .with_action("Home page", "/")
        .caused_by(cause)),
        Err(cause @ BeginLoginError::Provider(ProviderUnavailable::Misconfigured(_))) => {
            Err(misconfigured(cause))
        }
        Err(cause @ BeginLoginError::Provider(_)) => Err(provider_unavailable(again, cause)),
        Err(cause) => Err(unavailable(again, cause)),
    }
}

/// The provider is out of reach.
fn provider_unavailable(again: String, cause: impl Display) -> Failure {
    Failure::new(
        Status::ServiceUnavailable,
        "Log-in is not possible just now",
        "The identity provider cannot be reached.",
        "Try again in a moment. The public pages work as ever.",
    )
    .with_action("Try again", again)
    .caused_by(cause)
}

/// Our own storage is out of reach.
pub(super) fn unavailable(again: String, cause: impl Display) -> Failure {
    Failure::new(
        Status::ServiceUnavailable,
        "Log-in is not possible just now",
        "This site cannot remember who you are at the moment. You have not been logged in.",
        "Try again in a moment.",
    )
    .with_action("Try again", again)
    .session_unknown()
    .caused_by(cause)
}
