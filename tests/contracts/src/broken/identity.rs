use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::{every_clause_bites, fails};
use crate::{fakes::InMemoryProvider, fixtures, identity::Stage};
use portico_domain::{
    model::{
        AuthorizationResponse, IdToken, Identity, LoginAttempt, LogoutToken, RefreshToken,
        RefreshedTokens, Screen, Session, State,
    },
    ports::{IdentityProvider, LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError},
};

/// What it does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    SendsTheVerifier,
    NamesSomebodyElseEachTime,
    TakesACodeTwice,
    SignsInWhileItRedeems,
    QuotesCodes,
    SendsTheRightVerifierAlways,
    LooksAtNoNonce,
    BelievesAnyIssuer,
    LosesTheRotatedToken,
    QuotesRefreshTokens,
    QuotesLogoutTokens,
    LosesTheState,
    IsNeverThere,
    TakesAnOutageForTheEnd,
}

#[derive(Clone)]
struct WrongProvider {
    way: Wrong,
    right: Arc<InMemoryProvider>,
    noted: Arc<Noted>,
}

/// What the wrong provider remembers where it should not.
#[derive(Default)]
struct Noted {
    attempts: Mutex<Vec<LoginAttempt>>,
    redeeming: AtomicUsize,
    signed_in: AtomicUsize,
}

fn wrong(way: Wrong) -> Arc<dyn Stage> {
    Arc::new(WrongProvider { way, right: Arc::default(), noted: Arc::default() })
}

impl WrongProvider {
    fn attempts(&self) -> MutexGuard<'_, Vec<LoginAttempt>> {
        self.noted.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Stage for WrongProvider {
    fn relying_party(&self) -> Arc<dyn IdentityProvider> {
        Arc::new(self.clone())
    }

    async fn sign_in(&self, authorization_url: &str) -> AuthorizationResponse {
        self.right.sign_in(authorization_url).await
    }
}

#[async_trait]
impl IdentityProvider for WrongProvider {
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable> {
        self.attempts().push(attempt.clone());
        let url = self.right.authorization_url(attempt, screen).await?;
        Ok(match self.way {
            Wrong::SendsTheVerifier => format!("{url}&v={}", attempt.code_verifier.expose()),
            _ => url,
        })
    }

    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError> {
        match self.way {
            Wrong::BelievesAnyIssuer => Ok(()),
            _ => self.right.verify_issuer(issuer).await,
        }
    }

    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError> {
        let first = self.attempts().first().cloned().unwrap_or_else(|| attempt.clone());
        let is_redeeming = self.noted.redeeming.fetch_add(1, Ordering::SeqCst) > 0;
        tokio::task::yield_now().await;
        self.noted.redeeming.fetch_sub(1, Ordering::SeqCst);
        let mut attempt = attempt.clone();
        match self.way {
            Wrong::SendsTheRightVerifierAlways => attempt.code_verifier = first.code_verifier,
            Wrong::LooksAtNoNonce => attempt.nonce = first.nonce,
            _ => {}
        }
        let redeemed = self.right.redeem(response, &attempt).await;
        match (self.way, redeemed) {
            (Wrong::NamesSomebodyElseEachTime, Ok(identity)) => {
                let count = self.noted.signed_in.fetch_add(1, Ordering::SeqCst);
                Ok(Identity { subject: count.to_string(), ..identity })
            }
            (Wrong::TakesACodeTwice, Err(RedeemError::CodeRejected(_))) => Ok(fixtures::identity()),
            (Wrong::SignsInWhileItRedeems, Err(_)) if is_redeeming => Ok(fixtures::identity()),
            (Wrong::QuotesCodes, Err(RedeemError::CodeRejected(_))) => {
                Err(RedeemError::CodeRejected(response.code.expose().into()))
            }
            (_, redeemed) => redeemed,
        }
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        let refreshed = self.right.refresh(session).await;
        match (self.way, refreshed) {
            (Wrong::LosesTheRotatedToken, Ok(mut refreshed)) => {
                refreshed.tokens.refresh_token = None;
                Ok(refreshed)
            }
            (Wrong::QuotesRefreshTokens, Err(_)) => {
                let token = session.tokens.refresh_token.as_ref();
                let quoted = token.map(|token| token.expose().to_owned());
                Err(RefreshError::Refused(quoted.unwrap_or_default()))
            }
            (Wrong::TakesAnOutageForTheEnd, Err(error)) => {
                Err(RefreshError::Refused(error.to_string()))
            }
            (_, refreshed) => refreshed,
        }
    }

    async fn revoke(&self, token: &RefreshToken) -> Result<(), ProviderUnavailable> {
        self.right.revoke(token).await
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        match self.way {
            Wrong::QuotesLogoutTokens => Err(LogoutTokenError::Invalid(token.into())),
            _ => self.right.verify_logout_token(token).await,
        }
    }

    async fn end_session_url(
        &self,
        id_token: Option<IdToken>,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        match self.way {
            Wrong::LosesTheState => self.right.end_session_url(id_token, &State::new("")).await,
            _ => self.right.end_session_url(id_token, state).await,
        }
    }

    fn end_session_origins(&self) -> Vec<String> {
        self.right.end_session_origins()
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        match self.way {
            Wrong::IsNeverThere => Err(ProviderUnavailable("never".into())),
            _ => self.right.check().await,
        }
    }
}

every_clause_bites! {
    identity, wrong;
    the_authorization_request_holds_the_attempt_but_not_its_verifier: SendsTheVerifier,
    a_code_says_who_signed_in: NamesSomebodyElseEachTime,
    a_code_is_good_once: TakesACodeTwice,
    of_two_who_redeem_a_code_at_once_one_at_most_is_signed_in: SignsInWhileItRedeems,
    a_made_up_code_signs_nobody_in: QuotesCodes,
    a_code_of_another_attempt_signs_nobody_in: SendsTheRightVerifierAlways,
    the_id_token_is_held_against_the_nonce: LooksAtNoNonce,
    an_answer_of_another_issuer_is_refused_before_the_code_is_spent: BelievesAnyIssuer,
    tokens_are_renewed_again_and_again: LosesTheRotatedToken,
    a_refresh_token_that_is_none_is_refused: QuotesRefreshTokens,
    a_made_up_logout_token_is_refused: QuotesLogoutTokens,
    a_log_out_leads_to_the_provider_with_its_state: LosesTheState,
    the_provider_answers: IsNeverThere,
}

#[tokio::test]
async fn an_outage_is_said_and_ends_no_session() {
    let mut server: Arc<InMemoryProvider> = Arc::default();
    let way = Wrong::TakesAnOutageForTheEnd;
    let stage = WrongProvider { way, right: server.clone(), noted: Arc::default() };
    let clause = async move {
        let stage = Arc::new(stage);
        crate::identity::an_outage_is_said_and_ends_no_session(stage, &mut server).await;
    };
    assert!(fails(clause).await);
}
