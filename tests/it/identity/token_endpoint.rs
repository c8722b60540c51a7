//! What the token endpoint is told, and what is read from its answer.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Duration;
use portico_adapters::{
    http::Limits,
    identity::{ClientSecret, oidc::OidcSettings},
};
use portico_domain::ports::{
    Clock,
    RedeemError::{CodeRejected, ProviderFault},
};
use portico_tests::tiny_server::Answer;
use serde_json::{Value, json};

use super::{
    CLIENT_ID, SECRET, assert_refused, clock_at_now, provider,
    script::{ACCESS_TOKEN, ATTEMPT, CODE, Script},
    settings,
};

/// What the provider says, the client's secret, the header's scheme, and whether it is in the body.
type Row = (&'static str, Value, Option<&'static str>, Option<&'static str>, bool);

#[tokio::test]
async fn the_secret_goes_where_the_provider_takes_it() {
    let both = json!(["client_secret_post", "client_secret_basic"]);
    let rows: [Row; 6] = [
        ("what nobody says is Basic", Value::Null, Some(SECRET), Some("Basic"), false),
        ("Basic where there is a choice", both.clone(), Some("plain"), Some("Basic"), false),
        ("the body where Basic would need an encoding", both.clone(), Some(SECRET), None, true),
        ("in the body only", json!(["client_secret_post"]), Some(SECRET), None, true),
        ("Basic only", json!(["client_secret_basic"]), Some(SECRET), Some("Basic"), false),
        ("a public client has none", both, None, None, false),
    ];
    for (row, methods, secret, scheme, in_body) in rows {
        let metadata = json!({ "token_endpoint_auth_methods_supported": methods });
        let scripted = Script { metadata, ..Script::default() }.start().await;
        let client_secret = secret.map(|secret| ClientSecret::new(secret.into()));
        let settings = OidcSettings { client_secret, ..settings(&scripted.issuer()) };
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
async fn the_end_of_the_access_token_is_reckoned_from_its_arrival() {
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
async fn a_secret_in_the_header_is_form_encoded() {
    let scripted = Script::default().start().await;
    scripted.redeem(&scripted.provider()).await.unwrap();
    let request = scripted.requested("/token").remove(0);
    let sent = request.header("authorization").unwrap().strip_prefix("Basic ").unwrap();
    let sent = String::from_utf8(BASE64_STANDARD.decode(sent).unwrap()).unwrap();
    assert_eq!(sent, "portico:a+secret%3A+100+%25+%2B+some");
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_secret_elsewhere() {
    let scripted =
        Script { instead_of_token: Some(Answer::redirect(307, "/elsewhere")), ..Script::default() }
            .start()
            .await;
    let refused = scripted.redeem(&scripted.provider()).await;
    assert_refused(refused, &ProviderFault("token endpoint".into()), "redirect");
    assert!(scripted.requested("/elsewhere").is_empty());
}

#[tokio::test]
async fn no_refusal_repeats_a_secret() {
    let verifier = super::attempt(ATTEMPT).code_verifier;
    let verifier = verifier.expose();
    let said = format!("The code {CODE} is not known.\nOr {SECRET}, or {verifier}");
    let error = json!({ "error": "invalid_grant", "error_description": said });
    let page = format!("{{\"access_token\": \"{ACCESS_TOKEN}\", \"code\": \"{CODE}\"");
    for (answer, expected) in [
        (Answer::json(400, error), CodeRejected("is not known".into())),
        (Answer::json(200, page.clone()), ProviderFault("malformed answer".into())),
        (Answer::json(400, page), ProviderFault("malformed answer".into())),
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
