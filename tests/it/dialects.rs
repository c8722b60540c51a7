//! The guide with the development provider in each of its dialects.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use portico::guards::{Needs, Permitted};
use portico_development::{Dialect, Fault};
use portico_domain::ports::Clock;
use portico_tests::{
    http_browser::HttpBrowser,
    page::Page,
    site::{Change, Site, SiteOptions, log_in},
};
use rocket::{get, routes};
use rstest::rstest;
use rstest_reuse::{apply, template};
use url::Url;

use crate::identity::clock_at_now;

const USER: &str = "user@example.com";
const ADMIN: &str = "admin@example.com";

struct ReadAdminMessages;

impl Needs for ReadAdminMessages {
    const PERMISSION: &'static str = "read:admin-messages";
}

#[get("/reports")]
fn reports(user: Permitted<'_, ReadAdminMessages>) -> String {
    user.subject().subject.clone()
}

/// A site with the settings for this dialect, and with these.
async fn site_in(
    dialect: Dialect,
    settings: Vec<(&'static str, String)>,
    ports: Option<Change>,
) -> Site {
    let of_dialect = dialect.settings().iter().map(|(name, value)| (&**name, value.clone()));
    let of_dialect = of_dialect.filter(|(name, _)| settings.iter().all(|(set, _)| set != name));
    let settings = of_dialect.chain(settings.clone()).collect();
    let routes = routes![reports];
    let site =
        Site::start_with(SiteOptions { settings, routes, ports, ..SiteOptions::default() }).await;
    site.servers.set_dialect(Some(dialect));
    site
}

#[template]
#[rstest]
#[case::auth0(Dialect::Auth0)]
#[case::keycloak(Dialect::Keycloak)]
#[case::entra_id(Dialect::EntraId)]
#[case::google(Dialect::Google)]
#[case::okta(Dialect::Okta)]
#[case::cognito(Dialect::Cognito)]
#[case::hydra(Dialect::Hydra)]
#[case::dex(Dialect::Dex)]
fn dialects(#[case] dialect: Dialect) {}

#[apply(dialects)]
#[tokio::test]
async fn guide_works(dialect: Dialect) {
    let site = site_in(dialect, Vec::new(), None).await;
    let (browser, profile) = site.signed_in(ADMIN).await;
    for shown in ["Ada Admin", ADMIN] {
        assert!(profile.text().contains(shown), "{shown}: {}", profile.text());
    }
    // Google has no roles or groups.
    let permitted = if dialect == Dialect::Google { StatusCode::FORBIDDEN } else { StatusCode::OK };
    for (path, status) in
        [("/protected", StatusCode::OK), ("/admin", permitted), ("/reports", permitted)]
    {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}: {}", page.text());
    }
    let (user, _) = site.signed_in(USER).await;
    assert_eq!(user.get("/reports").await.status, StatusCode::FORBIDDEN);

    let end = browser.submit(&profile, "Log Out", &[]).await;
    assert_logged_out(&site, &browser, &end, dialect).await;
}

/// The session in Portico has ended; that at the provider only where the vendor's log-out allows it.
async fn assert_logged_out(site: &Site, browser: &HttpBrowser, end: &Page, dialect: Dialect) {
    let provider = Url::parse(site.servers.issuer()).unwrap();
    let (status, host, text) = match dialect {
        Dialect::Google | Dialect::Dex => {
            (StatusCode::OK, &site.url, "Your identity provider has no log-out page")
        }
        Dialect::Cognito => (StatusCode::BAD_REQUEST, &provider, "needs client_id and logout_uri"),
        _ => (StatusCode::OK, &site.url, "You are logged out"),
    };
    assert_eq!((end.status, end.url.origin()), (status, host.origin()), "{}", end.text());
    assert!(end.text().contains(text), "{}", end.text());
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER);
    let asks_for_password = browser.visit("/login").await.url.origin() == provider.origin();
    let ended = !matches!(dialect, Dialect::Google | Dialect::Dex | Dialect::Cognito);
    assert_eq!(asks_for_password, ended);
}

#[apply(dialects)]
#[tokio::test]
async fn access_token_is_refreshed_where_vendor_issues_refresh_tokens(dialect: Dialect) {
    let clock = clock_at_now();
    let site_clock: Arc<dyn Clock> = clock.clone();
    let ports: Change = Box::new(move |ports| ports.clock = site_clock);
    let site = site_in(dialect, Vec::new(), Some(ports)).await;
    // Expired for the API at once, where no new one can come.
    let seconds = if dialect == Dialect::Google { 0 } else { 30 };
    site.servers.faults().set(Fault::ShortAccessTokens(seconds));
    let (browser, _) = site.signed_in(ADMIN).await;
    let requested = site.servers.request_count("token");
    site.servers.faults().clear();
    clock.advance(TimeDelta::seconds(35));
    let page = browser.get("/protected").await;
    let renewed = site.servers.request_count("token") - requested;
    if dialect == Dialect::Google {
        assert_eq!(renewed, 0);
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.text());
        assert!(page.text().contains("Log in again"), "{}", page.text());
    } else {
        assert_eq!((page.status, renewed), (StatusCode::OK, 1), "{}", page.text());
        let permitted = browser.get("/reports").await;
        assert_eq!(permitted.status, StatusCode::OK, "{}", permitted.text());
    }
}

#[apply(dialects)]
#[tokio::test]
async fn offline_access_is_refused_where_vendor_refuses_it(dialect: Dialect) {
    let scopes = vec![("OIDC_SCOPES", "openid profile email offline_access".to_owned())];
    let site = site_in(dialect, scopes, None).await;
    let page = site.browser().visit("/login").await;
    let is_at_site = page.url.origin() == site.url.origin();
    match dialect {
        Dialect::Google => {
            assert_eq!((page.status, is_at_site), (StatusCode::BAD_REQUEST, false));
            assert!(page.text().contains("invalid_scope"), "{}", page.text());
        }
        Dialect::Cognito => {
            assert_eq!((page.status, is_at_site), (StatusCode::INTERNAL_SERVER_ERROR, true));
            assert!(page.text().contains("Log"), "{}", page.text());
        }
        _ => assert_eq!((page.status, is_at_site), (StatusCode::OK, false), "{}", page.text()),
    }
}

#[apply(dialects)]
#[tokio::test]
async fn refused_client_is_a_fault_of_the_settings(dialect: Dialect) {
    let secret = vec![("OIDC_CLIENT_SECRET", "not the client's secret".to_owned())];
    let site = site_in(dialect, secret, None).await;
    let page = log_in(&site.browser(), "/login", USER).await;
    assert_eq!(page.url.path(), "/callback");
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", page.text());
    assert!(!page.text().contains("AADSTS"), "{}", page.text());
}

#[tokio::test]
async fn dialect_is_selected_on_page_of_provider() {
    let site = Site::start().await;
    let provider = HttpBrowser::new(Url::parse(site.servers.issuer()).unwrap());
    let choose = async |label: &str, value: &str| {
        let page = provider.visit("/misbehave").await;
        provider.submit(&page, "Apply dialect", &[(label, value)]).await
    };
    let end_session = async || {
        let metadata = provider.get("/.well-known/openid-configuration").await.json();
        metadata["end_session_endpoint"].is_string()
    };
    assert!(end_session().await);
    let page = choose("Answer like", "dex").await;
    assert!(page.text().contains("The provider now answers like dex."), "{}", page.text());
    assert!(page.text().contains("PERMISSIONS_CLAIMS=groups"), "{}", page.text());
    assert_eq!(page.attribute("option[selected]", "value").as_deref(), Some("dex"));
    assert!(!end_session().await);
    let page = choose("Answer like", "").await;
    assert!(page.text().contains("The provider now answers in its own way."), "{}", page.text());
    assert!(end_session().await);
}
