use mockall::Sequence;
use portico_contracts::fixtures;
use portico_domain::{
    model::{RefreshToken, Revocation},
    ports::{
        MockIdentityProvider, MockSessionRegistry, MockUserRepository, SessionsUnavailable,
        UsersUnavailable,
    },
    use_cases::{DeleteUser, DeleteUserError},
};

#[tokio::test]
async fn ends_sessions_before_it_deletes_the_record() {
    for existed in [true, false] {
        let (mut order, mut registry) = (Sequence::new(), MockSessionRegistry::new());
        let everywhere = Revocation::User { subject: fixtures::subject(), except: None };
        registry
            .expect_revoke()
            .once()
            .withf(move |revocation| *revocation == everywhere)
            .returning(|_| Ok(vec![RefreshToken::new("refresh-token")]))
            .in_sequence(&mut order);
        let mut users = MockUserRepository::new();
        users
            .expect_delete()
            .once()
            .withf(|subject| *subject == fixtures::subject())
            .returning(move |_| Ok(existed))
            .in_sequence(&mut order);
        let mut identity = MockIdentityProvider::new();
        identity.expect_revoke().once().return_const(());
        let delete = DeleteUser { users: &users, registry: &registry, identity: Some(&identity) };
        assert_eq!(delete.run(&fixtures::subject()).await, Ok(existed));
    }
}

#[tokio::test]
async fn keeps_record_while_sessions_cannot_be_ended() {
    let down = SessionsUnavailable("gone".into());
    let answer = down.clone();
    let mut registry = MockSessionRegistry::new();
    registry.expect_revoke().returning(move |_| Err(answer.clone()));
    let users = MockUserRepository::new();
    let delete = DeleteUser { users: &users, registry: &registry, identity: None };
    let done = delete.run(&fixtures::subject()).await;
    assert_eq!(done, Err(DeleteUserError::Sessions(down)));
}

#[tokio::test]
async fn reports_user_storage_outage() {
    let down = UsersUnavailable("disk full".into());
    let answer = down.clone();
    let mut registry = MockSessionRegistry::new();
    registry.expect_revoke().returning(|_| Ok(Vec::new()));
    let mut users = MockUserRepository::new();
    users.expect_delete().returning(move |_| Err(answer.clone()));
    let delete = DeleteUser { users: &users, registry: &registry, identity: None };
    assert_eq!(delete.run(&fixtures::subject()).await, Err(DeleteUserError::Users(down)));
}
