//! The names of error variants, for labels.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use portico_domain::{
    model::{Session, SessionChange},
    ports::{
        LogoutTokenError, MessageError, ProviderUnavailable, RedeemError, RefreshError,
        RefusalReason, SaveSessionError, SessionStore, SessionsUnavailable, TokenRenewal,
    },
    use_cases::LoginError,
};

/// The labels of counters that alerts watch: they exist with the value 0 from the start, because
/// Prometheus sees no increase in a series that begins with 1.
pub(super) const REFRESHES: [&str; 7] = [
    "ok",
    "refused",
    "invalid_identity",
    "incomplete",
    "misconfigured",
    "provider_fault",
    "provider_timeout",
];

/// As [`REFRESHES`].
pub(super) const LOGIN_FAILURES: [&str; 4] =
    ["invalid_identity", "misconfigured", "provider_fault", "provider_timeout"];

/// As [`REFRESHES`].
pub(super) const LOGOUT_TOKENS: [&str; 5] =
    ["accepted", "invalid", "replayed", "provider_unavailable", "sessions_unavailable"];

pub(super) fn unavailable(error: &ProviderUnavailable) -> &'static str {
    match error {
        ProviderUnavailable::Outage(_) => "outage",
        ProviderUnavailable::Misconfigured(_) => "misconfigured",
    }
}

pub(super) fn token_error(error: &LogoutTokenError) -> &'static str {
    match error {
        LogoutTokenError::Invalid(_) => "invalid",
        LogoutTokenError::Unavailable(cause) => unavailable(cause),
    }
}

pub(super) fn redeem_error(error: &RedeemError) -> &'static str {
    match error {
        RedeemError::WrongIssuer(_) => "wrong_issuer",
        RedeemError::MissingIssuer => "missing_issuer",
        RedeemError::CodeRejected(_) => "code_rejected",
        RedeemError::WrongNonce => "wrong_nonce",
        RedeemError::WrongOrganization { .. } => "wrong_organization",
        RedeemError::RequirementNotMet(_) => "requirement_not_met",
        RedeemError::InvalidIdentity(_) => "invalid_identity",
        RedeemError::Misconfigured(_) => "misconfigured",
        RedeemError::ProviderFault(_) => "provider_fault",
        RedeemError::ProviderTimeout(_) => "provider_timeout",
    }
}

pub(super) fn refresh_error(error: &RefreshError) -> &'static str {
    match error {
        RefreshError::Refused(_) => "refused",
        RefreshError::InvalidIdentity(_) => "invalid_identity",
        RefreshError::Incomplete { .. } => "incomplete",
        RefreshError::Misconfigured(_) => "misconfigured",
        RefreshError::ProviderFault(_) => "provider_fault",
        RefreshError::ProviderTimeout(_) => "provider_timeout",
    }
}

pub(super) fn message_error(error: &MessageError) -> &'static str {
    match error {
        MessageError::Refused { reason, .. } => match reason {
            RefusalReason::Unauthenticated => "unauthenticated",
            RefusalReason::PermissionDenied => "permission_denied",
            RefusalReason::NotFound => "not_found",
            RefusalReason::TooManyRequests => "too_many_requests",
            RefusalReason::Other(_) => "refused",
        },
        MessageError::Failed(_) => "failed",
        MessageError::Timeout => "timeout",
    }
}

/// The cause of a log-in that failed.
pub(crate) fn login_failure(error: &LoginError) -> &'static str {
    match error {
        LoginError::NoAttempt => "no_attempt",
        LoginError::Expired => "expired",
        LoginError::Refused(_) => "refused",
        LoginError::UnverifiedRefusal(_) => "unverified_refusal",
        LoginError::Redeem(error) => redeem_error(error),
        LoginError::NotAllowed(_) => "not_allowed",
        LoginError::Save(SaveSessionError::TooLarge { .. }) => "session_too_large",
        LoginError::Save(SaveSessionError::Unavailable(_)) | LoginError::Sessions(_) => {
            "sessions_unavailable"
        }
        LoginError::Users(_) => "users_unavailable",
        LoginError::Randomness(_) => "randomness_unavailable",
    }
}

/// Notes whether a session was started: a callback may also succeed without one, where the visitor is
/// logged in.
pub(crate) struct SessionStartNoted<'a> {
    sessions: &'a dyn SessionStore,
    started: AtomicBool,
}

impl<'a> SessionStartNoted<'a> {
    pub(crate) fn new(sessions: &'a dyn SessionStore) -> Self {
        Self { sessions, started: AtomicBool::new(false) }
    }

    pub(crate) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl SessionStore for SessionStartNoted<'_> {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        self.sessions.current().await
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        self.sessions.start(session).await?;
        self.started.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        self.sessions.update(change).await
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        self.sessions.refresh(stale, renewal).await
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        self.sessions.end().await
    }
}
