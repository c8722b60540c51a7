use std::time::Duration;

use serde_json::json;

use crate::browser::{Browser, settings};
use portico_development::{Fault, World};

#[tokio::test]
async fn each_message_is_for_those_who_may_read_it() {
    let world = World::start(settings()).await.unwrap();
    let mut user = Browser::of(&world);
    let tokens = user.tokens("user@example.com", &[]).await;
    let token = tokens["access_token"].as_str();
    let mut admin = Browser::of(&world);
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
        let answer = user.message(topic, token).await;
        assert_eq!((answer.status, answer.json()), (status, body), "{topic}");
        assert_eq!(&answer.headers["Cache-Control"], "no-store");
        assert_eq!(&answer.headers["X-Content-Type-Options"], "nosniff");
    }
}

#[tokio::test]
async fn tokens_for_others_and_tampered_ones_are_bad_credentials() {
    let world = World::start(settings()).await.unwrap();
    let elsewhere = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let tokens = browser.tokens("admin@example.com", &[]).await;
    let foreign = Browser::of(&elsewhere).tokens("admin@example.com", &[]).await;
    let id_token = tokens["id_token"].as_str().unwrap();
    let access = tokens["access_token"].as_str().unwrap();
    let mut parts: Vec<_> = access.split('.').collect();
    parts[1] = id_token.split('.').nth(1).unwrap();
    let tampered = parts.join(".");
    for token in [id_token, &tampered, foreign["access_token"].as_str().unwrap()] {
        let answer = browser.message("protected", Some(token)).await;
        assert_eq!(
            (answer.status, answer.json()["message"].as_str()),
            (401, Some("Bad credentials"))
        );
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_unknown_ones_at_a_limited_rate() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let before = browser.tokens("user@example.com", &[]).await;
    let old = before["access_token"].as_str();
    assert_eq!(browser.message("protected", old).await.status, 200);
    world.rotate_keys().await.unwrap();
    let after = browser.tokens("user@example.com", &[]).await;
    assert_eq!(browser.message("protected", after["access_token"].as_str()).await.status, 200);
    assert_eq!(browser.message("protected", old).await.status, 200, "still published");
    assert_eq!(world.hits("jwks"), 2);

    world.rotate_keys().await.unwrap();
    let unknown = browser.tokens("user@example.com", &[]).await;
    assert_eq!(browser.message("protected", unknown["access_token"].as_str()).await.status, 401);
    assert_eq!(world.hits("jwks"), 2);
}

#[tokio::test]
async fn without_the_provider_the_api_says_so_and_recovers() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let tokens = browser.tokens("user@example.com", &[]).await;
    let token = tokens["access_token"].as_str();
    world.stop_provider().await;
    let answer = browser.message("protected", token).await;
    assert_eq!((answer.status, answer.json()["message"].is_string()), (500, true));
    assert_eq!(browser.message("public", None).await.status, 200);
    world.start_provider().await.unwrap();
    assert_eq!(browser.message("protected", token).await.status, 200);
}

#[tokio::test]
async fn the_api_misbehaves_on_demand() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    world.faults().set(Fault::ApiFails);
    assert_eq!(browser.message("public", None).await.status, 500);
    world.faults().clear();
    world.faults().set(Fault::ApiHtml);
    assert!(browser.message("public", None).await.text.starts_with("<!doctype"));
    world.faults().clear();
    world.faults().set(Fault::ApiSlow(Duration::from_secs(60)));
    let short = Duration::from_millis(200);
    assert!(tokio::time::timeout(short, browser.message("public", None)).await.is_err());
}
