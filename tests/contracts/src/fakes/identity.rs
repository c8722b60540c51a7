use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;

use crate::{
    Server,
    fixtures::{self, ISSUER},
    identity::Stage,
};
use portico_domain::{
    model::{
        AccessToken, AuthorizationCode, AuthorizationResponse, IdToken, Identity, LoginAttempt,
        LogoutTarget, LogoutToken, RefreshToken, RefreshedTokens, Screen, Session, State, Tokens,
    },
    ports::{IdentityProvider, LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError},
};

/// A provider in memory where [`fixtures::identity`] has an account, and may be out of reach: see
/// [`Server`].
#[derive(Debug, Default)]
pub struct InMemoryProvider {
    away: AtomicBool,
    given: Mutex<Given>,
}

/// What was handed out.
#[derive(Debug, Default)]
struct Given {
    attempts: BTreeMap<String, LoginAttempt>,
    codes: BTreeMap<String, LoginAttempt>,
    refresh_tokens: Vec<RefreshToken>,
    count: usize,
}

impl InMemoryProvider {
    /// What was handed out. `None` while the provider is away.
    fn given(&self) -> Option<MutexGuard<'_, Given>> {
        let is_away = self.away.load(Ordering::SeqCst);
        (!is_away).then(|| self.given.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Given {
    fn tokens(&mut self) -> Tokens {
        self.count += 1;
        let refresh_token = RefreshToken::new(format!("refresh-token-{}", self.count));
        self.refresh_tokens.push(refresh_token.clone());
        Tokens {
            id_token: IdToken::new(format!("id-token-{}", self.count)),
            access_token: AccessToken::new(format!("access-token-{}", self.count)),
            access_token_expires_at: None,
            refresh_token: Some(refresh_token),
        }
    }
}

fn away() -> String {
    "the test says so".into()
}

#[async_trait]
impl Server for Arc<InMemoryProvider> {
    async fn stop(&mut self) {
        self.away.store(true, Ordering::SeqCst);
    }

    async fn start_again(&mut self) {
        self.away.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl Stage for Arc<InMemoryProvider> {
    fn relying_party(&self) -> Arc<dyn IdentityProvider> {
        self.clone()
    }

    async fn sign_in(&self, authorization_url: &str) -> AuthorizationResponse {
        let parameters = authorization_url.split(['?', '&']);
        let state = parameters.filter_map(|pair| pair.strip_prefix("state=")).next().unwrap();
        let mut given = self.given().unwrap();
        let attempt = given.attempts.remove(state).unwrap();
        given.count += 1;
        let code = format!("code-{}", given.count);
        given.codes.insert(code.clone(), attempt);
        AuthorizationResponse { code: AuthorizationCode::new(code), issuer: Some(ISSUER.into()) }
    }
}

#[async_trait]
impl IdentityProvider for InMemoryProvider {
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        _: Screen,
    ) -> Result<String, ProviderUnavailable> {
        let mut given = self.given().ok_or_else(|| ProviderUnavailable(away()))?;
        let (state, nonce) = (attempt.state.expose(), attempt.nonce.expose());
        given.attempts.insert(state.to_owned(), attempt.clone());
        // The challenge is whatever the provider remembers.
        let pkce = "code_challenge_method=S256&code_challenge=remembered";
        Ok(format!("{ISSUER}authorize?response_type=code&state={state}&nonce={nonce}&{pkce}"))
    }

    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError> {
        match issuer {
            Some(issuer) if issuer != ISSUER => Err(RedeemError::WrongIssuer(issuer)),
            _ => Ok(()),
        }
    }

    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError> {
        self.verify_issuer(response.issuer.clone()).await?;
        let mut given = self.given().ok_or_else(|| RedeemError::ProviderFault(away()))?;
        let theirs = given.codes.remove(response.code.expose());
        let theirs = theirs.filter(|theirs| theirs.code_verifier == attempt.code_verifier);
        let theirs = theirs.ok_or_else(|| RedeemError::CodeRejected("invalid_grant".into()))?;
        if theirs.nonce != attempt.nonce {
            return Err(RedeemError::WrongNonce);
        }
        Ok(Identity { tokens: given.tokens(), ..fixtures::identity() })
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        let mut given = self.given().ok_or_else(|| RefreshError::ProviderFault(away()))?;
        let known = given.refresh_tokens.iter();
        if !known.map(Some).any(|token| token == session.tokens.refresh_token.as_ref()) {
            return Err(RefreshError::Refused("invalid_grant".into()));
        }
        Ok(RefreshedTokens { tokens: given.tokens(), permissions: None })
    }

    async fn revoke(&self, token: &RefreshToken) -> Result<(), ProviderUnavailable> {
        let mut given = self.given().ok_or_else(|| ProviderUnavailable(away()))?;
        given.refresh_tokens.retain(|known| known != token);
        Ok(())
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        let _given = self.given().ok_or_else(|| ProviderUnavailable(away()))?;
        let target = match token.strip_prefix("of-the-provider-") {
            Some(id) => Ok((id.to_owned(), LogoutTarget::Person(fixtures::identity().subject))),
            None => Err(LogoutTokenError::Invalid("made up".into())),
        };
        target.map(|(id, target)| LogoutToken { issuer: ISSUER.into(), id, target })
    }

    async fn end_session_url(
        &self,
        _: Option<IdToken>,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        let _given = self.given().ok_or_else(|| ProviderUnavailable(away()))?;
        Ok(Some(format!("{ISSUER}logout?state={}", state.expose())))
    }

    fn end_session_origins(&self) -> Vec<String> {
        vec![ISSUER.trim_end_matches('/').into()]
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        self.given().map(drop).ok_or_else(|| ProviderUnavailable(away()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::an_outage_is_said_and_ends_no_session, identity_provider_contract};

    async fn provider() -> (Arc<dyn Stage>, ()) {
        (Arc::new(Arc::new(InMemoryProvider::default())), ())
    }

    identity_provider_contract!(provider());

    #[tokio::test]
    async fn an_outage() {
        let mut provider = Arc::new(InMemoryProvider::default());
        let stage = Arc::new(provider.clone());
        an_outage_is_said_and_ends_no_session(stage, &mut provider).await;
    }
}
