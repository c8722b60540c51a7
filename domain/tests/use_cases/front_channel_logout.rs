use portico_contracts::{
    fakes::{InMemoryProvider, InMemorySite},
    fixtures::{self, ISSUER},
    sessions::{Browser, Cookies, Instance},
};
use portico_domain::{
    ports::SessionStore,
    use_cases::{FrontChannelLogout, FrontChannelLogoutError},
};

async fn logged_in(site: &InMemorySite, sid: &str) -> Box<dyn Browser> {
    let browser = site.browser(Cookies::new()).await;
    let mut session = fixtures::session();
    session.identity.provider_session_id = Some(sid.to_owned());
    browser.start(&session).await.unwrap();
    browser
}

async fn run(
    site: &InMemorySite,
    sessions: &dyn SessionStore,
    [iss, sid]: [&str; 2],
) -> Result<(), FrontChannelLogoutError> {
    let identity = InMemoryProvider::default();
    FrontChannelLogout { identity: &identity, sessions, registry: site }.run(iss, sid).await
}

#[tokio::test]
async fn ends_session_of_the_browser_only() {
    let site = InMemorySite::default();
    let (one, other) = (logged_in(&site, "one").await, logged_in(&site, "other").await);
    assert_eq!(run(&site, &*one, [ISSUER, "one"]).await, Ok(()));
    assert_eq!(one.current().await, Ok(None));
    assert!(other.current().await.unwrap().is_some());
}

#[tokio::test]
async fn ends_session_whose_cookies_were_not_sent() {
    let site = InMemorySite::default();
    let one = logged_in(&site, "one").await;
    let frame = site.browser(Cookies::new()).await;
    assert_eq!(run(&site, &*frame, [ISSUER, "one"]).await, Ok(()));
    assert_eq!(one.current().await, Ok(None));
}

#[tokio::test]
async fn refuses_other_issuer_and_ignores_unknown_session() {
    let site = InMemorySite::default();
    let one = logged_in(&site, "one").await;
    let refused = run(&site, &*one, ["https://attacker.example/", "one"]).await;
    assert!(matches!(refused, Err(FrontChannelLogoutError::Issuer(_))), "{refused:?}");
    assert_eq!(run(&site, &*one, [ISSUER, "another"]).await, Ok(()));
    assert!(one.current().await.unwrap().is_some());
}
