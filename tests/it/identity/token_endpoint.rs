//! Requests to the token endpoint, and how its responses are read.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Duration;
use portico_adapters::{
    http::Limits,
    identity::{ClientSecret, oidc::ClientAuthMethod},
};
use portico_domain::ports::{
    Clock,
    RedeemError::{self, CodeRejected, Misconfigured, ProviderFault},
};
use portico_tests::stub_server::{Request, Response};
use serde_json::{Value, json};

use super::{
    CLIENT_ID, SECRET, assert_refused, clock_at_now, provider,
    script::{ACCESS_TOKEN, ATTEMPT, CODE, Script},
    settings,
};

/// The name of the case, the methods in the metadata, the client's secret, the expected scheme of the
/// `Authorization` header, and whether the secret is in the body.
type Row = (&'static str, Value, Option<&'static str>, Option<&'static str>, bool);

#[tokio::test]
async fn sends_secret_by_supported_method() {
    let both = json!(["client_secret_post", "client_secret_basic"]);
    let rows: [Row; 6] = [
        ("Basic by default", Value::Null, Some(SECRET), Some("Basic"), false),
        ("Basic where there is a choice", both.clone(), Some("plain"), Some("Basic"), false),
        ("Basic also where it needs an encoding", both.clone(), Some(SECRET), Some("Basic"), false),
        ("in the body only", json!(["client_secret_post"]), Some(SECRET), None, true),
        ("Basic only", json!(["client_secret_basic"]), Some(SECRET), Some("Basic"), false),
        ("a public client has none", both, None, None, false),
    ];
    for (row, methods, secret, scheme, in_body) in rows {
        let metadata = json!({ "token_endpoint_auth_methods_supported": methods });
        let scripted = Script { metadata, ..Script::default() }.start().await;
        let client_secret = secret.map(|secret| ClientSecret::new(secret.into()));
        let mut settings = settings(&scripted.issuer());
        settings.registration.client_secret = client_secret;
        scripted.redeem(&scripted.provider_with(settings)).await.unwrap();

        let request = scripted.requested("/token").remove(0);
        let form: Vec<(String, String)> =
            url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let header = request.header("authorization");
        assert_eq!(header.and_then(|header| header.split(' ').next()), scheme, "{row}");
        assert_eq!(field("client_secret"), secret.filter(|_| in_body), "{row}");
        if header.is_none() {
            assert_eq!(field("client_id"), Some(CLIENT_ID), "{row}");
        }
        assert_eq!(field("grant_type"), Some("authorization_code"), "{row}");
        assert_eq!(field("code"), Some(CODE), "{row}");
        let verifier = super::attempt(ATTEMPT).code_verifier;
        assert_eq!(field("code_verifier"), Some(verifier.expose()), "{row}");
        assert_eq!(field("redirect_uri"), Some("https://site.example/callback"), "{row}");
    }
}

#[tokio::test]
async fn computes_access_token_expiry_from_time_of_response() {
    for (expires_in, seconds) in
        [(json!(3600), Some(3600)), (json!("3600"), Some(3600)), (Value::Null, None)]
    {
        let token = json!({ "expires_in": expires_in });
        let scripted = Script { token, ..Script::default() }.start().await;
        let clock = clock_at_now();
        let now = clock.now();
        let oidc = provider(settings(&scripted.issuer()), Limits::default(), clock);
        let tokens = scripted.redeem(&oidc).await.unwrap().tokens;
        let expected = seconds.map(|seconds| now + Duration::seconds(seconds));
        assert_eq!(tokens.access_token_expires_at, expected, "{expires_in}");
    }
}

#[tokio::test]
async fn form_encodes_secret_in_basic_header() {
    let scripted = Script::default().start().await;
    scripted.redeem(&scripted.provider()).await.unwrap();
    let request = scripted.requested("/token").remove(0);
    let sent = request.header("authorization").unwrap().strip_prefix("Basic ").unwrap();
    let sent = String::from_utf8(BASE64_STANDARD.decode(sent).unwrap()).unwrap();
    assert_eq!(sent, "portico:a+secret%3A+100+%25+%2B+some");
}

#[tokio::test]
async fn follows_no_redirect_with_secret() {
    let scripted = Script {
        instead_of_token: Some(Response::redirect(307, "/elsewhere")),
        ..Script::default()
    }
    .start()
    .await;
    let refused = scripted.redeem(&scripted.provider()).await;
    assert_refused(refused, &ProviderFault("token endpoint".into()), "redirect");
    assert!(scripted.requested("/elsewhere").is_empty());
}

#[tokio::test]
async fn errors_contain_no_secret() {
    let verifier = super::attempt(ATTEMPT).code_verifier;
    let verifier = verifier.expose();
    let description = format!("The code {CODE} is not known.\nOr {SECRET}, or {verifier}");
    let error = json!({ "error": "invalid_grant", "error_description": description });
    let page = format!("{{\"access_token\": \"{ACCESS_TOKEN}\", \"code\": \"{CODE}\"");
    for (answer, expected) in [
        (Response::json(400, error), CodeRejected("is not known".into())),
        (Response::json(200, page.clone()), ProviderFault("malformed answer".into())),
        (Response::json(400, page), ProviderFault("malformed answer: status 400".into())),
    ] {
        let script = Script { instead_of_token: Some(answer), ..Script::default() };
        let scripted = script.start().await;
        let outcome = scripted.redeem(&scripted.provider()).await;
        let text = format!("{outcome:?}");
        for secret in [CODE, SECRET, verifier, ACCESS_TOKEN, "\n"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_refused(outcome, &expected, "a secret");
    }
}

/// A provider that refuses a client with this error unless it uses this method.
fn accepting_only(method: &'static str, error: &'static str) -> Script {
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    Script {
        metadata: json!({ "token_endpoint_auth_methods_supported": methods }),
        refuse_client: Some(Box::new(move |request: &Request| {
            let used = match request.header("authorization") {
                Some(_) => "client_secret_basic",
                None => "client_secret_post",
            };
            (used != method).then(|| Response::json(401, json!({ "error": error })))
        })),
        ..Script::default()
    }
}

#[tokio::test]
async fn tries_the_other_listed_method_once_and_remembers_it() {
    for (method, error, requests) in [
        ("client_secret_basic", "invalid_client", 2),
        ("client_secret_post", "invalid_client", 3),
        ("client_secret_post", "unauthorized_client", 3),
    ] {
        let scripted = accepting_only(method, error).start().await;
        let oidc = scripted.provider();
        scripted.redeem(&oidc).await.unwrap();
        scripted.redeem(&oidc).await.unwrap();
        assert_eq!(scripted.requested("/token").len(), requests, "{method} {error}");
    }
}

#[tokio::test]
async fn tries_no_other_method_when_one_is_set_or_after_another_error() {
    type Kind = fn(String) -> RedeemError;
    let (basic, post) = (ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost);
    let rows: [(_, _, _, Kind); 3] = [
        (Some(basic), "client_secret_post", "invalid_client", Misconfigured),
        (Some(post), "client_secret_basic", "invalid_client", Misconfigured),
        (None, "client_secret_post", "invalid_request", ProviderFault),
    ];
    for (set, method, error, kind) in rows {
        let scripted = accepting_only(method, error).start().await;
        let mut settings = settings(&scripted.issuer());
        settings.registration.client_auth_method = set;
        let refused = scripted.redeem(&scripted.provider_with(settings)).await;
        assert_refused(refused, &kind(error.into()), error);
        assert_eq!(scripted.requested("/token").len(), 1, "{set:?}");
    }
}

#[tokio::test]
async fn refusal_by_both_methods_names_the_settings() {
    let scripted = accepting_only("neither", "invalid_client").start().await;
    let refused = scripted.redeem(&scripted.provider()).await;
    assert_refused(refused, &Misconfigured("OIDC_CLIENT_AUTH_METHOD".into()), "both");
    assert_eq!(scripted.requested("/token").len(), 2);
}

#[tokio::test]
async fn unused_response_members_may_have_any_type() {
    for token in [
        json!({ "scope": ["openid"] }),
        json!({ "scope": 7, "refresh_token": ["x"], "session_state": {} }),
        json!({ "refresh_token": "", "expires_in": { "seconds": 60 } }),
    ] {
        let scripted = Script { token: token.clone(), ..Script::default() }.start().await;
        let identity = scripted.redeem(&scripted.provider()).await;
        let identity = identity.unwrap_or_else(|error| panic!("{token}: {error}"));
        assert_eq!(identity.tokens.refresh_token, None, "{token}");
    }
}

#[tokio::test]
async fn error_contains_message_of_provider() {
    let long = format!("AADSTS7000215: {}\u{7}\nend", "x".repeat(300));
    let page = Response::html(503, "<title>Down</title>")
        .with("WWW-Authenticate", "Bearer error=\"insufficient_scope\"");
    for (answer, words) in [
        (
            Response::json(401, json!({ "error": "invalid_client", "error_description": long })),
            vec!["AADSTS7000215", "xend", "OIDC_CLIENT_SECRET"],
        ),
        (
            Response::json(400, json!({ "error": "invalid_scope", "error_description": "no x" })),
            vec!["invalid_scope (no x)", "OIDC_SCOPES"],
        ),
        (
            // Auth0's answer to a wrong secret.
            Response::json(
                401,
                json!({ "error": "access_denied", "error_description": "Unauthorized" }),
            ),
            vec!["access_denied (Unauthorized)", "OIDC_CLIENT_SECRET"],
        ),
        (page, vec!["status 503", "`text/html; charset=utf-8`", "insufficient_scope"]),
    ] {
        let script = Script { instead_of_token: Some(answer), ..Script::default() };
        let scripted = script.start().await;
        let refused = scripted.redeem(&scripted.provider()).await;
        let Err(ProviderFault(text) | Misconfigured(text)) = refused else { panic!("{words:?}") };
        for words in words {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.chars().any(char::is_control), "{text}");
    }
}
