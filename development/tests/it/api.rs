use std::time::Duration;

use serde_json::json;

use crate::client::{Client, settings};
use portico_development::{DevelopmentServers, Fault};

#[tokio::test]
async fn answers_each_message_by_permission() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let user = Client::of(&servers);
    let tokens = user.tokens("user@example.com", &[]).await;
    let token = tokens["access_token"].as_str();
    let admin = Client::of(&servers);
    let tokens = admin.tokens("admin@example.com", &[]).await;
    let admins = tokens["access_token"].as_str();
    for (topic, token, status, body) in [
        ("public", None, 200, json!({ "text": "This is a public message." })),
        ("protected", None, 401, json!({ "message": "Requires authentication" })),
        ("protected", Some("nonsense"), 401, json!({ "message": "Bad credentials" })),
        ("protected", token, 200, json!({ "text": "This is a protected message." })),
        ("admin", None, 401, json!({ "message": "Requires authentication" })),
        (
            "admin",
            token,
            403,
            json!({ "message": "Permission denied", "error": "insufficient_permissions" }),
        ),
        ("admin", admins, 200, json!({ "text": "This is an admin message." })),
        ("other", admins, 404, json!({ "message": "Not Found" })),
    ] {
        let response = user.message(topic, token).await;
        assert_eq!((response.status.as_u16(), response.json()), (status, body), "{topic}");
        assert_eq!(&response.headers["Cache-Control"], "no-store");
        assert_eq!(&response.headers["X-Content-Type-Options"], "nosniff");
    }
}

#[tokio::test]
async fn refuses_foreign_and_tampered_tokens() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let elsewhere = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let tokens = client.tokens("admin@example.com", &[]).await;
    let foreign = Client::of(&elsewhere).tokens("admin@example.com", &[]).await;
    let id_token = tokens["id_token"].as_str().unwrap();
    let access = tokens["access_token"].as_str().unwrap();
    let mut parts: Vec<_> = access.split('.').collect();
    parts[1] = id_token.split('.').nth(1).unwrap();
    let tampered = parts.join(".");
    for token in [id_token, &tampered, foreign["access_token"].as_str().unwrap()] {
        let response = client.message("protected", Some(token)).await;
        assert_eq!(
            (response.status.as_u16(), response.json()["message"].as_str()),
            (401, Some("Bad credentials"))
        );
    }
}

#[tokio::test]
async fn fetches_new_key_once_and_unknown_keys_at_limited_rate() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let before = client.tokens("user@example.com", &[]).await;
    let old = before["access_token"].as_str();
    assert_eq!(client.message("protected", old).await.status, 200);
    servers.rotate_keys().await.unwrap();
    let after = client.tokens("user@example.com", &[]).await;
    assert_eq!(client.message("protected", after["access_token"].as_str()).await.status, 200);
    assert_eq!(client.message("protected", old).await.status, 200, "still published");
    assert_eq!(servers.request_count("jwks"), 2);

    servers.rotate_keys().await.unwrap();
    let unknown = client.tokens("user@example.com", &[]).await;
    assert_eq!(client.message("protected", unknown["access_token"].as_str()).await.status, 401);
    assert_eq!(servers.request_count("jwks"), 2);
}

#[tokio::test]
async fn reports_provider_outage_and_recovers() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let tokens = client.tokens("user@example.com", &[]).await;
    let token = tokens["access_token"].as_str();
    servers.stop_provider().await;
    let response = client.message("protected", token).await;
    assert_eq!((response.status.as_u16(), response.json()["message"].is_string()), (500, true));
    assert_eq!(client.message("public", None).await.status, 200);
    servers.start_provider().await.unwrap();
    assert_eq!(client.message("protected", token).await.status, 200);
}

#[tokio::test]
async fn api_faults_take_effect() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    servers.faults().set(Fault::ApiFails);
    assert_eq!(client.message("public", None).await.status, 500);
    servers.faults().clear();
    servers.faults().set(Fault::ApiHtml);
    assert!(client.message("public", None).await.body.starts_with("<!doctype"));
    servers.faults().clear();
    servers.faults().set(Fault::ApiSlow(Duration::from_secs(60)));
    let short = Duration::from_millis(200);
    assert!(tokio::time::timeout(short, client.message("public", None)).await.is_err());
}
