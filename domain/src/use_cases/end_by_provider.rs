use chrono::TimeDelta;

use crate::{
    model::{LogoutToken, Revocation, Whose},
    ports::{Clock, IdentityProvider, LogoutTokenError, SessionRegistry, SessionsUnavailable},
};

/// How long a logout token that was used is remembered: longer than any is taken
/// ([`IdentityProvider::verify_logout_token`]).
const REMEMBERED: TimeDelta = TimeDelta::minutes(15);

/// The provider ends sessions (OpenID Connect Back-Channel Logout, section 2.5).
pub struct EndByProvider<'a> {
    /// Verifies what the provider says.
    pub identity: &'a dyn IdentityProvider,
    /// Ends the sessions.
    pub registry: &'a dyn SessionRegistry,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// Why no session was ended. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndByProviderError {
    /// The logout token is not to be believed.
    #[error(transparent)]
    Token(#[from] LogoutTokenError),
    /// The logout token was used before.
    #[error("the logout token was used before")]
    Replayed,
    /// The store is out of reach.
    #[error(transparent)]
    Sessions(#[from] SessionsUnavailable),
}

impl EndByProvider<'_> {
    /// Ends what the logout token names, whether there is anything to end or not.
    ///
    /// # Errors
    /// An [`EndByProviderError`]; with one of the store some sessions may have ended.
    pub async fn run(&self, logout_token: &str) -> Result<(), EndByProviderError> {
        let LogoutToken { issuer, id, whose } =
            self.identity.verify_logout_token(logout_token).await?;
        let until = self.clock.now() + REMEMBERED;
        if !self.registry.first_use(&format!("logout token {issuer} {id}"), until).await? {
            return Err(EndByProviderError::Replayed);
        }
        let revocation = match whose {
            Whose::ProviderSession { sid, subject } => {
                Revocation::ProviderSession { issuer, sid, subject }
            }
            Whose::Person(subject) => Revocation::Person { issuer, subject, except: None },
        };
        Ok(self.registry.revoke(&revocation).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        model::Session,
        ports::{MockIdentityProvider, MockSessionRegistry, ProviderUnavailable, SessionStore},
        testing::{
            self, InMemorySite,
            contract::sessions::{Cookies, Instance, Visitor},
        },
    };

    fn saying(whose: Whose) -> MockIdentityProvider {
        let mut identity = MockIdentityProvider::new();
        let token = LogoutToken { issuer: testing::ISSUER.into(), id: "jti".into(), whose };
        identity.expect_verify_logout_token().returning(move |_| Ok(token.clone()));
        identity
    }

    async fn run(
        identity: &MockIdentityProvider,
        registry: &dyn SessionRegistry,
    ) -> Result<(), EndByProviderError> {
        let clock = testing::SetClock::default();
        EndByProvider { identity, registry, clock: &clock }.run("a token").await
    }

    async fn signed_in(site: &InMemorySite, provider_session: &str) -> Box<dyn Visitor> {
        let visitor = site.visitor(Cookies::new()).await;
        let provider_session = Some(provider_session.to_owned());
        visitor.start(&Session { provider_session, ..testing::session() }).await.unwrap();
        visitor
    }

    async fn is_there(visitor: &dyn SessionStore) -> bool {
        visitor.current().await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_named_session_ends_and_no_other_of_that_person() {
        let site = InMemorySite::default();
        let (one, other) = (signed_in(&site, "one").await, signed_in(&site, "other").await);
        let subject = Some("user-1".to_owned());
        let identity = saying(Whose::ProviderSession { sid: "one".into(), subject });
        assert_eq!(run(&identity, &*site.registry()).await, Ok(()));
        assert!(!is_there(&*one).await);
        assert!(is_there(&*other).await);
    }

    #[tokio::test]
    async fn all_sessions_of_a_named_person_end() {
        let site = InMemorySite::default();
        let (one, other) = (signed_in(&site, "one").await, signed_in(&site, "other").await);
        let identity = saying(Whose::Person("user-1".into()));
        assert_eq!(run(&identity, &*site.registry()).await, Ok(()));
        assert!(!is_there(&*one).await);
        assert!(!is_there(&*other).await);
    }

    #[tokio::test]
    async fn nobody_to_end_is_no_error_but_a_token_is_good_once() {
        let registry: Arc<dyn SessionRegistry> = InMemorySite::default().registry();
        let identity = saying(Whose::Person("nobody".into()));
        assert_eq!(run(&identity, &*registry).await, Ok(()));
        assert_eq!(run(&identity, &*registry).await, Err(EndByProviderError::Replayed));
    }

    #[tokio::test]
    async fn what_cannot_be_verified_ends_nothing() {
        for error in [
            LogoutTokenError::NotBelieved("no jti".into()),
            LogoutTokenError::Unavailable(ProviderUnavailable("away".into())),
        ] {
            let mut identity = MockIdentityProvider::new();
            let refusal = error.clone();
            identity.expect_verify_logout_token().returning(move |_| Err(refusal.clone()));
            // A registry that expects nothing.
            let done = run(&identity, &MockSessionRegistry::new()).await;
            assert_eq!(done, Err(error.into()));
        }
    }

    #[tokio::test]
    async fn a_store_that_is_down_is_said_so() {
        let mut registry = MockSessionRegistry::new();
        let down = || SessionsUnavailable("down".into());
        registry.expect_first_use().returning(move |_, _| Err(down()));
        let done = run(&saying(Whose::Person("user-1".into())), &registry).await;
        assert_eq!(done, Err(down().into()));
    }
}
