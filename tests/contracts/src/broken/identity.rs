use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::TimeDelta;

use super::{fails, refuses_broken_adapters};
use crate::{fakes::InMemoryProvider, fixtures, identity::Stage};
use portico_domain::{
    model::{
        AuthorizationResponse, Identity, LoginAttempt, LogoutToken, RefreshToken, RefreshedTokens,
        Screen, Session, State, Subject,
    },
    ports::{IdentityProvider, LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError},
};

/// What the adapter does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    SendsVerifier,
    ReturnsAnotherUserEachTime,
    AcceptsCodeTwice,
    AcceptsSimultaneousRedemptions,
    ShowsCodes,
    SendsAnotherVerifier,
    IgnoresNonce,
    IgnoresIssuer,
    ReportsMissingIssuerAsAnother,
    LosesRotatedToken,
    ShowsRefreshTokens,
    ShowsLogoutTokens,
    LosesState,
    BlamesSettings,
    FailsCheck,
    ReportsOutageAsRefusal,
}

#[derive(Clone)]
struct BrokenProvider {
    fault: Fault,
    inner: Arc<InMemoryProvider>,
    recorded: Arc<Recorded>,
}

/// What some faults need to know of earlier calls.
#[derive(Default)]
struct Recorded {
    attempts: Mutex<Vec<LoginAttempt>>,
    redeeming: AtomicUsize,
    redeemed_codes: AtomicUsize,
}

fn broken(fault: Fault) -> Arc<dyn Stage> {
    Arc::new(BrokenProvider { fault, inner: Arc::default(), recorded: Arc::default() })
}

impl BrokenProvider {
    fn attempts(&self) -> MutexGuard<'_, Vec<LoginAttempt>> {
        self.recorded.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Stage for BrokenProvider {
    fn relying_party(&self) -> Arc<dyn IdentityProvider> {
        Arc::new(self.clone())
    }

    async fn log_in(&self, authorization_url: &str) -> AuthorizationResponse {
        self.inner.log_in(authorization_url).await
    }
}

#[async_trait]
impl IdentityProvider for BrokenProvider {
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable> {
        self.attempts().push(attempt.clone());
        let url = self.inner.authorization_url(attempt, screen).await?;
        Ok(match self.fault {
            Fault::SendsVerifier => format!("{url}&v={}", attempt.code_verifier.expose()),
            _ => url,
        })
    }

    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError> {
        match self.fault {
            Fault::IgnoresIssuer => Ok(()),
            Fault::ReportsMissingIssuerAsAnother if issuer.is_none() => {
                Err(RedeemError::WrongIssuer("none".into()))
            }
            _ => self.inner.verify_issuer(issuer).await,
        }
    }

    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError> {
        let first = self.attempts().first().cloned().unwrap_or_else(|| attempt.clone());
        let is_redeeming = self.recorded.redeeming.fetch_add(1, Ordering::SeqCst) > 0;
        tokio::task::yield_now().await;
        self.recorded.redeeming.fetch_sub(1, Ordering::SeqCst);
        let mut attempt = attempt.clone();
        match self.fault {
            Fault::SendsAnotherVerifier => attempt.code_verifier = first.code_verifier,
            Fault::IgnoresNonce => attempt.nonce = first.nonce,
            _ => {}
        }
        let redeemed = self.inner.redeem(response, &attempt).await;
        match (self.fault, redeemed) {
            (Fault::ReturnsAnotherUserEachTime, Ok(identity)) => {
                let count = self.recorded.redeemed_codes.fetch_add(1, Ordering::SeqCst);
                let subject = Subject::new(identity.subject.issuer, count.to_string());
                Ok(Identity { subject, claims: identity.claims, ..fixtures::identity() })
            }
            (Fault::AcceptsCodeTwice, Err(RedeemError::CodeRejected(_))) => {
                Ok(fixtures::identity())
            }
            (Fault::AcceptsSimultaneousRedemptions, Err(_)) if is_redeeming => {
                Ok(fixtures::identity())
            }
            (Fault::ShowsCodes, Err(RedeemError::CodeRejected(_))) => {
                Err(RedeemError::CodeRejected(response.code.expose().into()))
            }
            (_, redeemed) => redeemed,
        }
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        let refreshed = self.inner.refresh(session).await;
        match (self.fault, refreshed) {
            (Fault::LosesRotatedToken, Ok(mut refreshed)) => {
                refreshed.tokens.refresh_token = None;
                Ok(refreshed)
            }
            (Fault::ShowsRefreshTokens, Err(_)) => {
                let token = session.tokens().refresh_token.as_ref();
                let text = token.map(|token| token.expose().to_owned());
                Err(RefreshError::Refused(text.unwrap_or_default()))
            }
            (Fault::ReportsOutageAsRefusal, Err(error)) => {
                Err(RefreshError::Refused(error.to_string()))
            }
            (_, refreshed) => refreshed,
        }
    }

    async fn revoke(&self, token: &RefreshToken, delay: TimeDelta) {
        self.inner.revoke(token, delay).await;
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        match self.fault {
            Fault::ShowsLogoutTokens => Err(LogoutTokenError::Invalid(token.into())),
            _ => self.inner.verify_logout_token(token).await,
        }
    }

    async fn end_session_url(
        &self,
        identity: &Identity,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        match self.fault {
            Fault::LosesState => self.inner.end_session_url(identity, &State::new("")).await,
            _ => self.inner.end_session_url(identity, state).await,
        }
    }

    fn settings_behind(&self, error: &str) -> Option<&'static str> {
        match self.fault {
            Fault::BlamesSettings => Some("all of them"),
            _ => self.inner.settings_behind(error),
        }
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        match self.fault {
            Fault::FailsCheck => Err(ProviderUnavailable::Outage("always".into())),
            _ => self.inner.check().await,
        }
    }
}

refuses_broken_adapters! {
    identity, broken;
    authorization_request_hides_the_verifier: SendsVerifier,
    code_yields_the_same_user_each_time: ReturnsAnotherUserEachTime,
    refuses_replayed_code: AcceptsCodeTwice,
    refuses_one_of_two_simultaneous_redemptions: AcceptsSimultaneousRedemptions,
    refuses_made_up_code_without_showing_it: ShowsCodes,
    refuses_code_of_another_attempt: SendsAnotherVerifier,
    refuses_wrong_nonce: IgnoresNonce,
    refuses_other_issuer_before_spending_the_code: IgnoresIssuer,
    accepts_missing_issuer_or_reports_it_as_missing: ReportsMissingIssuerAsAnother,
    renews_tokens_repeatedly: LosesRotatedToken,
    refuses_made_up_refresh_token_without_showing_it: ShowsRefreshTokens,
    refuses_made_up_logout_token_without_showing_it: ShowsLogoutTokens,
    log_out_address_holds_the_state: LosesState,
    names_no_setting_behind_refusals_by_the_user: BlamesSettings,
    check_succeeds: FailsCheck,
}

#[tokio::test]
async fn reports_outage_without_ending_sessions() {
    let mut server: Arc<InMemoryProvider> = Arc::default();
    let fault = Fault::ReportsOutageAsRefusal;
    let stage = BrokenProvider { fault, inner: server.clone(), recorded: Arc::default() };
    let clause = async move {
        let stage = Arc::new(stage);
        crate::identity::reports_outage_without_ending_sessions(stage, &mut server).await;
    };
    assert!(fails(clause).await);
}
