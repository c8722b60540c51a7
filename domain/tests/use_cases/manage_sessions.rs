use chrono::TimeDelta;
use portico_contracts::fixtures;
use portico_domain::{
    model::{RefreshToken, Revocation, SessionId, SessionSummary},
    ports::{MockIdentityProvider, MockSessionRegistry, SessionsUnavailable},
    use_cases::ManageSessions,
};

fn other() -> SessionSummary {
    SessionSummary { id: SessionId::new([9; 32]), ..fixtures::session().summary() }
}

/// A registry that lists the user's two sessions.
fn listing() -> MockSessionRegistry {
    let mut registry = MockSessionRegistry::new();
    registry
        .expect_list()
        .withf(|subject| *subject == fixtures::subject())
        .returning(|_| Ok(Some(vec![fixtures::session().summary(), other()])));
    registry
}

fn expect_revocation(registry: &mut MockSessionRegistry, expected: Revocation) {
    registry
        .expect_revoke()
        .once()
        .withf(move |revocation| *revocation == expected)
        .returning(|_| Ok(vec![RefreshToken::new("refresh-token")]));
}

/// Expects that the refresh token of the ended session is revoked.
fn revoking() -> MockIdentityProvider {
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_revoke()
        .once()
        .withf(|token, delay| token.expose() == "refresh-token" && *delay == TimeDelta::zero())
        .return_const(());
    identity
}

#[tokio::test]
async fn lists_own_sessions() {
    let (registry, identity) = (listing(), MockIdentityProvider::new());
    let manage = ManageSessions { registry: &registry, identity: &identity };
    let sessions = manage.list(&fixtures::session()).await;
    assert_eq!(sessions, Ok(Some(vec![fixtures::session().summary(), other()])));
}

#[tokio::test]
async fn ends_own_session() {
    let (mut registry, identity) = (listing(), revoking());
    let id = other().id;
    expect_revocation(&mut registry, Revocation::Session { subject: fixtures::subject(), id });
    let manage = ManageSessions { registry: &registry, identity: &identity };
    assert_eq!(manage.end_one(&fixtures::session(), id).await, Ok(()));
}

#[tokio::test]
async fn ends_no_session_that_is_not_listed() {
    let unknown = SessionId::new([7; 32]);
    let mut unlistable = MockSessionRegistry::new();
    unlistable.expect_list().returning(|_| Ok(None));
    for registry in [listing(), unlistable] {
        let identity = MockIdentityProvider::new();
        let manage = ManageSessions { registry: &registry, identity: &identity };
        assert_eq!(manage.end_one(&fixtures::session(), unknown).await, Ok(()));
    }
}

#[tokio::test]
async fn ends_current_session_where_sessions_cannot_be_listed() {
    let (mut registry, identity) = (MockSessionRegistry::new(), revoking());
    registry.expect_list().returning(|_| Ok(None));
    let id = fixtures::session().id;
    expect_revocation(&mut registry, Revocation::Session { subject: fixtures::subject(), id });
    let manage = ManageSessions { registry: &registry, identity: &identity };
    assert_eq!(manage.end_one(&fixtures::session(), id).await, Ok(()));
}

#[tokio::test]
async fn ends_all_sessions_but_the_current_one() {
    let (mut registry, identity) = (MockSessionRegistry::new(), revoking());
    let except = Some(fixtures::session().id);
    expect_revocation(&mut registry, Revocation::User { subject: fixtures::subject(), except });
    let manage = ManageSessions { registry: &registry, identity: &identity };
    assert_eq!(manage.end_others(&fixtures::session()).await, Ok(()));
}

#[tokio::test]
async fn reports_store_outage() {
    let down = || SessionsUnavailable("gone".into());
    let mut registry = MockSessionRegistry::new();
    registry.expect_list().returning(move |_| Err(down()));
    registry.expect_revoke().returning(move |_| Err(down()));
    let identity = MockIdentityProvider::new();
    let manage = ManageSessions { registry: &registry, identity: &identity };
    assert_eq!(manage.list(&fixtures::session()).await, Err(down()));
    assert_eq!(manage.end_one(&fixtures::session(), other().id).await, Err(down()));
    assert_eq!(manage.end_others(&fixtures::session()).await, Err(down()));
}
