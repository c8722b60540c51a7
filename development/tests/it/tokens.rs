use base64::{Engine, prelude::BASE64_STANDARD};

use crate::client::{AUDIENCE, CALLBACK, Callback, Client, VERIFIER, claims, encoded, settings};
use portico_development::DevelopmentServers;

#[tokio::test]
async fn code_is_redeemed_for_tokens_of_user() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let tokens = client.tokens("admin@example.com", &[]).await;
    let id = claims(&tokens["id_token"]);
    assert_eq!(id["iss"], servers.issuer());
    assert_eq!((&id["sub"], &id["nonce"]), (&"dev|admin".into(), &"a nonce".into()));
    for claim in ["sid", "at_hash", "auth_time", "exp", "iat", "email", "picture"] {
        assert!(!id[claim].is_null(), "{claim} in {id}");
    }
    let access = claims(&tokens["access_token"]);
    let endpoint = format!("{}/userinfo", servers.issuer());
    assert_eq!(access["aud"], serde_json::json!([AUDIENCE, endpoint]));
    assert_eq!(access["permissions"], serde_json::json!(["read:admin-messages"]));

    let userinfo = client.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&userinfo["sub"], &userinfo["name"]), (&id["sub"], &"Ada Admin".into()));
    let picture = client.request_with(userinfo["picture"].as_str().unwrap(), None).await;
    assert_eq!(&picture.headers["Content-Type"], "image/svg+xml");
    assert_eq!(client.userinfo("nonsense").await.status, 401);
}

#[tokio::test]
async fn claims_depend_on_scope() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let changed = [("scope", "openid unknown"), ("audience", "")];
    let tokens = client.tokens("user@example.com", &changed).await;
    assert_eq!(tokens["scope"], "openid");
    assert!(!tokens["access_token"].as_str().unwrap().contains('.'), "opaque");
    assert!(claims(&tokens["id_token"])["email"].is_null());
}

#[tokio::test]
async fn replayed_code_revokes_tokens() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let code = client.log_in("user@example.com", &[]).await.callback()["code"].clone();
    let tokens = client.redeem(&code, &[]).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(client.userinfo(access).await.status, 200);

    let replay = client.redeem(&code, &[]).await;
    assert_eq!((replay.status.as_u16(), &replay.json()["error"]), (400, &"invalid_grant".into()));
    assert_eq!(servers.request_count("replayed-code"), 1);
    assert_eq!(client.userinfo(access).await.status, 401);
}

#[tokio::test]
async fn code_is_bound_to_client_redirect_uri_and_verifier() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
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
        let code = client.log_in("user@example.com", &[]).await.callback()["code"].clone();
        let response = client.redeem(&code, &[changed]).await;
        assert_eq!(
            (response.status.as_u16(), &response.json()["error"]),
            (status, &error.into()),
            "{changed:?}"
        );
        assert_eq!(&response.headers["Cache-Control"], "no-store");
        assert_eq!(response.headers.contains_key("WWW-Authenticate"), status == 401);
    }
}

#[tokio::test]
async fn client_authenticates_with_form_encoded_basic() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let code = client.log_in("user@example.com", &[]).await.callback()["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let secret = encoded(&[("", "a secret: 100 % + some")]);
    let basic = |pair: String| format!("Basic {}", BASE64_STANDARD.encode(pair));
    let wrong = basic("portico:wrong".into());
    let refused = client.post_with("/token", &form, &[("Authorization", &wrong)]).await;
    assert_eq!(refused.status.as_u16(), 401);
    let right = basic(format!("portico:{}", secret.trim_start_matches('=')));
    let response = client.post_with("/token", &form, &[("Authorization", &right)]).await;
    assert_eq!(response.status.as_u16(), 200, "{}", response.body);
}

#[tokio::test]
async fn refresh_token_is_rotated_and_replay_revokes_grant() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let changed = [("scope", "openid email offline_access")];
    let tokens = client.tokens("user@example.com", &changed).await;
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
    let more = client.post("/token", &form(first, "openid profile")).await;
    assert_eq!(more.json()["error"], "invalid_scope");

    let refreshed = client.post("/token", &form(first, "")).await.json();
    let second = refreshed["refresh_token"].as_str().unwrap();
    assert_ne!(first, second);
    let (before, after) = (claims(&tokens["id_token"]), claims(&refreshed["id_token"]));
    assert_eq!((&before["sub"], &before["auth_time"]), (&after["sub"], &after["auth_time"]));

    assert_eq!(client.post("/token", &form(first, "")).await.json()["error"], "invalid_grant");
    let revoked = client.post("/token", &form(second, "")).await;
    assert_eq!(revoked.json()["error"], "invalid_grant", "the replay revoked the grant");
}
