//! Key rotation, and forged tokens that name unknown keys.

use chrono::TimeDelta;
use portico_adapters::http::Limits;
use portico_domain::{
    model::RefreshToken,
    ports::{IdentityProvider, LogoutTokenError, RefreshError},
};
use portico_tests::stub_server::Response;
use serde_json::json;

use super::{
    ProviderSetup, attempt, clock_at_now, provider,
    refresh::session_of,
    script::{Script, signing_key},
};

#[tokio::test]
async fn fetches_keys_rotated_during_login() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    setup.log_in(&oidc).await.unwrap();
    let attempt = attempt("login");
    let response = setup.answer(&oidc, &attempt).await;

    setup.servers.rotate_keys().await.unwrap();
    let before = setup.requested();
    oidc.redeem(&response, &attempt).await.unwrap();
    assert_eq!(setup.requests_since(before), [0, 1, 1, 0], "only the keys are fetched again");

    let before = setup.requested();
    setup.log_in(&oidc).await.unwrap();
    assert_eq!(setup.requests_since(before), [0, 0, 1, 0], "the keys are cached");
}

#[tokio::test]
async fn logs_in_after_consecutive_key_rotations() {
    let setup = ProviderSetup::start().await;
    let clock = clock_at_now();
    let mut settings = setup.settings();
    settings.scopes.push("offline_access".into());
    let oidc = provider(settings, Limits::default(), clock);
    let session = session_of(setup.log_in(&oidc).await.unwrap());
    for _ in 0..2 {
        setup.servers.rotate_keys().await.unwrap();
        setup.log_in(&oidc).await.unwrap();
    }
    setup.servers.rotate_keys().await.unwrap();
    oidc.refresh(&session).await.unwrap();
}

/// A logout token that names a key that the provider does not have.
fn forged() -> String {
    let key = signing_key("ES256", Some("forged"));
    key.sign(&json!({ "alg": "RS256", "kid": "forged" }), &json!({})).unwrap()
}

#[tokio::test]
async fn forged_logout_tokens_delay_no_login() {
    let setup = ProviderSetup::start().await;
    let clock = clock_at_now();
    let oidc = setup.provider_by(&clock);
    setup.log_in(&oidc).await.unwrap();
    let forged = forged();
    for _ in 0..3 {
        clock.advance(TimeDelta::milliseconds(990));
        let refused = oidc.verify_logout_token(&forged).await;
        assert!(matches!(refused, Err(LogoutTokenError::Invalid(_))), "{refused:?}");
    }
    setup.servers.rotate_keys().await.unwrap();
    setup.log_in(&oidc).await.unwrap();
}

#[tokio::test]
async fn simultaneous_forged_logout_tokens_share_key_requests() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider_by(&clock_at_now());
    setup.log_in(&oidc).await.unwrap();
    let before = setup.requested();
    let forged = forged();
    let verify = || oidc.verify_logout_token(&forged);
    let results = tokio::join!(verify(), verify(), verify(), verify(), verify());
    assert!(results.0.is_err() && results.4.is_err());
    assert_eq!(setup.requests_since(before)[1], 1);
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
