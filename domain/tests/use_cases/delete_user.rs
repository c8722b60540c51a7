use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use portico_contracts::{
    Server,
    fakes::{InMemorySite, InMemoryUsers},
    fixtures,
    sessions::{Browser, Instance},
};
use portico_domain::{
    model::{Subject, User},
    ports::{IdentityProvider, MockIdentityProvider, UserRepository},
    use_cases::{DeleteUser, DeleteUserError},
};

use crate::support::{expect_revocation, is_logged_in, logged_in, session_with_refresh_token};

/// A site with a record and a session of the user of the examples and of another user.
struct Setup {
    site: InMemorySite,
    users: Arc<InMemoryUsers>,
    browser: Box<dyn Browser>,
    another_browser: Box<dyn Browser>,
}

fn another_user() -> Subject {
    Subject::new(fixtures::ISSUER, "user-2")
}

impl Setup {
    async fn new() -> Self {
        let (site, users) = (InMemorySite::default(), Arc::<InMemoryUsers>::default());
        for subject in [fixtures::subject(), another_user()] {
            let profile = fixtures::identity().profile();
            users.record_login(&subject, &profile, DateTime::UNIX_EPOCH).await.unwrap();
        }
        let mut another_session = session_with_refresh_token("of-another-user");
        another_session.identity.subject = another_user();
        let another_browser = logged_in(&site, &another_session).await;
        let browser = logged_in(&site, &session_with_refresh_token("refresh-token")).await;
        Self { site, users, browser, another_browser }
    }

    async fn run(&self, identity: Option<&dyn IdentityProvider>) -> Result<bool, DeleteUserError> {
        let (users, registry) = (&self.users, self.site.registry());
        let delete = DeleteUser { users: &**users, registry: &*registry, identity };
        delete.run(&fixtures::subject()).await
    }

    async fn record(&self) -> Option<User> {
        self.users.find(&fixtures::subject()).await.unwrap()
    }
}

#[tokio::test]
async fn deletes_record_and_ends_sessions_of_one_user() {
    let setup = Setup::new().await;
    let mut identity = MockIdentityProvider::new();
    expect_revocation(&mut identity, "refresh-token", TimeDelta::zero());
    assert_eq!(setup.run(Some(&identity)).await, Ok(true));
    assert_eq!(setup.record().await, None);
    assert!(!is_logged_in(&*setup.browser).await);

    assert!(setup.users.find(&another_user()).await.unwrap().is_some());
    assert!(is_logged_in(&*setup.another_browser).await);
}

#[tokio::test]
async fn deletes_user_without_provider() {
    let setup = Setup::new().await;
    assert_eq!(setup.run(None).await, Ok(true));
    assert_eq!(setup.record().await, None);
    assert!(!is_logged_in(&*setup.browser).await);
}

#[tokio::test]
async fn ends_sessions_also_without_record() {
    let setup = Setup::new().await;
    setup.users.delete(&fixtures::subject()).await.unwrap();
    assert_eq!(setup.run(None).await, Ok(false));
    assert!(!is_logged_in(&*setup.browser).await);
}

#[tokio::test]
async fn keeps_record_when_sessions_cannot_be_ended() {
    let mut setup = Setup::new().await;
    setup.site.stop().await;
    let failed = setup.run(None).await;
    assert!(matches!(failed, Err(DeleteUserError::Sessions(_))), "{failed:?}");
    assert!(setup.record().await.is_some());

    setup.site.start_again().await;
    assert_eq!(setup.run(None).await, Ok(true));
    assert!(!is_logged_in(&*setup.browser).await);
}

/// No session may outlive the record, so the sessions end first.
#[tokio::test]
async fn ends_sessions_when_record_cannot_be_deleted() {
    let mut setup = Setup::new().await;
    setup.users.stop().await;
    let failed = setup.run(None).await;
    assert!(matches!(failed, Err(DeleteUserError::Users(_))), "{failed:?}");
    assert!(!is_logged_in(&*setup.browser).await);

    setup.users.start_again().await;
    assert!(setup.record().await.is_some());
    assert_eq!(setup.run(None).await, Ok(true));
    assert_eq!(setup.record().await, None);
}
