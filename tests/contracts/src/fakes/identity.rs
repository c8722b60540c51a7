use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};

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

/// A provider in memory where the user of [`fixtures::identity`] has an account, and which can be
/// down: see [`Server`].
#[derive(Debug, Default)]
pub struct InMemoryProvider {
    down: AtomicBool,
    issued: Mutex<Issued>,
}

/// What the provider issued.
#[derive(Debug, Default)]
struct Issued {
    attempts: BTreeMap<String, LoginAttempt>,
    codes: BTreeMap<String, LoginAttempt>,
    refresh_tokens: Vec<RefreshToken>,
    count: usize,
}

impl InMemoryProvider {
    /// What was issued. `None` while the provider is down.
    fn issued(&self) -> Option<MutexGuard<'_, Issued>> {
        let is_down = self.down.load(Ordering::SeqCst);
        (!is_down).then(|| self.issued.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Issued {
    fn tokens(&mut self) -> Tokens {
        self.count += 1;
        let refresh_token = RefreshToken::new(format!("refresh-token-{}", self.count));
        self.refresh_tokens.push(refresh_token.clone());
        Tokens {
            id_token: Some(IdToken::new(format!("id-token-{}", self.count))),
            access_token: AccessToken::new(format!("access-token-{}", self.count)),
            access_token_issued_at: DateTime::UNIX_EPOCH,
            access_token_expires_at: None,
            refresh_token: Some(refresh_token),
        }
    }
}

fn stopped() -> String {
    "stopped by the test".into()
}

#[async_trait]
impl Server for Arc<InMemoryProvider> {
    async fn stop(&mut self) {
        self.down.store(true, Ordering::SeqCst);
    }

    async fn start_again(&mut self) {
        self.down.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl Stage for Arc<InMemoryProvider> {
    fn relying_party(&self) -> Arc<dyn IdentityProvider> {
        self.clone()
    }

    async fn log_in(&self, authorization_url: &str) -> AuthorizationResponse {
        let parameters = authorization_url.split(['?', '&']);
        let state = parameters.filter_map(|pair| pair.strip_prefix("state=")).next().unwrap();
        let mut issued = self.issued().unwrap();
        let attempt = issued.attempts.remove(state).unwrap();
        issued.count += 1;
        let code = format!("code-{}", issued.count);
        issued.codes.insert(code.clone(), attempt);
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
        let mut issued = self.issued().ok_or_else(|| ProviderUnavailable::Outage(stopped()))?;
        let (state, nonce) = (attempt.state.expose(), attempt.nonce.expose());
        issued.attempts.insert(state.to_owned(), attempt.clone());
        // This provider keeps the attempt itself instead of the challenge.
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
        let mut issued = self.issued().ok_or_else(|| RedeemError::ProviderFault(stopped()))?;
        let started = issued.codes.remove(response.code.expose());
        let started = started.filter(|started| started.code_verifier == attempt.code_verifier);
        let started = started.ok_or_else(|| RedeemError::CodeRejected("invalid_grant".into()))?;
        if started.nonce != attempt.nonce {
            return Err(RedeemError::WrongNonce);
        }
        Ok(Identity { tokens: issued.tokens(), ..fixtures::identity() })
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        let mut issued = self.issued().ok_or_else(|| RefreshError::ProviderFault(stopped()))?;
        let tokens = issued.refresh_tokens.iter();
        if !tokens.map(Some).any(|token| token == session.tokens().refresh_token.as_ref()) {
            return Err(RefreshError::Refused("invalid_grant".into()));
        }
        Ok(RefreshedTokens { tokens: issued.tokens(), claims: None, permissions: None })
    }

    async fn revoke(&self, token: &RefreshToken, _: TimeDelta) {
        if let Some(mut issued) = self.issued() {
            issued.refresh_tokens.retain(|other| other != token);
        }
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        let _issued = self.issued().ok_or_else(|| ProviderUnavailable::Outage(stopped()))?;
        let target = match token.strip_prefix("of-the-provider-") {
            Some(id) => Ok((id.to_owned(), LogoutTarget::User(fixtures::subject().subject))),
            None => Err(LogoutTokenError::Invalid("made up".into())),
        };
        target.map(|(id, target)| LogoutToken { issuer: ISSUER.into(), id, target })
    }

    async fn end_session_url(
        &self,
        _: &Identity,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        let _issued = self.issued().ok_or_else(|| ProviderUnavailable::Outage(stopped()))?;
        Ok(Some(format!("{ISSUER}logout?state={}", state.expose())))
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        self.issued().map(drop).ok_or_else(|| ProviderUnavailable::Outage(stopped()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::reports_outage_without_ending_sessions, identity_provider_contract};

    async fn provider() -> (Arc<dyn Stage>, ()) {
        (Arc::new(Arc::new(InMemoryProvider::default())), ())
    }

    identity_provider_contract!(provider());

    #[tokio::test]
    async fn reports_outage() {
        let mut provider = Arc::new(InMemoryProvider::default());
        let stage = Arc::new(provider.clone());
        reports_outage_without_ending_sessions(stage, &mut provider).await;
    }
}
