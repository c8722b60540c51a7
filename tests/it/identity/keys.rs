//! Keys that change, and people who pretend that they did.

use chrono::TimeDelta;
use portico_adapters::http::Limits;
use portico_domain::{
    model::RefreshToken,
    ports::{IdentityProvider, LogoutTokenError, RefreshError},
};
use portico_tests::stub_server::Response;
use serde_json::json;

use super::{
    Outside, attempt, clock_at_now, provider,
    refresh::session_of,
    script::{Script, signing_key},
};

#[tokio::test]
async fn fetches_keys_rotated_during_login() {
    let outside = Outside::start().await;
    let oidc = outside.provider();
    outside.log_in(&oidc).await.unwrap();
    let attempt = attempt("login");
    let response = outside.answer(&oidc, &attempt).await;

    outside.servers.rotate_keys().await.unwrap();
    let before = outside.requested();
    oidc.redeem(&response, &attempt).await.unwrap();
    assert_eq!(outside.asked_since(before), [0, 1, 1, 0], "the keys alone are fetched anew");

    let before = outside.requested();
    outside.log_in(&oidc).await.unwrap();
    assert_eq!(outside.asked_since(before), [0, 0, 1, 0], "and kept");
}

#[tokio::test]
async fn logs_in_after_consecutive_key_rotations() {
    let outside = Outside::start().await;
    let clock = clock_at_now();
    let mut settings = outside.settings();
    settings.scopes.push("offline_access".into());
    let oidc = provider(settings, Limits::default(), clock);
    let session = session_of(outside.log_in(&oidc).await.unwrap());
    for _ in 0..2 {
        outside.servers.rotate_keys().await.unwrap();
        outside.log_in(&oidc).await.unwrap();
    }
    outside.servers.rotate_keys().await.unwrap();
    oidc.refresh(&session).await.unwrap();
}

/// A logout token that names a key that the provider does not have.
fn forged() -> String {
    let key = signing_key("ES256", Some("forged"));
    key.sign(&json!({ "alg": "RS256", "kid": "forged" }), &json!({})).unwrap()
}

#[tokio::test]
async fn forged_logout_tokens_delay_no_login() {
    let outside = Outside::start().await;
    let clock = clock_at_now();
    let oidc = outside.provider_by(&clock);
    outside.log_in(&oidc).await.unwrap();
    let forged = forged();
    for _ in 0..3 {
        clock.advance(TimeDelta::milliseconds(990));
        let refused = oidc.verify_logout_token(&forged).await;
        assert!(matches!(refused, Err(LogoutTokenError::Invalid(_))), "{refused:?}");
    }
    outside.servers.rotate_keys().await.unwrap();
    outside.log_in(&oidc).await.unwrap();
}

#[tokio::test]
async fn simultaneous_forged_logout_tokens_share_key_requests() {
    let outside = Outside::start().await;
    let oidc = outside.provider_by(&clock_at_now());
    outside.log_in(&oidc).await.unwrap();
    let before = outside.requested();
    let forged = forged();
    let verify = || oidc.verify_logout_token(&forged);
    let results = tokio::join!(verify(), verify(), verify(), verify(), verify());
    assert!(results.0.is_err() && results.4.is_err());
    assert_eq!(outside.asked_since(before)[1], 1);
}

#[tokio::test]
async fn refresh_with_unknown_key_is_unavailable_not_refused() {
    let no_keys = |number| (number > 0).then(|| Response::json(200, json!({ "keys": [] })));
    let script = Script { key_sets: Some(Box::new(no_keys)), ..Script::default() };
    let scripted = script.start().await;
    let oidc = scripted.provider();
    let mut session = session_of(scripted.redeem(&oidc).await.unwrap());
    session.identity.tokens.refresh_token = Some(RefreshToken::new("a token"));
    oidc.check().await.unwrap();
    let answer = oidc.refresh(&session).await;
    assert!(matches!(answer, Err(RefreshError::ProviderFault(_))), "{answer:?}");
}
