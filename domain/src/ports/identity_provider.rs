use async_trait::async_trait;
use chrono::TimeDelta;

use crate::model::{
    AuthorizationResponse, Check, Identity, LoginAttempt, LogoutToken, RefreshToken,
    RefreshedTokens, Screen, Session, State,
};

/// The identity provider, as its relying party sees it.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// The address of the authorization request for a code, with PKCE `S256`, `state` and `nonce`
    /// (OpenID Connect Core, section 3.1.2.1; RFC 7636).
    ///
    /// # Errors
    /// [`ProviderUnavailable::Outage`] when the provider's metadata cannot be read now, or it does not
    /// accept a pushed request now; [`ProviderUnavailable::Misconfigured`] when it never will.
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable>;

    /// Verifies that an authorization response comes from this provider, by the `iss` that it
    /// names (RFC 9207, section 2.4). `None` where it names none: accepted, unless the metadata
    /// announce the parameter. [`IdentityProvider::redeem`] includes this check; for an error
    /// response, call it before anything of the response is used.
    ///
    /// # Errors
    /// [`RedeemError::WrongIssuer`] and [`RedeemError::MissingIssuer`];
    /// [`RedeemError::ProviderFault`], [`RedeemError::ProviderTimeout`] and
    /// [`RedeemError::Misconfigured`] when the provider's metadata cannot be read.
    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError>;

    /// Redeems the code, verifies the ID token (OpenID Connect Core, section 3.1.3.7) and reads
    /// userinfo (section 5.3). Nothing else is requested once the ID token was refused.
    ///
    /// # Errors
    /// A [`RedeemError`]; nobody is logged in then.
    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError>;

    /// Renews the session's tokens with its refresh token (OpenID Connect Core, section 12). A new
    /// ID token is verified against the session's claims before anything else of the answer is
    /// used (section 12.2). Where the answer holds no refresh token or ID token, the earlier one
    /// is kept.
    ///
    /// # Errors
    /// A [`RefreshError`].
    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError>;

    /// Revokes the refresh token (RFC 7009) after this delay, where the provider has a revocation
    /// endpoint. Does not wait for it; a failure is logged.
    async fn revoke(&self, token: &RefreshToken, delay: TimeDelta);

    /// Makes the revocations that are pending, without further delay. Returns when all have succeeded
    /// or failed; a failure is logged. For the end of the process.
    async fn finish_revocations(&self) {}

    /// Verifies a logout token (OpenID Connect Back-Channel Logout, section 2.6), except that it
    /// is used once. One that was issued more than ten minutes ago is refused.
    ///
    /// # Errors
    /// [`LogoutTokenError::Invalid`]; [`LogoutTokenError::Unavailable`] when the provider's
    /// metadata or keys cannot be read.
    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError>;

    /// The address that ends the user's session at the provider and returns to the site's front
    /// page (OpenID Connect RP-Initiated Logout, section 2). `None` where the provider has no such
    /// address.
    ///
    /// # Errors
    /// [`ProviderUnavailable`] when the provider's metadata cannot be read.
    async fn end_session_url(
        &self,
        identity: &Identity,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable>;

    /// The `prompt` that offers the user another account (OpenID Connect Core, section 3.1.2.1):
    /// `select_account`, or `login` where the metadata list other values only.
    fn prompt_for_another_account(&self) -> &'static str {
        "select_account"
    }

    /// Whether [`Screen::SignUp`] leads to another page than [`Screen::LogIn`]. Also true while the
    /// metadata that tell it are not known: does not wait for the provider.
    fn offers_sign_up(&self) -> bool {
        true
    }

    /// The settings to check after this OAuth error (RFC 6749, sections 4.1.2.1 and 5.2), for the log.
    /// `None` where no setting causes it, in particular where the user refused.
    fn settings_behind(&self, _error: &str) -> Option<&'static str> {
        None
    }

    /// Reads the provider's metadata and keys anew, to check that it answers.
    ///
    /// # Errors
    /// [`ProviderUnavailable`] with the cause.
    async fn check(&self) -> Result<(), ProviderUnavailable>;

    /// Tries what a log-in needs of the provider, for `portico check`: what it says of itself, and
    /// whether it accepts this site as its client. Nobody is logged in.
    async fn examine(&self) -> Vec<Check> {
        vec![Check::of("reachable", "it answers", self.check().await)]
    }
}

/// Why the provider cannot be used. The text is for the log; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderUnavailable {
    /// Its metadata or keys cannot be read now, or it does not accept a request now.
    #[error("the identity provider is unavailable: {0}")]
    Outage(String),
    /// The settings and the provider do not fit together. That does not pass by itself: an operator has
    /// to correct it. The text names the settings.
    #[error("the settings do not fit the identity provider: {0}")]
    Misconfigured(String),
}

/// Why a logout token is not accepted. The text is for the log; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenError {
    /// It breaks a rule of the specification.
    #[error("the logout token is refused: {0}")]
    Invalid(String),
    /// It cannot be verified now.
    #[error(transparent)]
    Unavailable(#[from] ProviderUnavailable),
}

/// What an authorization request asked for and the ID token does not show. The text for the log
/// holds no value of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnmetRequirement {
    /// The user authenticated by none of the requested means (`acr_values`; OpenID Connect Core,
    /// section 3.1.3.7, rule 12). Holds the requested values, separated by spaces.
    #[error("the user authenticated by other means than requested (acr)")]
    AcrValues(String),
    /// The provider does not say when the user authenticated (`max_age`; rule 13). Holds the requested
    /// age.
    #[error("the ID token has no auth_time, which max_age requires")]
    NoAuthTime(TimeDelta),
    /// The user authenticated longer ago than requested (`max_age`; rule 13). Holds the requested age.
    #[error("the user authenticated too long ago (auth_time)")]
    MaxAge(TimeDelta),
}

/// Why a code could not be redeemed. The text is for the log; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// The response names another issuer (RFC 9207, section 2.4).
    #[error("the response names another issuer: {0}")]
    WrongIssuer(String),
    /// The response names no issuer, although the provider's metadata announce one (RFC 9207,
    /// section 2.4).
    #[error("the response names no issuer, although the provider's metadata announce one")]
    MissingIssuer,
    /// The provider rejected the code: expired, used before, or issued to another client
    /// (`invalid_grant`; RFC 6749, section 5.2).
    #[error("the provider rejected the code: {0}")]
    CodeRejected(String),
    /// The ID token was issued for another log-in attempt.
    #[error("the ID token's nonce is not that of this log-in")]
    WrongNonce,
    /// The user logged in to another organization than the request named (Auth0's parameter
    /// `organization`). The text for the log names neither.
    #[error("the user logged in to another organization than was requested")]
    WrongOrganization {
        /// The id or name of the request.
        requested: String,
        /// The id or name in the ID token; `None` where it names none.
        found: Option<String>,
    },
    /// The log-in does not meet what the request asked for.
    #[error("the log-in does not meet what was requested: {0}")]
    RequirementNotMet(UnmetRequirement),
    /// The ID token or the userinfo answer breaks a rule.
    #[error("invalid ID token or userinfo: {0}")]
    InvalidIdentity(String),
    /// The provider refuses this site's client or the requested scopes, or the settings name another
    /// issuer. That does not pass by itself: an operator has to correct it. The text names the settings.
    #[error("the settings do not fit the identity provider: {0}")]
    Misconfigured(String),
    /// The provider is out of reach or its answer cannot be used.
    #[error("the provider failed: {0}")]
    ProviderFault(String),
    /// The provider does not answer in time.
    #[error("the provider did not answer in time: {0}")]
    ProviderTimeout(String),
}

/// Why tokens could not be renewed. The text is for the log; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The provider rejected the refresh token, by any OAuth error that is not about this site's
    /// settings or the provider's state (RFC 6749, section 5.2), or there is none: the user has to log
    /// in again.
    #[error("the provider refused the refresh token: {0}")]
    Refused(String),
    /// The new ID token breaks a rule, or is about another user.
    #[error("invalid ID token or userinfo at the refresh: {0}")]
    InvalidIdentity(String),
    /// The answer cannot be used, except for its refresh token, which replaces the earlier one: the
    /// provider may not accept that any more.
    #[error("the provider failed: {cause}")]
    Incomplete {
        /// What is wrong with the answer.
        cause: String,
        /// The new refresh token.
        refresh_token: RefreshToken,
    },
    /// As [`RedeemError::Misconfigured`]. It says nothing about the session, which goes on.
    #[error("the settings do not fit the identity provider: {0}")]
    Misconfigured(String),
    /// The provider is out of reach or its answer cannot be used.
    #[error("the provider failed: {0}")]
    ProviderFault(String),
    /// The provider does not answer in time.
    #[error("the provider did not answer in time: {0}")]
    ProviderTimeout(String),
}
