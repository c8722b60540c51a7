use chrono::TimeDelta;
use portico_adapters::system::SystemClock;
use portico_development::Fault;
use portico_domain::ports::Clock;
use portico_tests::stub_server::{Response, StubServer};
use serde_json::json;

use super::Setup;

/// A provider of metadata and keys whose clock differs by this time.
async fn provider_with_clock(difference: TimeDelta) -> StubServer {
    let (address, known) = tokio::sync::watch::channel(String::new());
    let server = StubServer::start(move |request| {
        let issuer = known.borrow().clone();
        let body = match &*request.path {
            "/.well-known/openid-configuration" => json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "id_token_signing_alg_values_supported": ["HS256"],
            }),
            "/keys" => json!({ "keys": [] }),
            _ => return Response::json(400, json!({ "error": "invalid_request" })),
        };
        let date = (SystemClock.now() + difference).to_rfc2822().replace("+0000", "GMT");
        Response::json(200, body).with("Date", date)
    })
    .await;
    let issuer = server.url().as_str().trim_end_matches('/').to_owned();
    address.send(issuer).unwrap();
    server
}

#[tokio::test]
async fn tells_wrong_client_secret_from_wrong_code() {
    let setup = Setup::new().await;
    let checked = setup.check(&[("OIDC_CLIENT_SECRET", "hunter2")]).await;
    checked.assert_failed("provider", "client credentials", "OIDC_CLIENT_SECRET");
    checked.assert_ok("provider", "discovery");
    checked.assert_ok("provider", "callback address");
    let checked = setup.check(&[]).await;
    checked.assert_ok("provider", "client credentials");
}

#[tokio::test]
async fn notices_callback_that_is_not_registered() {
    let setup = Setup::new().await;
    let checked = setup.check(&[("PUBLIC_URL", "http://localhost:4040")]).await;
    let address = "http://localhost:4040/callback";
    checked.assert_failed("provider", "callback address", address);
    assert!(checked.result("register", "callback").1.starts_with(address));
    assert!(checked.result("register", "log-out address").1.starts_with("http://localhost:4040/ "));
}

#[tokio::test]
async fn notices_provider_that_is_down_and_still_checks_everything_else() {
    let setup = Setup::new().await;
    let checked = setup.check(&[("OIDC_ISSUER_URL", "http://127.0.0.1:1")]).await;
    checked.assert_failed("provider", "discovery", "127.0.0.1:1");
    checked.assert_ok("database", "writable");
    checked.assert_ok("API", "protected");
}

#[tokio::test]
async fn names_the_issuer_that_differs_by_a_slash() {
    let setup = Setup::new().await;
    let issuer = format!("{}/realm", setup.servers.issuer());
    setup.servers.faults().set(Fault::DiscoveryIssuerSuffix("/realm/"));
    let metadata = format!("{}/.well-known/openid-configuration", setup.servers.issuer());
    let overrides = [("OIDC_ISSUER_URL", &*issuer), ("OIDC_DISCOVERY_URL", &*metadata)];
    let checked = setup.check(&overrides).await;
    checked.assert_failed("provider", "discovery", &format!("`{issuer}/`"));
}

#[tokio::test]
async fn warns_of_missing_log_out_endpoint() {
    let setup = Setup::new().await;
    setup.servers.faults().set(Fault::NoEndSessionEndpoint);
    let checked = setup.check(&[]).await;
    checked.assert_warns("provider", "log-out endpoint", "this site only");
    checked.assert_success();
}

#[tokio::test]
async fn warns_of_algorithm_that_the_provider_does_not_list() {
    let setup = Setup::new().await;
    let checked = setup.check(&[("OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG", "PS512")]).await;
    checked.assert_warns("provider", "algorithms", "PS512");
}

#[tokio::test]
async fn compares_clocks_and_algorithms() {
    let setup = Setup::new().await;
    for (seconds, status, part) in [
        (0, "ok", "agrees"),
        (30, "warning", "ahead of"),
        (-30, "warning", "behind"),
        (600, "failed", "ID tokens will be refused"),
        (-600, "failed", "ID tokens will be refused"),
    ] {
        let provider = provider_with_clock(TimeDelta::seconds(seconds)).await;
        let issuer = provider.url().as_str().trim_end_matches('/').to_owned();
        let checked = setup.check(&[("OIDC_ISSUER_URL", &issuer)]).await;
        let (found, text) = checked.result("provider", "clock");
        assert!(found == status && text.contains(part), "{seconds}: {found}: {text}");
        checked.assert_failed("provider", "algorithms", "no asymmetric algorithm");
        checked.assert_warns("provider", "client credentials", "does not tell");
    }
}

#[tokio::test]
async fn refused_settings_hide_no_dependency() {
    let setup = Setup::new().await;
    let checked = setup
        .check(&[
            ("ROCKET_LOG_LEVEL", "verbose"),
            ("SESSION_ROLLING_SECONDS", "never"),
            ("DATABASE_URL", "mysql://user:hunter2@db.example/portico"),
            ("API_SERVER_URL", "http://127.0.0.1:1"),
        ])
        .await;
    checked.assert_failed("settings", "ROCKET_LOG_LEVEL", "off, critical, normal or debug");
    checked.assert_failed("settings", "SESSION_ROLLING_SECONDS", "a positive number");
    checked.assert_failed("settings", "DATABASE_URL", "postgres://");
    checked.assert_failed("API", "public", "Connection refused");
    checked.assert_ok("provider", "client credentials");
    assert_eq!(checked.result("database", "all").0, "skipped");
    assert_eq!(checked.result("sessions", "writable").0, "skipped");
    let refused = |row: &&serde_json::Value| row["setting"]["key"] == "DATABASE_URL";
    let rows = checked.document["checks"].as_array().unwrap();
    let setting = &rows.iter().find(refused).unwrap()["setting"];
    assert_eq!(setting["source"], "the environment");
    assert!(setting["expected"].as_str().unwrap().contains("sqlite://"), "{setting}");
}
