//! Pushed authorization requests (RFC 9126).

use portico_adapters::identity::{ClientSecret, oidc::OidcSettings};
use portico_domain::{model::Screen, ports::IdentityProvider};
use portico_tests::stub_server::{Request, Response};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{
    CLIENT_ID, attempt,
    script::{ATTEMPT, Script, Scripted},
    settings,
};

const ENDPOINT: &str = "pushed_authorization_request_endpoint";

/// A provider with the endpoint in its metadata, and more metadata of the test.
async fn scripted(more: Value, pushed: Option<Response>) -> Scripted {
    let mut script = Script { metadata: more, names_par: true, ..Script::default() };
    if let Some(pushed) = pushed {
        script.pushed = pushed;
    }
    script.start().await
}

fn pushing(scripted: &Scripted) -> OidcSettings {
    OidcSettings { pushed_requests: true, ..settings(&scripted.issuer()) }
}

async fn url(scripted: &Scripted, settings: OidcSettings) -> Result<Url, String> {
    let oidc = scripted.provider_with(settings);
    let url = oidc.authorization_url(&attempt(ATTEMPT), Screen::LogIn).await;
    url.map(|url| Url::parse(&url).unwrap()).map_err(|error| error.to_string())
}

fn form(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn authorization_url_contains_only_client_id_and_request_uri() {
    for (metadata, set) in
        [(json!({}), true), (json!({ "require_pushed_authorization_requests": true }), false)]
    {
        let scripted = scripted(metadata, None).await;
        let settings = OidcSettings { pushed_requests: set, ..settings(&scripted.issuer()) };
        let url = url(&scripted, settings).await.unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [pair("client_id", CLIENT_ID), pair("request_uri", "urn:pushed:1")]);

        let requested = scripted.requested("/par");
        let [request] = &requested[..] else { panic!("{} requests", requested.len()) };
        assert_eq!(request.method, "POST");
        assert!(request.header("authorization").unwrap().starts_with("Basic "));
        let form = form(request);
        let attempt = attempt(ATTEMPT);
        for (name, value) in [
            ("client_id", CLIENT_ID),
            ("response_type", "code"),
            ("state", attempt.state.expose()),
            ("nonce", attempt.nonce.expose()),
            ("code_challenge_method", "S256"),
            ("redirect_uri", "https://site.example/callback"),
        ] {
            let given: Vec<_> = form.iter().filter(|(key, _)| key == name).collect();
            assert_eq!(given, [&pair(name, value)], "{name}");
        }
        assert!(!form.iter().any(|(name, _)| name == "client_secret"));
    }
}

#[tokio::test]
async fn authenticates_as_at_token_endpoint() {
    let methods = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    let scripted = scripted(methods, None).await;
    url(&scripted, pushing(&scripted)).await.unwrap();
    let mut public = pushing(&scripted);
    public.registration.client_secret = None;
    url(&scripted, public).await.unwrap();
    let requested = scripted.requested("/par");
    let secret = |request| form(request).into_iter().find(|(name, _)| name == "client_secret");
    assert_eq!(secret(&requested[0]).unwrap().1, super::SECRET);
    assert_eq!(secret(&requested[1]), None);
    assert!(requested.iter().all(|request| request.header("authorization").is_none()));
    for request in &requested {
        let names = form(request).into_iter().filter(|(name, _)| name == "client_id");
        assert_eq!(names.count(), 1);
    }
}

#[tokio::test]
async fn failed_push_gives_no_authorization_url() {
    for (answer, why) in [
        (Response::json(400, json!({ "error": "invalid_request" })), "invalid_request"),
        (Response::json(401, json!({ "error": "invalid_client" })), "401"),
        (Response::html(500, "oops"), "500"),
        (Response::html(201, "<html>"), "no request_uri"),
        (Response::json(201, json!({ "request_uri": "" })), "no request_uri"),
        (Response::json(201, json!({ "request_uri": 7 })), "no request_uri"),
    ] {
        let scripted = scripted(json!({}), Some(answer)).await;
        let error = url(&scripted, pushing(&scripted)).await.unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
        assert!(!error.contains(attempt(ATTEMPT).state.expose()), "{error}");
    }
    let without = scripted(json!({ ENDPOINT: null }), None).await;
    let mut settings = pushing(&without);
    settings.registration.client_secret = Some(ClientSecret::new("a secret".into()));
    let error = url(&without, settings).await.unwrap_err();
    assert!(error.contains("not named"), "{error}");
}
