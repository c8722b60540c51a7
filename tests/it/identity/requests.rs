//! Authorization and end-session requests.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use portico_adapters::{
    http::Limits,
    identity::oidc::{OidcSettings, Vendor},
    system::SystemClock,
};
use portico_contracts::fixtures;
use portico_development::Fault;
use portico_domain::{
    model::{IdToken, Screen, State},
    ports::IdentityProvider,
};
use ring::digest::{SHA256, digest};
use serde_json::json;
use url::Url;

use super::{
    AUDIENCE, CLIENT_ID, ProviderSetup, attempt, provider,
    script::{Script, signing_key},
};

fn query(url: &str) -> BTreeMap<String, String> {
    let url = Url::parse(url).unwrap();
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let query: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(query.len(), pairs.len(), "a parameter came twice: {url}");
    query
}

#[tokio::test]
async fn authorization_url_is_bound_to_attempt() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    let attempt = attempt("a");
    let url = oidc.authorization_url(&attempt, Screen::LogIn).await.unwrap();
    let challenge = BASE64.encode(digest(&SHA256, attempt.code_verifier.expose().as_bytes()));
    let expected = [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", &setup.settings().redirect_uri),
        ("scope", "openid profile email"),
        ("state", attempt.state.expose()),
        ("nonce", attempt.nonce.expose()),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(query(&url), BTreeMap::from(expected));
    assert!(url.starts_with(&format!("{}/authorize?", setup.servers.issuer())), "{url}");
}

#[tokio::test]
async fn sign_up_leads_to_sign_up_page_of_provider() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    let url = oidc.authorization_url(&attempt("a"), Screen::SignUp).await.unwrap();
    assert_eq!(query(&url)["screen_hint"], "signup");
    assert_eq!(query(&url)["prompt"], "create");
    let page = setup.browser.visit(&url).await;
    assert!(page.select("button").contains(&"Sign Up".into()), "{}", page.text());

    // A provider that does not list `create` might refuse it.
    let plain = Script::default().start().await;
    let url = plain.provider().authorization_url(&attempt("a"), Screen::SignUp).await.unwrap();
    assert_eq!(query(&url)["screen_hint"], "signup");
    assert!(!query(&url).contains_key("prompt"));
}

#[tokio::test]
async fn login_and_sign_up_send_audience() {
    let setup = ProviderSetup::start().await;
    let settings = OidcSettings { audience: Some(AUDIENCE.into()), ..setup.settings() };
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    for screen in [Screen::LogIn, Screen::SignUp] {
        let url = oidc.authorization_url(&attempt("a"), screen).await.unwrap();
        assert_eq!(query(&url)["audience"], AUDIENCE, "{screen:?}");
    }
    // The provider issues access tokens as JWTs for an audience only.
    let identity = setup.log_in(&oidc).await.unwrap();
    assert_eq!(identity.tokens.access_token.expose().split('.').count(), 3);
}

#[tokio::test]
async fn logout_ends_session_at_provider_and_returns() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    let mut identity = setup.log_in(&oidc).await.unwrap();
    let state = State::new("good bye");
    let hint = identity.tokens.id_token.clone().unwrap().expose().to_owned();

    let url = oidc.end_session_url(&identity, &state).await.unwrap().unwrap();
    let home = setup.site.url();
    let expected = [
        ("id_token_hint", hint.as_str()),
        ("client_id", CLIENT_ID),
        ("post_logout_redirect_uri", home.as_str()),
        ("state", "good bye"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(query(&url), BTreeMap::from(expected));
    let back = setup.browser.get(&url).await.location().unwrap();
    assert_eq!(back.origin(), home.origin());
    assert!(back.query().unwrap().contains("state=good"), "{back}");

    identity.tokens.id_token = None;
    let without_hint = oidc.end_session_url(&identity, &state).await.unwrap().unwrap();
    assert!(!query(&without_hint).contains_key("id_token_hint"));
    assert!(setup.browser.get(&without_hint).await.location().is_some());
}

#[tokio::test]
async fn only_auth0_supports_logout_without_end_session_endpoint() {
    let setup = ProviderSetup::start().await;
    setup.servers.faults().set(Fault::NoEndSessionEndpoint);
    let state = State::new("good bye");
    assert_eq!(setup.provider().end_session_url(&fixtures::identity(), &state).await, Ok(None));

    let mut settings = setup.settings();
    settings.registration.vendor = Vendor::Auth0;
    let auth0 = provider(settings, Limits::default(), Arc::new(SystemClock));
    let url = auth0.end_session_url(&fixtures::identity(), &state).await.unwrap().unwrap();
    assert!(url.starts_with(&format!("{}/v2/logout?", setup.servers.issuer())), "{url}");
    let expected = [("client_id", CLIENT_ID), ("returnTo", setup.site.url().as_str())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(query(&url), BTreeMap::from(expected));

    // The end-session endpoint is preferred if the metadata have one.
    setup.servers.faults().clear();
    auth0.check().await.unwrap();
    let url = auth0.end_session_url(&fixtures::identity(), &state).await.unwrap().unwrap();
    assert!(url.contains("/end-session?"), "{url}");
}

#[tokio::test]
async fn logout_url_omits_long_id_token() {
    let scripted = Script {
        metadata: json!({ "end_session_endpoint": "https://bye.example/out" }),
        ..Script::default()
    };
    let scripted = scripted.start().await;
    let mut identity = fixtures::identity();
    identity.tokens.id_token = Some(IdToken::new("x".repeat(9_000)));
    let url = scripted.provider().end_session_url(&identity, &State::new("s")).await;
    let query = query(&url.unwrap().unwrap());
    assert!(!query.contains_key("id_token_hint"));
    assert_eq!(query["client_id"], CLIENT_ID);
    assert_eq!(query["logout_hint"], identity.subject.subject);
}

#[tokio::test]
async fn logout_url_omits_id_token_whose_key_is_no_longer_published() {
    let scripted = Script {
        metadata: json!({ "end_session_endpoint": "https://bye.example/out" }),
        ..Script::default()
    };
    let token = |kid| {
        signing_key("ES256", kid).sign(&json!({ "alg": "ES256", "kid": kid }), &json!({})).unwrap()
    };
    let (published, withdrawn, nameless) = (token(Some("one")), token(Some("old")), token(None));
    let scripted = scripted.start().await;
    let oidc = scripted.provider();
    oidc.check().await.unwrap();
    for (token, is_sent) in [(published, true), (withdrawn, false), (nameless, true)] {
        let mut identity = fixtures::identity();
        identity.tokens.id_token = Some(IdToken::new(&token));
        let url = oidc.end_session_url(&identity, &State::new("s")).await;
        let query = query(&url.unwrap().unwrap());
        assert_eq!(query.get("id_token_hint"), is_sent.then_some(&token));
        let subject = &identity.subject.subject;
        assert_eq!(query.get("logout_hint"), (!is_sent).then_some(subject));
        assert_eq!(query["client_id"], CLIENT_ID);
    }
    // The cached keys decide: log-out waits for no request.
    assert_eq!(scripted.requested("/jwks").len(), 1);
}

#[tokio::test]
async fn logout_url_keeps_query_of_endpoint() {
    let metadata = json!({ "end_session_endpoint": "https://bye.example:8443/out?tenant=a" });
    let scripted = Script { metadata, ..Script::default() }.start().await;
    let oidc = scripted.provider();
    let url = oidc.end_session_url(&fixtures::identity(), &State::new("s")).await;
    assert_eq!(query(&url.unwrap().unwrap())["tenant"], "a");
}

#[tokio::test]
async fn offers_another_account_by_a_prompt_that_the_provider_lists() {
    for (listed, expected) in [
        (json!(null), "select_account"),
        (json!(["none", "login", "select_account"]), "select_account"),
        (json!(["none", "login"]), "login"),
        (json!([]), "login"),
    ] {
        let metadata = json!({ "prompt_values_supported": listed });
        let scripted = Script { metadata, ..Script::default() }.start().await;
        let oidc = scripted.provider();
        assert_eq!(oidc.prompt_for_another_account(), "select_account", "nothing is read yet");
        oidc.check().await.unwrap();
        assert_eq!(oidc.prompt_for_another_account(), expected, "{listed}");
    }
}
