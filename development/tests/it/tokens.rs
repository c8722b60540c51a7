use base64::{Engine, prelude::BASE64_STANDARD};

use crate::browser::{AUDIENCE, BACK, Browser, VERIFIER, claims, encoded, settings};
use portico_development::World;

#[tokio::test]
async fn a_code_becomes_tokens_that_say_who_it_is() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let tokens = browser.tokens("admin@example.com", &[]).await;
    let id = claims(&tokens["id_token"]);
    assert_eq!(id["iss"], world.issuer());
    assert_eq!((&id["sub"], &id["nonce"]), (&"dev|admin".into(), &"a nonce".into()));
    for claim in ["sid", "at_hash", "auth_time", "exp", "iat", "email", "picture"] {
        assert!(!id[claim].is_null(), "{claim} in {id}");
    }
    let access = claims(&tokens["access_token"]);
    let userinfo = format!("{}/userinfo", world.issuer());
    assert_eq!(access["aud"], serde_json::json!([AUDIENCE, userinfo]));
    assert_eq!(access["permissions"], serde_json::json!(["read:admin-messages"]));

    let person = browser.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&person["sub"], &person["name"]), (&id["sub"], &"Ada Admin".into()));
    let picture = browser.ask(person["picture"].as_str().unwrap(), None).await;
    assert_eq!(&picture.headers["Content-Type"], "image/svg+xml");
    assert_eq!(browser.userinfo("nonsense").await.status, 401);
}

#[tokio::test]
async fn claims_keep_to_the_scope() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let changed = [("scope", "openid unknown"), ("audience", "")];
    let tokens = browser.tokens("user@example.com", &changed).await;
    assert_eq!(tokens["scope"], "openid");
    assert!(!tokens["access_token"].as_str().unwrap().contains('.'), "opaque");
    assert!(claims(&tokens["id_token"])["email"].is_null());
}

#[tokio::test]
async fn a_code_is_good_once_and_its_replay_revokes_the_tokens() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let code = browser.log_in("user@example.com", &[]).await.back()["code"].clone();
    let tokens = browser.redeem(&code, &[]).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(browser.userinfo(access).await.status, 200);

    let again = browser.redeem(&code, &[]).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &"invalid_grant".into()));
    assert_eq!(world.hits("replayed-code"), 1);
    assert_eq!(browser.userinfo(access).await.status, 401);
}

#[tokio::test]
async fn a_code_is_bound_to_client_address_and_verifier() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let other = VERIFIER.replace('0', "1");
    for (changed, status, error) in [
        (("code_verifier", other.as_str()), 400, "invalid_grant"),
        (("code_verifier", ""), 400, "invalid_request"),
        (("redirect_uri", "http://127.0.0.1:4040/other"), 400, "invalid_grant"),
        (("client_secret", "wrong"), 401, "invalid_client"),
        (("client_id", "other"), 401, "invalid_client"),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
        (("code", "unknown"), 400, "invalid_grant"),
    ] {
        let code = browser.log_in("user@example.com", &[]).await.back()["code"].clone();
        let answer = browser.redeem(&code, &[changed]).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (status, &error.into()),
            "{changed:?}"
        );
        assert_eq!(&answer.headers["Cache-Control"], "no-store");
        assert_eq!(answer.headers.contains_key("WWW-Authenticate"), status == 401);
    }
}

#[tokio::test]
async fn the_client_may_name_itself_by_basic_form_encoded() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let code = browser.log_in("user@example.com", &[]).await.back()["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    let secret = encoded(&[("", "a secret: 100 % + some")]);
    let basic = |pair: String| format!("Basic {}", BASE64_STANDARD.encode(pair));
    let wrong = basic("portico:wrong".into());
    let refused = browser.post_with("/token", &form, &[("Authorization", &wrong)]).await;
    assert_eq!(refused.status, 401);
    let right = basic(format!("portico:{}", secret.trim_start_matches('=')));
    let answer = browser.post_with("/token", &form, &[("Authorization", &right)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_the_old_one_refused() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let changed = [("scope", "openid email offline_access")];
    let tokens = browser.tokens("user@example.com", &changed).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let form = |token, scope| {
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
            ("client_id", "portico"),
            ("client_secret", "a secret: 100 % + some"),
        ]
    };
    let more = browser.post("/token", &form(first, "openid profile")).await;
    assert_eq!(more.json()["error"], "invalid_scope");

    let refreshed = browser.post("/token", &form(first, "")).await.json();
    let second = refreshed["refresh_token"].as_str().unwrap();
    assert_ne!(first, second);
    let (before, after) = (claims(&tokens["id_token"]), claims(&refreshed["id_token"]));
    assert_eq!((&before["sub"], &before["auth_time"]), (&after["sub"], &after["auth_time"]));

    assert_eq!(browser.post("/token", &form(first, "")).await.json()["error"], "invalid_grant");
    let revoked = browser.post("/token", &form(second, "")).await;
    assert_eq!(revoked.json()["error"], "invalid_grant", "a used token revokes its grant");
}
