//! The ports to other servers, measured.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use portico_domain::{
    model::{
        AuthorizationResponse, Identity, LoginAttempt, LogoutToken, Message, Reader, RefreshToken,
        RefreshedTokens, Screen, Session, State, Topic,
    },
    ports::{
        IdentityProvider, LogoutTokenError, MessageApi, MessageError, ProviderUnavailable,
        RedeemError, RefreshError,
    },
};

use super::{
    CallLabels, Durations, Metrics, Outcome,
    outcomes::{message_error, redeem_error, refresh_error, token_error, unavailable},
};

/// Waits for the result and notes how long it took. `name` names an error's variant.
async fn measured<T, E>(
    calls: &Durations<CallLabels>,
    operation: &'static str,
    name: fn(&E) -> &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let start = Instant::now();
    let result = call.await;
    let outcome = result.as_ref().err().map_or("ok", name);
    let labels = CallLabels { operation, outcome };
    calls.get_or_create(&labels).observe(start.elapsed().as_secs_f64());
    result
}

/// The messages API, measured.
pub(crate) struct MeasuredApi {
    pub(crate) api: Arc<dyn MessageApi>,
    pub(crate) metrics: Metrics,
}

#[async_trait]
impl MessageApi for MeasuredApi {
    async fn read(&self, topic: Topic, reader: Option<Reader>) -> Result<Message, MessageError> {
        let calls = &self.metrics.0.api_calls;
        measured(calls, "read", message_error, self.api.read(topic, reader)).await
    }

    async fn check(&self) -> Result<(), MessageError> {
        measured(&self.metrics.0.api_calls, "check", message_error, self.api.check()).await
    }
}

/// The identity provider, measured. An operation that needs no request, because the metadata are
/// cached, takes microseconds.
pub(crate) struct MeasuredProvider {
    pub(crate) provider: Arc<dyn IdentityProvider>,
    pub(crate) metrics: Metrics,
}

impl MeasuredProvider {
    fn calls(&self) -> &Durations<CallLabels> {
        &self.metrics.0.provider_calls
    }
}

#[async_trait]
impl IdentityProvider for MeasuredProvider {
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable> {
        let call = self.provider.authorization_url(attempt, screen);
        measured(self.calls(), "authorization_url", unavailable, call).await
    }

    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError> {
        let call = self.provider.verify_issuer(issuer);
        measured(self.calls(), "verify_issuer", redeem_error, call).await
    }

    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError> {
        let call = self.provider.redeem(response, attempt);
        measured(self.calls(), "redeem", redeem_error, call).await
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        let call = self.provider.refresh(session);
        let result = measured(self.calls(), "refresh", refresh_error, call).await;
        let outcome = result.as_ref().err().map_or("ok", refresh_error);
        self.metrics.0.refreshes.get_or_create(&Outcome { outcome }).inc();
        result
    }

    async fn revoke(&self, token: &RefreshToken, delay: TimeDelta) {
        self.provider.revoke(token, delay).await;
    }

    async fn finish_revocations(&self) {
        self.provider.finish_revocations().await;
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        let call = self.provider.verify_logout_token(token);
        measured(self.calls(), "verify_logout_token", token_error, call).await
    }

    async fn end_session_url(
        &self,
        identity: &Identity,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        let call = self.provider.end_session_url(identity, state);
        measured(self.calls(), "end_session_url", unavailable, call).await
    }

    fn prompt_for_another_account(&self) -> &'static str {
        self.provider.prompt_for_another_account()
    }

    fn offers_sign_up(&self) -> bool {
        self.provider.offers_sign_up()
    }

    fn settings_behind(&self, error: &str) -> Option<&'static str> {
        self.provider.settings_behind(error)
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        measured(self.calls(), "check", unavailable, self.provider.check()).await
    }
}
