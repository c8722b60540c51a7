//! How the claims of userinfo join those of the ID token (OpenID Connect Core, section 5.3).

use portico_adapters::{
    identity::oidc::{OidcSettings, UserinfoPolicy},
    system::SystemClock,
};
use portico_domain::ports::Clock;
use portico_tests::stub_server::Response;
use serde_json::json;

use super::{
    CLIENT_ID, attempt,
    script::{ACCESS_TOKEN, ATTEMPT, Script},
    settings,
};

#[tokio::test]
async fn userinfo_replaces_user_claims_but_no_login_claims() {
    let scripted = Script {
        claims: json!({ "name": "A.", "email": "ann@example.com", "sid": "session-1" }),
        userinfo: Response::json(
            200,
            json!({
                "sub": "ann", "name": "Ann", "email": null, "nickname": "annie",
                "permissions": ["a"], "iss": "https://evil.example", "aud": "other", "exp": 0,
                "nonce": "other", "sid": "session-2", "azp": "other", "amr": ["mfa"],
            }),
        ),
        ..Script::default()
    }
    .start()
    .await;
    let settings =
        OidcSettings { userinfo: UserinfoPolicy::Always, ..settings(&scripted.issuer()) };
    let identity = scripted.redeem(&scripted.provider_with(settings)).await.unwrap();
    let claims = identity.claims.to_map();
    for (name, value) in [
        ("name", json!("Ann")),
        ("nickname", json!("annie")),
        ("email", json!("ann@example.com")),
        ("permissions", json!(["a"])),
        ("iss", json!(scripted.issuer())),
        ("aud", json!(CLIENT_ID)),
        ("nonce", json!(attempt(ATTEMPT).nonce.expose())),
        ("sid", json!("session-1")),
    ] {
        assert_eq!(claims.get(name), Some(&value), "{name}");
    }
    assert!(claims["exp"].as_i64() > Some(SystemClock.now().timestamp()));
    assert!(!claims.contains_key("azp") && !claims.contains_key("amr"));
    assert_eq!(identity.profile().name.as_deref(), Some("Ann"));
    assert_eq!(identity.provider_session_id.as_deref(), Some("session-1"));
    let bearer = format!("Bearer {ACCESS_TOKEN}");
    assert_eq!(scripted.requested("/userinfo")[0].header("authorization"), Some(bearer.as_str()));
}
