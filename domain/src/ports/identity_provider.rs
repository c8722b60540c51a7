use async_trait::async_trait;

use crate::model::{
    AuthorizationResponse, IdToken, Identity, LoginAttempt, LogoutToken, RefreshToken,
    RefreshedTokens, Screen, Session, State,
};

/// The OpenID provider, as its relying party sees it.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Where to send the browser: the authorization endpoint with the request for a code, PKCE
    /// `S256`, `state` and `nonce` (OpenID Connect Core, section 3.1.2.1; RFC 7636).
    ///
    /// # Errors
    /// [`ProviderUnavailable`] when the provider's metadata cannot be had.
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable>;

    /// Whether an answer of the authorization endpoint comes from this provider, by the `iss` that
    /// it names (RFC 9207, section 2.4). [`IdentityProvider::redeem`] asks this itself; an answer
    /// with an error has to be held against it as well, before its words are believed. `None`
    /// where the answer names nobody: enough, unless the metadata promise the name.
    ///
    /// # Errors
    /// [`RedeemError::WrongIssuer`]; [`RedeemError::ProviderFault`] and
    /// [`RedeemError::ProviderTimeout`] when the provider's metadata cannot be had.
    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError>;

    /// Redeems the code, verifies the ID token by every rule of OpenID Connect Core, section
    /// 3.1.3.7, and asks userinfo (section 5.3). Nothing is asked once the ID token was refused.
    ///
    /// # Errors
    /// A [`RedeemError`] for each way in which this fails; nobody is signed in then.
    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError>;

    /// Renews the session's tokens with its refresh token (OpenID Connect Core, section 12). A new
    /// ID token is held against the first one before anything else is done with it (section 12.2).
    /// The tokens in the answer keep the earlier refresh token and ID token where it holds none.
    ///
    /// # Errors
    /// A [`RefreshError`] for each way in which this fails.
    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError>;

    /// Gives the refresh token back, so that it is good for nobody any more (RFC 7009), where the
    /// provider has a place for that. Waits for no answer, and an attempt that fails is only told
    /// the log: the token ends in its time.
    ///
    /// # Errors
    /// [`ProviderUnavailable`] when the provider's metadata cannot be had.
    async fn revoke(&self, token: &RefreshToken) -> Result<(), ProviderUnavailable>;

    /// Verifies a logout token by every rule of OpenID Connect Back-Channel Logout, section 2.6, but
    /// that it is good once. One that was issued more than ten minutes ago is not taken.
    ///
    /// # Errors
    /// [`LogoutTokenError::Invalid`] where it breaks a rule; [`LogoutTokenError::Unavailable`]
    /// when the provider's metadata or keys cannot be had.
    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError>;

    /// Where to send the browser to end the session at the provider; it comes back to the site's
    /// front page (OpenID Connect RP-Initiated Logout, section 2). `None` when the provider has no
    /// such place. `id_token` is the hint, absent for a person whose session has no token.
    ///
    /// # Errors
    /// [`ProviderUnavailable`] when the provider's metadata cannot be had.
    async fn end_session_url(
        &self,
        id_token: Option<IdToken>,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable>;

    /// Origins (`https://host:port`) to which a log-out may lead, as far as they are known now: a
    /// page's policy must allow them as targets of its log-out form.
    fn end_session_origins(&self) -> Vec<String>;

    /// Asks the provider for its metadata and keys, anew, to see whether it is there.
    ///
    /// # Errors
    /// [`ProviderUnavailable`] with the cause.
    async fn check(&self) -> Result<(), ProviderUnavailable>;
}

/// The provider's metadata or keys cannot be had now, and why: for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity provider is unavailable: {0}")]
pub struct ProviderUnavailable(pub String);

/// Why a logout token ends nothing. The text is the cause for the log; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenError {
    /// It breaks a rule.
    #[error("the logout token is refused: {0}")]
    Invalid(String),
    /// Nobody can tell whether it is the provider's.
    #[error(transparent)]
    Unavailable(#[from] ProviderUnavailable),
}

/// Why a code did not make anyone signed in. The text is the cause for the log; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// The response names another issuer, or none although it must (RFC 9207, section 2.4).
    #[error("the answer comes from another issuer: {0}")]
    WrongIssuer(String),
    /// The provider does not take the code: expired, used before, or made for someone else
    /// (`invalid_grant`; RFC 6749, section 5.2).
    #[error("the provider refused the code: {0}")]
    CodeRejected(String),
    /// The ID token was made for another login attempt.
    #[error("the ID token's nonce is not the one of this login")]
    WrongNonce,
    /// The ID token or the userinfo answer breaks a rule.
    #[error("what the provider says about the person cannot be believed: {0}")]
    InvalidIdentity(String),
    /// The provider cannot be reached or answers nonsense.
    #[error("the provider is at fault: {0}")]
    ProviderFault(String),
    /// The provider does not answer in time.
    #[error("the provider does not answer in time: {0}")]
    ProviderTimeout(String),
}

/// Why tokens could not be renewed. The text is the cause for the log; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The provider takes the refresh token no more (`invalid_grant`; RFC 6749, section 5.2), or
    /// there is none: the person has to sign in again.
    #[error("the provider refused the refresh token: {0}")]
    Refused(String),
    /// The new ID token breaks a rule, or speaks of someone else.
    #[error("what the provider says at the refresh cannot be believed: {0}")]
    InvalidIdentity(String),
    /// The provider cannot be reached or answers nonsense.
    #[error("the provider is at fault: {0}")]
    ProviderFault(String),
    /// The provider does not answer in time.
    #[error("the provider does not answer in time: {0}")]
    ProviderTimeout(String),
}
