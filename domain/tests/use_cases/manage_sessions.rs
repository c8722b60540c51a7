use portico_contracts::fixtures;
use portico_domain::{
    model::{Revocation, SessionId},
    ports::MockSessionRegistry,
    use_cases::ManageSessions,
};

fn a_registry_that_is_told(expected: Revocation) -> MockSessionRegistry {
    let mut registry = MockSessionRegistry::new();
    registry.expect_revoke().once().withf(move |r| *r == expected).returning(|_| Ok(()));
    registry
}

#[tokio::test]
async fn people_see_their_own_sessions() {
    let mut registry = MockSessionRegistry::new();
    registry
        .expect_list()
        .once()
        .withf(|issuer, subject| (issuer, subject) == (fixtures::ISSUER, "user-1"))
        .returning(|_, _| Ok(Some(vec![fixtures::session().summary()])));
    let sessions = ManageSessions { registry: &registry }.list(&fixtures::session()).await;
    assert_eq!(sessions, Ok(Some(vec![fixtures::session().summary()])));
}

#[tokio::test]
async fn people_end_a_session_of_their_own() {
    let id = SessionId::new([9; 32]);
    let registry = a_registry_that_is_told(Revocation::Session {
        issuer: fixtures::ISSUER.into(),
        subject: "user-1".into(),
        id,
    });
    let ended = ManageSessions { registry: &registry }.end_one(&fixtures::session(), id).await;
    assert_eq!(ended, Ok(()));
}

#[tokio::test]
async fn people_end_all_sessions_but_the_one_they_use() {
    let registry = a_registry_that_is_told(Revocation::Person {
        issuer: fixtures::ISSUER.into(),
        subject: "user-1".into(),
        except: Some(fixtures::session().id),
    });
    let ended = ManageSessions { registry: &registry }.end_others(&fixtures::session()).await;
    assert_eq!(ended, Ok(()));
}
