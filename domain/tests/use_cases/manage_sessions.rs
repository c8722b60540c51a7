use chrono::TimeDelta;
use portico_contracts::{
    Server,
    fakes::InMemorySite,
    fixtures,
    sessions::{Browser, Instance},
};
use portico_domain::{
    model::{Revocation, Session, SessionId, Subject},
    ports::{MockIdentityProvider, MockSessionRegistry},
    use_cases::ManageSessions,
};

use crate::support::{expect_revocation, is_logged_in, logged_in, session_with_refresh_token};

/// A session of the user of the examples. Its refresh token has the same name.
fn session(name: &str) -> Session {
    let mut random = [0; 32];
    random[..name.len()].copy_from_slice(name.as_bytes());
    Session { id: SessionId::new(random), ..session_with_refresh_token(name) }
}

fn session_of_another_user() -> Session {
    let mut session = session("theirs");
    session.identity.subject = Subject::new(fixtures::ISSUER, "user-2");
    session
}

/// A site where the user has three sessions and another user has one.
struct Setup {
    site: InMemorySite,
    current: Box<dyn Browser>,
    phone: Box<dyn Browser>,
    tablet: Box<dyn Browser>,
    another_user: Box<dyn Browser>,
}

impl Setup {
    async fn new() -> Self {
        let site = InMemorySite::default();
        Self {
            current: logged_in(&site, &session("current")).await,
            phone: logged_in(&site, &session("phone")).await,
            tablet: logged_in(&site, &session("tablet")).await,
            another_user: logged_in(&site, &session_of_another_user()).await,
            site,
        }
    }

    /// Which of the four are logged in: current, phone, tablet, another user's.
    async fn logged_in(&self) -> [bool; 4] {
        [
            is_logged_in(&*self.current).await,
            is_logged_in(&*self.phone).await,
            is_logged_in(&*self.tablet).await,
            is_logged_in(&*self.another_user).await,
        ]
    }
}

/// Must be told to revoke exactly these refresh tokens.
fn provider_revoking(tokens: &[&str]) -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    for token in tokens {
        expect_revocation(&mut identity, token, TimeDelta::zero());
    }
    identity
}

#[tokio::test]
async fn lists_own_sessions_only() {
    let setup = Setup::new().await;
    let (registry, identity) = (setup.site.registry(), provider_revoking(&[]));
    let manage = ManageSessions { registry: &*registry, identity: &identity };
    let listed = manage.list(&session("current")).await.unwrap().unwrap();
    let expected = ["current", "phone", "tablet"].map(|name| session(name).summary());
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn lists_nothing_where_store_cannot_list() {
    let mut registry = MockSessionRegistry::new();
    registry
        .expect_list()
        .once()
        .withf(|subject| *subject == fixtures::subject())
        .returning(|_| Ok(None));
    let manage = ManageSessions { registry: &registry, identity: &provider_revoking(&[]) };
    assert_eq!(manage.list(&session("current")).await, Ok(None));
}

#[tokio::test]
async fn ends_one_session() {
    let setup = Setup::new().await;
    let (registry, identity) = (setup.site.registry(), provider_revoking(&["phone"]));
    let manage = ManageSessions { registry: &*registry, identity: &identity };
    assert_eq!(manage.end_one(&session("current"), session("phone").id).await, Ok(()));
    assert_eq!(setup.logged_in().await, [true, false, true, true]);
}

#[tokio::test]
async fn ends_current_session() {
    let setup = Setup::new().await;
    let (registry, identity) = (setup.site.registry(), provider_revoking(&["current"]));
    let manage = ManageSessions { registry: &*registry, identity: &identity };
    assert_eq!(manage.end_one(&session("current"), session("current").id).await, Ok(()));
    assert_eq!(setup.logged_in().await, [false, true, true, true]);
}

#[tokio::test]
async fn ends_no_session_of_another_user() {
    let setup = Setup::new().await;
    let (registry, identity) = (setup.site.registry(), provider_revoking(&[]));
    let manage = ManageSessions { registry: &*registry, identity: &identity };
    let ended = manage.end_one(&session("current"), session_of_another_user().id).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(setup.logged_in().await, [true; 4]);
}

#[tokio::test]
async fn ends_other_sessions() {
    let setup = Setup::new().await;
    let (registry, identity) = (setup.site.registry(), provider_revoking(&["phone", "tablet"]));
    let manage = ManageSessions { registry: &*registry, identity: &identity };
    assert_eq!(manage.end_others(&session("current")).await, Ok(()));
    assert_eq!(setup.logged_in().await, [true, false, false, true]);
}

/// Such a store remembers each revocation, and any visitor can invent an id.
#[tokio::test]
async fn revokes_no_unknown_id_where_store_cannot_list() {
    let mut registry = MockSessionRegistry::new();
    registry.expect_list().returning(|_| Ok(None));
    let manage = ManageSessions { registry: &registry, identity: &provider_revoking(&[]) };
    assert_eq!(manage.end_one(&session("current"), session("phone").id).await, Ok(()));
}

#[tokio::test]
async fn ends_current_session_where_store_cannot_list() {
    let id = session("current").id;
    let expected = Revocation::Session { subject: fixtures::subject(), id };
    let mut registry = MockSessionRegistry::new();
    registry.expect_list().returning(|_| Ok(None));
    registry
        .expect_revoke()
        .once()
        .withf(move |revocation| *revocation == expected)
        .returning(|_| Ok(Vec::new()));
    let manage = ManageSessions { registry: &registry, identity: &provider_revoking(&[]) };
    assert_eq!(manage.end_one(&session("current"), id).await, Ok(()));
}

#[tokio::test]
async fn reports_store_outage() {
    let mut setup = Setup::new().await;
    setup.site.stop().await;
    let (registry, identity) = (setup.site.registry(), provider_revoking(&[]));
    let manage = ManageSessions { registry: &*registry, identity: &identity };
    let current = session("current");
    assert!(manage.list(&current).await.is_err());
    assert!(manage.end_one(&current, session("phone").id).await.is_err());
    assert!(manage.end_others(&current).await.is_err());
    setup.site.start_again().await;
    assert_eq!(setup.logged_in().await, [true; 4]);
}
