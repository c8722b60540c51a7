//! The authorization endpoint (OpenID Connect Core, section 3.1.2).

use std::sync::Arc;

use chrono::TimeDelta;
use rocket::{
    Responder, Route, State, get,
    http::{CookieJar, Status},
    post,
    response::Redirect,
    routes,
};
use rocket_dyn_templates::{Template, context};
use serde_json::Value;
use url::Url;

use super::{
    Provider,
    discovery::SCOPES,
    grants::{CODE_LIFETIME, Code, Grant},
    login, pages, random,
    sign_ins::SignIn,
    tokens::parsed,
};
use crate::{faults::Fault, parameters::Parameters};

pub(super) fn routes() -> Vec<Route> {
    routes![by_query, by_form, cancel]
}

#[get("/authorize")]
fn by_query(
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    parameters: Parameters,
) -> Result<Reply, Status> {
    authorize(provider, jar, &parameters)
}

#[post("/authorize", data = "<parameters>")]
fn by_form(
    provider: &State<Arc<Provider>>,
    jar: &CookieJar<'_>,
    parameters: Parameters,
) -> Result<Reply, Status> {
    authorize(provider, jar, &parameters)
}

/// Where the link `Cancel` of the forms leads.
#[get("/cancel")]
fn cancel(provider: &State<Arc<Provider>>, parameters: Parameters) -> Reply {
    match AuthorizationRequest::parse(provider, &parameters) {
        Ok(request) => request.refuse(provider, "access_denied", "The visitor cancelled."),
        Err(reply) => *reply,
    }
}

fn authorize(
    provider: &Provider,
    jar: &CookieJar<'_>,
    parameters: &Parameters,
) -> Result<Reply, Status> {
    let request = match AuthorizationRequest::parse(provider, parameters) {
        Ok(request) => request,
        Err(reply) => return Ok(*reply),
    };
    let error = provider.faults.find(|fault| match fault {
        Fault::AuthorizationError(error) => Some(error),
        _ => None,
    });
    if let Some(error) = error {
        return Ok(request.refuse(provider, error, "So it was chosen."));
    }
    let now = provider.now();
    let fresh = |sign_in: &SignIn| request.max_age.is_none_or(|age| now - sign_in.since < age);
    match provider.sign_ins.of(jar).filter(fresh) {
        Some(sign_in) if !request.wants_form => request.grant(provider, &sign_in),
        None if request.silent => {
            Ok(request.refuse(provider, "login_required", "Nobody is signed in."))
        }
        _ if request.sign_up => Ok(login::sign_up_page(provider, &request)),
        _ => Ok(login::log_in_page(provider, &request)),
    }
}

/// What an authorization response may hold.
const RESPONSE: [&str; 4] = ["code", "state", "iss", "error"];

/// What the endpoint answers.
#[derive(Responder)]
pub(super) enum Reply {
    Redirect(Redirect),
    Page(Template),
    #[response(status = 400)]
    BadRequest(Template),
}

/// An authorization request of our client, found to be in order.
pub(super) struct AuthorizationRequest {
    /// As it came: the forms carry it along.
    pub(super) parameters: Parameters,
    pub(super) login_hint: Option<String>,
    redirect_uri: Url,
    by_form: bool,
    state: Option<String>,
    scope: Vec<String>,
    nonce: Option<String>,
    challenge: String,
    audience: Option<String>,
    max_age: Option<TimeDelta>,
    /// `prompt=none`: answer without a page.
    silent: bool,
    /// A form is to be shown even to someone signed in.
    wants_form: bool,
    sign_up: bool,
}

impl AuthorizationRequest {
    /// Client and address are compared first, exactly: before that, nothing is redirected.
    pub(super) fn parse(provider: &Provider, parameters: &Parameters) -> Result<Self, Box<Reply>> {
        let page = |message| Box::new(Reply::BadRequest(pages::error(400, message)));
        if parameters.get("client_id") != Some(provider.client.id.as_str()) {
            return Err(page("The application that sent you here is not known (client_id)."));
        }
        if parameters.get("redirect_uri") != Some(provider.client.redirect_uri.as_str()) {
            return Err(page(
                "The application that sent you here is not registered under the address it wants \
                 you sent back to (redirect_uri).",
            ));
        }
        let redirect_uri = Url::parse(&provider.client.redirect_uri)
            .map_err(|_| page("The application is registered under an address that is none."))?;

        let words = |name| {
            let value = parameters.get(name).unwrap_or_default();
            value.split_ascii_whitespace().collect::<Vec<_>>()
        };
        let prompt = words("prompt");
        let sign_up = prompt.contains(&"create") || parameters.get("screen_hint") == Some("signup");
        // An unknown scope is left out of what is granted (OpenID Connect Core, section 3.1.2.1).
        let scope = words("scope").into_iter().filter(|scope| SCOPES.contains(scope));
        let max_age = parameters.get("max_age").map(|age| age.parse::<u32>());
        let challenge = parameters.get("code_challenge").unwrap_or_default();
        let request = Self {
            parameters: parameters.clone(),
            login_hint: parameters.get("login_hint").map(Into::into),
            redirect_uri,
            by_form: parameters.get("response_mode") == Some("form_post"),
            state: parameters.get("state").map(Into::into),
            scope: scope.map(Into::into).collect(),
            nonce: parameters.get("nonce").map(Into::into),
            challenge: challenge.into(),
            audience: parameters.get("audience").map(Into::into),
            max_age: max_age
                .clone()
                .and_then(Result::ok)
                .map(|seconds| TimeDelta::seconds(seconds.into())),
            silent: prompt.contains(&"none"),
            wants_form: sign_up || prompt.contains(&"login"),
            sign_up,
        };

        let known_prompt = |word: &&str| ["none", "login", "create"].contains(word);
        let problem = if parameters.repeated() {
            Some(("invalid_request", "A parameter came twice."))
        } else if parameters.get("request").is_some() {
            Some(("request_not_supported", "Request objects are not supported."))
        } else if parameters.get("request_uri").is_some() {
            Some(("request_uri_not_supported", "Request objects are not supported."))
        } else if parameters.get("response_type") != Some("code") {
            Some(("unsupported_response_type", "response_type must be code."))
        } else if !matches!(parameters.get("response_mode"), None | Some("query" | "form_post")) {
            Some(("invalid_request", "response_mode must be query or form_post."))
        } else if !request.scope.iter().any(|scope| scope == "openid") {
            Some(("invalid_scope", "scope must contain openid."))
        } else if challenge.len() != 43 || !challenge.bytes().all(unreserved) {
            Some(("invalid_request", "PKCE is required: code_challenge."))
        } else if parameters.get("code_challenge_method") != Some("S256") {
            Some(("invalid_request", "PKCE is required: code_challenge_method must be S256."))
        } else if !prompt.iter().all(known_prompt) || (request.silent && prompt.len() > 1) {
            Some(("invalid_request", "prompt must be none, login or create."))
        } else if max_age.is_some_and(|age| age.is_err()) {
            Some(("invalid_request", "max_age must be a number of seconds."))
        } else if request.audience.as_ref().is_some_and(|asked| *asked != provider.audience) {
            Some(("invalid_target", "There is no API with this audience."))
        } else {
            None
        };
        match problem {
            Some((error, why)) => Err(Box::new(request.refuse(provider, error, why))),
            None => Ok(request),
        }
    }

    /// Back to the client with a code.
    pub(super) fn grant(self, provider: &Provider, sign_in: &SignIn) -> Result<Reply, Status> {
        let code = random()?;
        let meaning = Code {
            grant: Grant {
                id: random()?,
                account: Arc::clone(&sign_in.account),
                scope: self.scope.clone(),
                audience: self.audience.clone(),
                nonce: self.nonce.clone(),
                auth_time: sign_in.since,
                sid: Some(sign_in.sid.clone()),
            },
            redirect_uri: provider.client.redirect_uri.clone(),
            challenge: self.challenge.clone(),
            expires: provider.now() + CODE_LIFETIME,
        };
        provider.grants.add_code(code.clone(), meaning);
        Ok(self.answer(provider, vec![("code", code)]))
    }

    /// Back to the client with an error (OpenID Connect Core, section 3.1.2.6).
    fn refuse(&self, provider: &Provider, error: &str, description: &str) -> Reply {
        let fields = vec![("error", error.into()), ("error_description", description.into())];
        self.answer(provider, fields)
    }

    fn answer(&self, provider: &Provider, mut fields: Vec<(&'static str, String)>) -> Reply {
        if let Some(state) = &self.state {
            fields.push(("state", state.clone()));
        }
        // RFC 9207: who answered.
        fields.push(("iss", provider.issuer().into()));
        let change = provider.faults.find(|fault| match fault {
            Fault::ChangedResponse(change) => Some(parsed(change)),
            _ => None,
        });
        for (name, value) in change.iter().filter_map(Value::as_object).flatten() {
            fields.retain(|(field, _)| field != name);
            if let (Some(value), Some(name)) =
                (value.as_str(), RESPONSE.iter().find(|it| *it == name))
            {
                fields.push((name, value.into()));
            }
        }
        if self.by_form {
            let action = self.redirect_uri.as_str();
            return Reply::Page(Template::render(
                "development/form_post",
                context! {
                    action, fields,
                },
            ));
        }
        let mut address = self.redirect_uri.clone();
        address.query_pairs_mut().extend_pairs(&fields);
        Reply::Redirect(Redirect::to(String::from(address)))
    }
}

/// The characters of a PKCE challenge or verifier (RFC 7636, section 4).
pub(super) fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
