use portico_contracts::sessions::Instance;
use portico_contracts::{
    fakes::{InMemoryProvider, InMemorySite},
    fixtures::{self, ISSUER},
    sessions::{Cookies, Visitor},
};
use portico_domain::{
    model::Session,
    ports::SessionStore,
    use_cases::{FrontChannelLogout, FrontChannelLogoutError},
};

async fn signed_in(site: &InMemorySite, sid: &str) -> Box<dyn Visitor> {
    let visitor = site.visitor(Cookies::new()).await;
    let provider_session_id = Some(sid.to_owned());
    visitor.start(&Session { provider_session_id, ..fixtures::session() }).await.unwrap();
    visitor
}

async fn run(
    site: &InMemorySite,
    visitor: &dyn Visitor,
    [iss, sid]: [&str; 2],
    may_revoke: bool,
) -> Result<(), FrontChannelLogoutError> {
    let (identity, registry) = (InMemoryProvider::default(), site.registry());
    let sessions: &dyn SessionStore = visitor;
    let end = FrontChannelLogout { identity: &identity, sessions, registry: &*registry };
    end.run(iss, sid, || may_revoke).await
}

#[tokio::test]
async fn the_session_in_the_browser_ends_and_no_other() {
    let site = InMemorySite::default();
    let (one, other) = (signed_in(&site, "one").await, signed_in(&site, "other").await);
    assert_eq!(run(&site, &*one, [ISSUER, "one"], false).await, Ok(()));
    assert_eq!(one.current().await, Ok(None));
    assert!(other.current().await.unwrap().is_some());
}

#[tokio::test]
async fn a_session_whose_cookies_stay_behind_ends_all_the_same_within_reason() {
    let site = InMemorySite::default();
    let one = signed_in(&site, "one").await;
    let frame = site.visitor(Cookies::new()).await;
    let refused = run(&site, &*frame, [ISSUER, "one"], false).await;
    assert_eq!(refused, Err(FrontChannelLogoutError::TooMany));
    assert!(one.current().await.unwrap().is_some());
    assert_eq!(run(&site, &*frame, [ISSUER, "one"], true).await, Ok(()));
    assert_eq!(one.current().await, Ok(None));
}

#[tokio::test]
async fn another_issuer_or_another_name_ends_nothing() {
    let site = InMemorySite::default();
    let one = signed_in(&site, "one").await;
    let refused = run(&site, &*one, ["https://attacker.example/", "one"], true).await;
    assert!(matches!(refused, Err(FrontChannelLogoutError::Issuer(_))), "{refused:?}");
    assert_eq!(run(&site, &*one, [ISSUER, "another"], true).await, Ok(()));
    assert!(one.current().await.unwrap().is_some());
}
