//! Permissions by other claims than `permissions`: guards, the messages' refusals, refreshes and what is
//! recorded.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use portico::guards::{Needs, Permitted};
use portico_development::Fault;
use portico_domain::{
    model::{ClaimSource, Grant, Permission, Permissions},
    ports::Clock,
};
use portico_tests::{
    http_browser::HttpBrowser,
    site::{Change, Site, SiteOptions},
};
use rocket::{get, routes};

const USER: &str = "user@example.com";
const ADMIN: &str = "admin@example.com";
const PERMISSION: &str = "read:admin-messages";

struct ReadAdminMessages;

impl Needs for ReadAdminMessages {
    const PERMISSION: &'static str = PERMISSION;
}

#[get("/reports")]
fn reports(user: Permitted<'_, ReadAdminMessages>) -> String {
    user.subject().subject.clone()
}

/// The guarded page and the admin message are both open, or both name the permission that is missing.
async fn assert_agree(browser: &HttpBrowser, is_permitted: bool, row: &str) {
    let (guarded, message) = (browser.get("/reports").await, browser.get("/admin").await);
    let expected = if is_permitted { StatusCode::OK } else { StatusCode::FORBIDDEN };
    assert_eq!(guarded.status, expected, "{row}: {}", guarded.text());
    assert_eq!(message.status, expected, "{row}: {}", message.text());
    if !is_permitted {
        let missing = format!("the permission {PERMISSION}");
        assert!(guarded.text().contains(&missing), "{row}: {}", guarded.text());
        assert!(message.text().contains("Missing"), "{row}: {}", message.text());
    }
}

/// What of the only user is recorded.
async fn recorded(site: &Site) -> Option<Permissions> {
    site.ports.users.list(1).await.unwrap().remove(0).permissions
}

#[tokio::test]
async fn guard_and_message_agree_by_each_claim() {
    let claims = "realm_access.roles cognito:groups https://example.com/roles";
    // Without an API, the messages are answered by the permissions of the session.
    let settings =
        vec![("PERMISSIONS_CLAIMS", claims.to_owned()), ("API_SERVER_URL", String::new())];
    let mapping = vec![("/admins", PERMISSION)];
    let options =
        SiteOptions { settings, mapping, routes: routes![reports], ..SiteOptions::default() };
    let site = Site::start_with(options).await;
    for (claims, is_permitted) in [
        (r#"{"realm_access":{"roles":["user","read:admin-messages"]}}"#, true),
        (r#"{"realm_access":{"roles":["/admins"]}}"#, true),
        (r#"{"realm_access":{"roles":["/admins/other"]}}"#, false),
        (r#"{"cognito:groups":["/admins"]}"#, true),
        (r#"{"https://example.com/roles":"editor /admins"}"#, true),
        (r#"{"permissions":["read:admin-messages"]}"#, false),
        (r#"{"_claim_names":{"cognito:groups":"src1"}}"#, false),
    ] {
        site.servers.faults().clear();
        site.servers.faults().set(Fault::ChangedClaims(claims));
        let (browser, _) = site.signed_in(USER).await;
        assert_agree(&browser, is_permitted, claims).await;
        let is_recorded = recorded(&site).await.unwrap().contains(&Permission::new(PERMISSION));
        assert_eq!(is_recorded, is_permitted, "{claims}");
    }
    assert_eq!(recorded(&site).await.unwrap().only_referred(), ["cognito:groups"]);
}

#[tokio::test]
async fn guard_and_api_agree_at_development_provider() {
    let settings = vec![("PERMISSIONS_CLAIMS", "groups permissions".to_owned())];
    let options = SiteOptions { settings, routes: routes![reports], ..SiteOptions::default() };
    let site = Site::start_with(options).await;
    for (email, is_permitted) in [(ADMIN, true), (USER, false)] {
        let (browser, _) = site.signed_in(email).await;
        assert_agree(&browser, is_permitted, email).await;
    }
}

#[tokio::test]
async fn refresh_takes_permission_away_and_records_it() {
    let clock = crate::identity::clock_at_now();
    let site_clock: Arc<dyn Clock> = clock.clone();
    let ports: Option<Change> = Some(Box::new(move |ports| ports.clock = site_clock));
    let settings = vec![
        ("PERMISSIONS_CLAIMS", "realm_access.roles".to_owned()),
        ("OIDC_SCOPES", "openid profile email offline_access".to_owned()),
    ];
    let routes = routes![reports];
    let site =
        Site::start_with(SiteOptions { settings, routes, ports, ..SiteOptions::default() }).await;
    let claims = r#"{"realm_access":{"roles":["read:admin-messages"]}}"#;
    site.servers.faults().set(Fault::ChangedClaims(claims));
    site.servers.faults().set(Fault::ShortAccessTokens(30));
    let (browser, _) = site.signed_in(USER).await;
    assert_eq!(browser.get("/reports").await.status, StatusCode::OK);
    let grant = Grant {
        source: ClaimSource::IdToken,
        claim: "realm_access.roles".into(),
        permissions: vec![Permission::new(PERMISSION)],
    };
    assert_eq!(recorded(&site).await, Some(Permissions::new(vec![grant], Vec::new())));

    site.servers.faults().clear();
    clock.advance(TimeDelta::seconds(25));
    assert_eq!(browser.get("/protected").await.status, StatusCode::OK);
    assert_eq!(browser.get("/reports").await.status, StatusCode::FORBIDDEN);
    assert_eq!(recorded(&site).await, Some(Permissions::default()));
}
