//! What `portico check` tries at the provider. Nobody is logged in, and no secret is in the results.

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Request, StatusCode, header};
use portico_domain::model::{
    AuthorizationParameters, CLOCK_LEEWAY, Check, CodeVerifier, LoginAttempt, NextPage, Nonce,
    Screen, State,
};
use serde_json::Value;

use super::{
    OidcProvider, ResponseMode, Vendor, authorization_request,
    discovery::{Metadata, ProviderDocuments},
    tokens,
};

/// Difference of the clocks that is worth a warning. The header has whole seconds.
const CLOCK_WARNING: TimeDelta = TimeDelta::seconds(5);

/// What the request for no log-in has in place of random values: it is answered with an error.
const MADE_UP: &str = "portico-check-portico-check-portico-check-0";

pub(super) async fn examine(provider: &OidcProvider) -> Vec<Check> {
    let documents = match provider.discovery.refresh().await {
        Ok(documents) => documents,
        Err(error) => return vec![Check::failed("discovery", error.to_string())],
    };
    let metadata = &documents.metadata;
    let vendor = match provider.settings.registration.vendor {
        Vendor::Auth0 => "Auth0, ",
        Vendor::Any => "",
    };
    let (clock, credentials, callback) = tokio::join!(
        clock(provider),
        tokens::try_credentials(provider, metadata),
        callback_address(provider, metadata),
    );
    vec![
        Check::passed("discovery", format!("{vendor}issuer {}", metadata.issuer)),
        algorithms(&documents),
        log_out_endpoint(provider, metadata),
        clock,
        credentials,
        callback,
    ]
}

fn algorithms(documents: &ProviderDocuments) -> Check {
    const NAME: &str = "algorithms";
    let metadata = &documents.metadata;
    let name = |algorithm| match serde_json::to_value(algorithm) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    };
    let names = metadata.id_token_algorithms.iter().map(name).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        let why = "the provider lists no asymmetric algorithm for ID tokens";
        return Check::failed(NAME, why);
    }
    if documents.keys.is_empty() {
        return Check::failed(NAME, "the provider publishes no key of sufficient length");
    }
    if !metadata.lists_id_token_algorithms {
        let why = format!(
            "OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG is {names}, which the provider does not list"
        );
        return Check::warning(NAME, why);
    }
    let count = documents.keys.len();
    Check::passed(NAME, format!("ID tokens with {names}; {count} key(s)"))
}

fn log_out_endpoint(provider: &OidcProvider, metadata: &Metadata) -> Check {
    const NAME: &str = "log-out endpoint";
    match (&metadata.end_session_endpoint, provider.settings.registration.vendor) {
        (Some(_), _) => Check::passed(NAME, "the metadata name one"),
        (None, Vendor::Auth0) => Check::passed(NAME, "/v2/logout, as the metadata name none"),
        (None, Vendor::Any) => Check::warning(
            NAME,
            "the metadata name none: a log-out ends the session of this site only",
        ),
    }
}

/// Compares the clocks by the `Date` header of the metadata (RFC 9110, section 6.6.1).
async fn clock(provider: &OidcProvider) -> Check {
    const NAME: &str = "clock";
    let unknown = |why: String| Check::warning(NAME, format!("cannot be compared: {why}"));
    let request = Request::get(provider.settings.metadata_url()).body(Vec::new());
    let request = match request {
        Ok(request) => request,
        Err(error) => return unknown(error.to_string()),
    };
    let before = provider.clock.now();
    let response = match provider.http.send(request).await {
        Ok(response) => response,
        Err(error) => return unknown(error.to_string()),
    };
    let after = provider.clock.now();
    let Some(date) = date_of(response.headers()) else {
        return unknown("the provider sends no Date header".into());
    };
    // The header has whole seconds: up to one of them is lost.
    let ahead = if date > after {
        date - after
    } else if date + TimeDelta::seconds(1) < before {
        date + TimeDelta::seconds(1) - before
    } else {
        TimeDelta::zero()
    };
    let seconds = ahead.num_seconds().abs();
    let direction = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
    let text = format!("the provider's clock is {seconds} s {direction} this machine's");
    match ahead.abs() {
        difference if difference >= CLOCK_LEEWAY => Check::failed(
            NAME,
            format!("{text}: ID tokens will be refused; synchronize the clocks (NTP)"),
        ),
        difference if difference >= CLOCK_WARNING => {
            Check::warning(NAME, format!("{text}; synchronize the clocks (NTP)"))
        }
        _ => Check::passed(NAME, "the provider's agrees with this machine's"),
    }
}

/// The time at the provider. A cache adds the age of what it stored (RFC 9111, section 5.1).
fn date_of(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = |name| headers.get(name)?.to_str().ok();
    let date = DateTime::parse_from_rfc2822(text(header::DATE)?).ok()?;
    let age = text(header::AGE).and_then(|age| age.parse::<u32>().ok()).unwrap_or(0);
    Some(date.to_utc() + TimeDelta::seconds(age.into()))
}

/// Sends an authorization request with `prompt=none`, without a session at the provider: the answer is
/// an error at the callback (OpenID Connect Core, section 3.1.2.6), unless the provider does not know
/// the callback.
async fn callback_address(provider: &OidcProvider, metadata: &Metadata) -> Check {
    const NAME: &str = "callback address";
    let address = &provider.settings.redirect_uri;
    let unknown = |why: &str| {
        let text = format!("{why}; make sure that {address} is registered at the provider");
        Check::warning(NAME, text)
    };
    if provider.settings.response_mode == ResponseMode::FormPost {
        return unknown("cannot be tried with OIDC_RESPONSE_MODE=form_post");
    }
    let Ok(requested) = AuthorizationParameters::parse([("prompt", "none")]) else {
        return unknown("cannot be tried");
    };
    let attempt = LoginAttempt {
        state: State::new(MADE_UP),
        nonce: Nonce::new(MADE_UP),
        code_verifier: CodeVerifier::new(MADE_UP),
        next: NextPage::profile(),
        requested,
        started_at: provider.clock.now(),
    };
    let url = authorization_request::authorization_url(provider, metadata, &attempt, Screen::LogIn);
    let url = match url.await {
        Ok(url) => url,
        Err(error) => return Check::failed(NAME, format!("{error}; the callback is {address}")),
    };
    let request = Request::get(url.as_str()).body(Vec::new());
    let Ok(request) = request else { return unknown("cannot be tried") };
    let response = match provider.http.send(request).await {
        Ok(response) => response,
        // In a network of containers only browsers may reach it.
        Err(error) => {
            return unknown(&format!("the authorization endpoint cannot be reached: {error}"));
        }
    };
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|location| location.to_str().ok()).unwrap_or_default();
    match response.status() {
        status if status.is_redirection() && location.starts_with(&**address) => {
            Check::passed(NAME, format!("the provider accepts {address}"))
        }
        status @ (StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) => Check::failed(
            NAME,
            format!(
                "the provider refuses the authorization request (status {}): register exactly \
                 {address} as callback address, and check the client id",
                status.as_u16(),
            ),
        ),
        status => unknown(&format!("not confirmed (status {})", status.as_u16())),
    }
}
