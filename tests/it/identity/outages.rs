//! Outages of the provider, and recovery without a restart.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portico_adapters::{http::Limits, identity::oidc::OidcSettings, system::SystemClock};
use portico_contracts::fakes::ManualClock;
use portico_contracts::fixtures;
use portico_development::Fault;
use portico_domain::{
    model::{Screen, State},
    ports::{IdentityProvider, RedeemError::ProviderFault},
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{
    ProviderSetup, assert_refused, attempt, clock_at_now, provider,
    script::{Script, Scripted},
    settings,
};

#[tokio::test]
async fn recovers_from_invalid_metadata() {
    let setup = ProviderSetup::start().await;
    for (fault, why) in [
        (Fault::DiscoveryFails, "status 500"),
        (Fault::DiscoveryHtml, "media type"),
        (Fault::DiscoveryWrongIssuer, "names another issuer"),
    ] {
        let clock = clock_at_now();
        let oidc = setup.provider_by(&clock);
        setup.servers.faults().set(fault);
        let before = setup.requested();
        for _ in 0..3 {
            let refused = oidc.authorization_url(&attempt("a"), Screen::LogIn).await.unwrap_err();
            assert!(refused.to_string().contains(why), "{fault:?}: {refused}");
        }
        assert!(
            oidc.end_session_url(&fixtures::identity(), &State::new("s")).await.is_err(),
            "{fault:?}"
        );
        let requested = setup.requests_since(before);
        assert_eq!(requested, [1, 0, 0, 0], "simultaneous visitors cause one request: {fault:?}");

        setup.servers.faults().clear();
        clock.advance(TimeDelta::seconds(1));
        setup.log_in(&oidc).await.unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
    }
}

#[tokio::test]
async fn ignores_final_slash_of_issuer_without_path() {
    let scripted = Script::default().start().await;
    let issuer = scripted.issuer();
    for (written, found) in [("", true), ("/", true), ("//", false), ("/tenant", false)] {
        let oidc = scripted.provider_with(settings(&format!("{issuer}{written}")));
        let outcome = scripted.redeem(&oidc).await;
        assert_eq!(outcome.is_ok(), found, "{written:?}: {outcome:?}");
        assert!(outcome.is_ok_and(|identity| identity.subject.issuer == issuer) || !found);
    }
}

/// An issuer that this machine does not reach.
const OUTER: &str = "https://login.example";

#[tokio::test]
async fn reads_metadata_at_discovery_url_and_uses_their_endpoints() {
    let claims = json!({ "iss": OUTER });
    let metadata = json!({
        "issuer": OUTER,
        "authorization_endpoint": "https://login.example/authorize",
        "end_session_endpoint": "https://login.example/out",
    });
    let scripted = Script { metadata, claims, ..Script::default() }.start().await;
    let oidc = scripted.provider_with(at_inner_address(&scripted, OUTER));
    let url = oidc.authorization_url(&attempt("a"), Screen::LogIn).await.unwrap();
    assert!(url.starts_with("https://login.example/authorize?"), "{url}");
    assert_eq!(scripted.redeem(&oidc).await.unwrap().subject.issuer, OUTER);

    for other in ["https://login.example/realm", "https://LOGIN.example", "http://login.example"] {
        let oidc = scripted.provider_with(at_inner_address(&scripted, other));
        let refused = oidc.check().await.unwrap_err();
        assert!(refused.to_string().contains("names another issuer"), "{other}: {refused}");
    }
}

#[tokio::test]
async fn only_own_requests_go_to_inner_address_without_tls() {
    let public = "https://login.example/authorize";
    for (metadata, name) in [
        (json!({ "issuer": OUTER }), "authorization_endpoint"),
        (
            json!({
                "issuer": OUTER,
                "authorization_endpoint": public,
                "token_endpoint": "http://other.example/token",
            }),
            "token_endpoint",
        ),
    ] {
        let scripted = Script { metadata, ..Script::default() }.start().await;
        let oidc = scripted.provider_with(at_inner_address(&scripted, OUTER));
        let refused = oidc.check().await.unwrap_err();
        assert!(refused.to_string().contains(&format!("{name} is not https")), "{refused}");
    }
}

fn at_inner_address(scripted: &Scripted, issuer: &str) -> OidcSettings {
    let inner = format!("{}/.well-known/openid-configuration", scripted.issuer());
    let mut settings = settings(issuer);
    settings.registration.discovery_url = Some(inner.parse().unwrap());
    settings
}

#[tokio::test]
async fn refuses_metadata_without_required_field() {
    for (change, why) in [
        (json!({ "issuer": null }), "it has no issuer"),
        (json!({ "authorization_endpoint": null }), "no authorization_endpoint"),
        (json!({ "token_endpoint": "/token" }), "token_endpoint is no absolute URL"),
        (json!({ "token_endpoint": "" }), "token_endpoint is no absolute URL"),
        (json!({ "jwks_uri": null }), "no jwks_uri"),
    ] {
        let scripted = Script { metadata: change.clone(), ..Script::default() }.start().await;
        let refused = scripted.provider().check().await.unwrap_err();
        assert!(refused.to_string().contains(why), "{change}: {refused}");
    }
}

#[tokio::test]
async fn simultaneous_logins_share_one_discovery_request() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    let attempt = attempt("a");
    let one = || oidc.authorization_url(&attempt, Screen::LogIn);
    let all = tokio::join!(one(), one(), one(), one());
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok());
    assert_eq!(setup.requested(), [1, 1, 0, 0]);
}

#[tokio::test]
async fn discovers_provider_after_outage() {
    let setup = ProviderSetup::start().await;
    let clock = clock_at_now();
    let oidc = setup.provider_by(&clock);

    setup.servers.stop_provider().await;
    assert!(oidc.authorization_url(&attempt("a"), Screen::LogIn).await.is_err());
    setup.servers.start_provider().await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    setup.log_in(&oidc).await.unwrap();
}

#[tokio::test]
async fn redeems_code_after_outage_during_login() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    let attempt = attempt("login");
    let response = setup.answer(&oidc, &attempt).await;

    setup.servers.stop_provider().await;
    let refused = oidc.redeem(&response, &attempt).await;
    assert_refused(refused, &ProviderFault("token endpoint".into()), "stopped");
    // Cached metadata need no provider.
    oidc.authorization_url(&attempt, Screen::LogIn).await.unwrap();
    assert!(oidc.end_session_url(&fixtures::identity(), &State::new("s")).await.unwrap().is_some());

    setup.servers.start_provider().await.unwrap();
    oidc.redeem(&response, &attempt).await.unwrap();
}

#[tokio::test]
async fn uses_cached_metadata_until_refreshed() {
    let setup = ProviderSetup::start().await;
    let clock = clock_at_now();
    let oidc = setup.provider_by(&clock);
    let end =
        || async { oidc.end_session_url(&fixtures::identity(), &State::new("s")).await.unwrap() };
    assert!(end().await.is_some());

    setup.servers.faults().set(Fault::DiscoveryFails);
    clock.advance(TimeDelta::hours(2));
    let before = setup.requested();
    assert!(end().await.is_some());
    until(|| setup.requests_since(before)[0] == 1).await;
    assert!(end().await.is_some(), "the failure changes nothing");

    setup.servers.faults().clear();
    setup.servers.faults().set(Fault::NoEndSessionEndpoint);
    timeout(Duration::from_secs(20), async {
        while end().await.is_some() {
            // However long the fetch in the background takes, the clock lets the next one begin.
            clock.advance(TimeDelta::seconds(1));
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the metadata are refreshed");
}

#[tokio::test]
async fn check_bypasses_cache() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    for _ in 0..2 {
        let before = setup.requested();
        oidc.check().await.unwrap();
        assert_eq!(setup.requests_since(before), [1, 1, 0, 0]);
    }
    setup.servers.faults().set(Fault::DiscoveryFails);
    assert!(oidc.check().await.unwrap_err().to_string().contains("status 500"));
    setup.servers.faults().clear();
    oidc.check().await.unwrap();
    setup.servers.stop_provider().await;
    assert!(oidc.check().await.is_err());
    setup.servers.start_provider().await.unwrap();
    oidc.check().await.unwrap();
}

#[tokio::test]
async fn times_out_on_silent_provider() {
    // The kernel accepts connections although no process serves the listener.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let limits = Limits { total: Duration::from_millis(300), ..Limits::default() };
    let oidc = provider(settings(&issuer), limits, Arc::new(SystemClock));
    let refused = oidc.check().await.unwrap_err();
    assert!(refused.to_string().contains("no response in time"), "{refused}");
}

#[tokio::test]
async fn refuses_too_large_response() {
    let setup = ProviderSetup::start().await;
    let limits = Limits { bytes: 100, ..Limits::default() };
    let oidc = provider(setup.settings(), limits, Arc::<ManualClock>::default());
    let refused = oidc.check().await.unwrap_err();
    assert!(refused.to_string().contains("larger than 100 bytes"), "{refused}");
}

/// Waits until the condition holds, for something that happens in the background.
async fn until(condition: impl Fn() -> bool) {
    timeout(Duration::from_secs(20), async {
        while !condition() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the condition holds in time");
}
