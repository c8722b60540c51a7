//! Authorization requests and the responses to them (OpenID Connect Core, section 3.1.2).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rocket::response::Redirect;
use rocket_dyn_templates::{Template, context};
use serde_json::{Value, json};
use url::Url;

use super::{
    discovery::SCOPES,
    response::{BrowserResponse, error_page},
};
use crate::{
    model::{
        faults::Fault,
        grants::{AuthorizationCode, CODE_LIFETIME, Grant},
        internal_error::InternalError,
        jws::changed,
        overrides::UnknownScope,
        provider::Provider,
        random::random,
        sessions::ProviderSession,
        tokens::parsed,
    },
    web::parameters::{Parameters, is_unreserved},
};

/// A valid authorization request of the registered client.
pub(crate) struct AuthorizationRequest {
    /// All parameters, which the forms repeat as hidden fields.
    pub(crate) parameters: Parameters,
    pub(crate) login_hint: Option<String>,
    redirect_uri: Url,
    by_form: bool,
    state: Option<String>,
    scope: Vec<String>,
    nonce: Option<String>,
    challenge: String,
    audience: Option<String>,
    max_age: Option<TimeDelta>,
    /// `prompt=none`: respond without a page.
    pub(crate) silent: bool,
    /// The form is shown even to a user with a session.
    pub(crate) wants_form: bool,
    pub(crate) sign_up: bool,
}

impl AuthorizationRequest {
    /// Compares `client_id` and `redirect_uri` first and exactly: an error in these is shown on a
    /// page, any other is returned to the client (OpenID Connect Core, section 3.1.2.6).
    pub(crate) fn parse(
        provider: &Provider,
        parameters: &Parameters,
    ) -> Result<Self, Box<BrowserResponse>> {
        let page = |message| Box::new(BrowserResponse::BadRequest(error_page(400, message)));
        if parameters.get("client_id") != Some(provider.client.id.as_str()) {
            return Err(page("Unknown application (client_id)."));
        }
        if parameters.get("redirect_uri") != Some(provider.client.redirect_uri.as_str()) {
            return Err(page(
                "The application is not registered with this redirect URI (redirect_uri).",
            ));
        }
        let redirect_uri = Url::parse(&provider.client.redirect_uri)
            .map_err(|_| page("The redirect URI of the application is malformed."))?;

        let list = |name| {
            let value = parameters.get(name).unwrap_or_default();
            value.split_ascii_whitespace().collect::<Vec<_>>()
        };
        let prompt = list("prompt");
        let sign_up = prompt.contains(&"create") || parameters.get("screen_hint") == Some("signup");
        let dialect = provider.dialect.overrides();
        let is_known = |scope: &&str| match &*dialect.scopes {
            [] => SCOPES.contains(scope),
            scopes => scopes.iter().any(|known| known == scope),
        };
        let (scope, unknown): (Vec<_>, Vec<_>) = list("scope").into_iter().partition(is_known);
        if !unknown.is_empty() && dialect.unknown_scope == UnknownScope::ErrorPage {
            return Err(page("The application requested an unknown scope (invalid_scope)."));
        }
        let max_age = parameters.get("max_age").map(|age| age.parse::<u32>());
        let challenge = parameters.get("code_challenge").unwrap_or_default();
        let request = Self {
            parameters: parameters.clone(),
            login_hint: parameters.get("login_hint").map(Into::into),
            redirect_uri,
            by_form: parameters.get("response_mode") == Some("form_post"),
            state: parameters.get("state").map(Into::into),
            scope: scope.into_iter().map(Into::into).collect(),
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

        let known_prompt = |value: &&str| ["none", "login", "create"].contains(value);
        let problem = if parameters.has_duplicates() {
            Some(("invalid_request", "A parameter occurs more than once."))
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
        } else if !unknown.is_empty() && dialect.unknown_scope == UnknownScope::ErrorResponse {
            Some(("invalid_scope", "An unknown scope was requested."))
        } else if challenge.len() != 43 || !challenge.bytes().all(is_unreserved) {
            Some(("invalid_request", "PKCE is required: code_challenge."))
        } else if parameters.get("code_challenge_method") != Some("S256") {
            Some(("invalid_request", "PKCE is required: code_challenge_method must be S256."))
        } else if !prompt.iter().all(known_prompt) || (request.silent && prompt.len() > 1) {
            Some(("invalid_request", "prompt must be none, login or create."))
        } else if max_age.is_some_and(|age| age.is_err()) {
            Some(("invalid_request", "max_age must be a number of seconds."))
        } else if request.audience.as_ref().is_some_and(|requested| *requested != provider.audience)
        {
            Some(("invalid_target", "There is no API with this audience."))
        } else {
            None
        };
        match problem {
            Some((error, why)) => Err(Box::new(request.refuse(provider, error, why))),
            None => Ok(request),
        }
    }

    /// Whether `max_age` allows a log-in without a new authentication.
    pub(crate) fn accepts(&self, session: &ProviderSession, now: DateTime<Utc>) -> bool {
        self.max_age.is_none_or(|age| now - session.authenticated_at < age)
    }

    /// Redirects to the client with a code.
    pub(crate) fn grant(
        self,
        provider: &Provider,
        session: &ProviderSession,
    ) -> Result<BrowserResponse, InternalError> {
        let code = random()?;
        let grant = Grant {
            id: random()?,
            account: Arc::clone(&session.account),
            scope: self.scope.clone(),
            audience: self.audience.clone(),
            nonce: self.nonce.clone(),
            auth_time: session.authenticated_at,
            sid: Some(session.sid.clone()),
        };
        let response = self.respond(provider, Some(&grant), json!({ "code": code }));
        let data = AuthorizationCode {
            grant,
            redirect_uri: provider.client.redirect_uri.clone(),
            challenge: self.challenge.clone(),
            expires: provider.now() + CODE_LIFETIME,
        };
        provider.grants.add_code(code, data);
        Ok(response)
    }

    /// Redirects to the client with an error (OpenID Connect Core, section 3.1.2.6).
    pub(crate) fn refuse(
        &self,
        provider: &Provider,
        error: &str,
        description: &str,
    ) -> BrowserResponse {
        let fields = json!({ "error": error, "error_description": description });
        self.respond(provider, None, fields)
    }

    fn respond(
        &self,
        provider: &Provider,
        grant: Option<&Grant>,
        mut fields: Value,
    ) -> BrowserResponse {
        if let Some(state) = &self.state {
            fields["state"] = state.as_str().into();
        }
        // RFC 9207.
        fields["iss"] = provider.issuer().into();
        fields =
            provider.in_dialect(fields, grant, |dialect| Some(&dialect.authorization_response));
        let change = provider.faults.find(|fault| match fault {
            Fault::ChangedResponse(change) => Some(parsed(change)),
            _ => None,
        });
        fields = changed(fields, &change.unwrap_or_default());
        let fields = fields.as_object().into_iter().flatten();
        let fields =
            fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into())));
        let fields: Vec<(String, String)> = fields.collect();
        if self.by_form {
            let action = self.redirect_uri.as_str();
            return BrowserResponse::Page(Template::render(
                "development/form_post",
                context! {
                    action, fields,
                },
            ));
        }
        let mut url = self.redirect_uri.clone();
        url.query_pairs_mut().extend_pairs(&fields);
        BrowserResponse::Redirect(Redirect::to(String::from(url)))
    }
}
