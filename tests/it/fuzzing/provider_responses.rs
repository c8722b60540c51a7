use std::sync::{Arc, Mutex};

use portico_domain::{
    model::Screen,
    ports::{IdentityProvider, RedeemError},
};
use portico_tests::{
    site::Site,
    stub_server::{Response, StubServer},
};
use proptest::{collection::vec, prelude::*, sample::select};
use reqwest::Method;
use serde_json::{Map, Number, Value, json};

use super::{holds, runtime};
use crate::identity::{
    attempt, clock_at_now, provider,
    script::{Script, Scripted},
    settings,
};

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::from)),
        ".{0,40}".prop_map(Value::from),
        select(&["", "https://id.example/", "http://[", "ann", "ES256", "none", "\u{0}"][..])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((".{0,12}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Replacements for some members of a document, or a text instead of it.
fn altered(names: &'static [&'static str]) -> impl Strategy<Value = Result<Value, String>> {
    let name = prop_oneof![4 => select(names).prop_map(str::to_owned), 1 => ".{0,12}"];
    let members = vec((name, any_json()), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()));
    prop_oneof![6 => members.prop_map(Ok), 1 => any_json().prop_map(|json| Err(json.to_string())),
        1 => ".{0,200}".prop_map(Err)]
}

/// The default document with the replacements, or the text.
fn document(usual: &Value, change: Result<Value, String>) -> String {
    match change {
        Ok(change) => {
            let mut all = usual.as_object().cloned().unwrap_or_default();
            all.extend(change.as_object().cloned().unwrap_or_default());
            Value::Object(all).to_string()
        }
        Err(text) => text,
    }
}

#[test]
fn arbitrary_metadata_causes_no_panic() {
    let runtime = runtime();
    let body = Arc::new(Mutex::new(String::new()));
    let served = Arc::clone(&body);
    let start = StubServer::start(move |_| Response::json(200, served.lock().unwrap()));
    let server = runtime.block_on(start);
    let issuer = server.url().origin().ascii_serialization();
    let usual = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "keys": [],
    });
    let names = &[
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "scopes_supported",
        "id_token_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
        "end_session_endpoint",
        "prompt_values_supported",
        "keys",
        "claims_supported",
        "authorization_response_iss_parameter_supported",
        "code_challenge_methods_supported",
    ];
    holds(altered(names), |change| {
        *body.lock().unwrap() = document(&usual, change);
        let oidc = provider(settings(&issuer), Default::default(), clock_at_now());
        runtime.block_on(async {
            let attempt = attempt("hostile");
            if let Ok(url) = oidc.authorization_url(&attempt, Screen::SignUp).await {
                // Only the endpoint may have changed, and a browser must be able to open it.
                prop_assert!(url.starts_with("http"), "{url}");
                prop_assert!(url.contains("state=hostile"), "{url}");
            }
            let _ = oidc
                .end_session_url(&portico_contracts::fixtures::identity(), &attempt.state)
                .await;
            Ok(())
        })
    });
}

#[test]
fn arbitrary_userinfo_never_changes_the_subject() {
    let runtime = runtime();
    let body = Arc::new(Mutex::new(String::new()));
    let served = Arc::clone(&body);
    let userinfo =
        runtime.block_on(StubServer::start(move |_| Response::json(200, served.lock().unwrap())));
    let endpoint = userinfo.url().join("userinfo").unwrap();
    let metadata = json!({ "userinfo_endpoint": endpoint });
    let scripted: Scripted = runtime.block_on(Script { metadata, ..Script::default() }.start());
    let oidc = scripted.provider();
    let names = &[
        "sub",
        "name",
        "email",
        "email_verified",
        "picture",
        "updated_at",
        "address",
        "locale",
        "nickname",
        "iss",
        "aud",
        "permissions",
    ];
    holds(altered(names), |change| {
        *body.lock().unwrap() = document(&json!({ "sub": "ann" }), change);
        match runtime.block_on(scripted.redeem(&oidc)) {
            Ok(identity) => prop_assert_eq!(identity.subject.subject, "ann"),
            Err(RedeemError::InvalidIdentity(_) | RedeemError::ProviderFault(_)) => {}
            Err(other) => prop_assert!(false, "{other:?}"),
        }
        Ok(())
    });
}

/// Only a valid signed token may end a session; every response has status 200 or 400.
#[test]
fn arbitrary_logout_tokens_get_200_or_400_and_end_no_session() {
    let runtime = runtime();
    let (site, browser) = runtime.block_on(async {
        let site = Site::start().await;
        let (browser, _) = site.signed_in("user@example.com").await;
        (site, browser)
    });
    let names = &["iss", "aud", "iat", "exp", "jti", "events", "sub", "sid", "nonce"];
    let heads = &["alg", "kid", "typ", "crit"];
    // Signed tokens with changed claims and header, or arbitrary text.
    let signed = (altered(heads), altered(names)).prop_map(|(head, claims)| Ok((head, claims)));
    let tokens = prop_oneof![4 => signed, 1 => "[A-Za-z0-9_.=-]{0,200}".prop_map(Err),
        1 => ".{0,200}".prop_map(Err)];
    holds(tokens, |token| {
        let token = match token {
            Ok((head, claims)) => {
                // For a user without a session here, so that a valid token ends none.
                let unknown = json!({ "sub": "unknown" });
                let claims = serde_json::from_str(&document(&unknown, claims)).unwrap_or(unknown);
                let head = head.unwrap_or_default();
                site.servers.logout_token(&head, &claims).unwrap_or_default()
            }
            Err(text) => text,
        };
        let answer = runtime.block_on(async {
            let request = browser.request(Method::POST, "/backchannel-logout");
            request.form(&[("logout_token", token)]).send().await.unwrap()
        });
        prop_assert!(matches!(answer.status().as_u16(), 200 | 400), "{}", answer.status());
        prop_assert_eq!(&answer.headers()["Cache-Control"], "no-store");
        Ok(())
    });
    let page = runtime.block_on(browser.get("/profile"));
    assert_eq!(page.status.as_u16(), 200, "still signed in");
}
