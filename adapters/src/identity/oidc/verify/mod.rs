//! Verification of what the provider signed, step by step as the specifications number the steps.
//!
//! `openidconnect` checks the signatures. The rules are checked here, on the claims as they are: a
//! token is not refused for an unusual claim that no rule is about.

mod access_token;
mod claims;
mod id_token;
mod jws;
mod logout_token;
mod requested;
mod userinfo;

use portico_domain::ports::{
    LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError, UnmetRequirement,
};

pub(super) use self::{
    access_token::verify as access_token,
    id_token::ExpectedIdToken,
    jws::{is_key_published, unverified_claims},
    logout_token::verify as logout_token,
    userinfo::{
        UserinfoError, merge as merge_userinfo, verify as signed_userinfo,
        verify_subject as verify_userinfo_subject,
    },
};
use super::error::ProviderError;

/// Why a token is refused. The text is for the log and holds no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidToken {
    /// Newer keys may verify the signature.
    #[error("no key of the provider verifies the signature")]
    UnknownKey,
    /// The key that the token names does not verify the signature, nor does another one. Newer keys
    /// may.
    #[error("no key of the provider verifies the signature, nor the one that it names")]
    WrongSignature,
    /// The ID token was issued for another log-in.
    #[error("it has another nonce")]
    WrongNonce,
    /// The user logged in to another organization than was requested.
    #[error("the user logged in to another organization")]
    WrongOrganization {
        /// The id or name of the request.
        requested: String,
        /// The id or name in the ID token; `None` where it names none.
        found: Option<String>,
    },
    /// The log-in does not meet what was requested.
    #[error(transparent)]
    RequirementNotMet(#[from] UnmetRequirement),
    /// It breaks a rule, whichever key signed it.
    #[error("{0}")]
    Rule(String),
}

impl InvalidToken {
    fn rule<T>(cause: impl Into<String>) -> Result<T, Self> {
        Err(Self::Rule(cause.into()))
    }
}

/// Why a token is not accepted.
pub(super) enum VerificationError {
    /// The token is invalid.
    Invalid(InvalidToken),
    /// It cannot be verified: newer keys are needed and cannot be fetched.
    Provider(ProviderError),
}

impl From<ProviderError> for VerificationError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<VerificationError> for RedeemError {
    fn from(error: VerificationError) -> Self {
        match error {
            VerificationError::Invalid(InvalidToken::WrongNonce) => Self::WrongNonce,
            VerificationError::Invalid(InvalidToken::WrongOrganization { requested, found }) => {
                Self::WrongOrganization { requested, found }
            }
            VerificationError::Invalid(InvalidToken::RequirementNotMet(unmet)) => {
                Self::RequirementNotMet(unmet)
            }
            VerificationError::Invalid(cause) => Self::InvalidIdentity(cause.to_string()),
            VerificationError::Provider(error) => error.into(),
        }
    }
}

impl From<VerificationError> for RefreshError {
    fn from(error: VerificationError) -> Self {
        match error {
            // The site lacks a key: that says nothing about the session.
            VerificationError::Invalid(cause @ InvalidToken::UnknownKey) => {
                Self::ProviderFault(cause.to_string())
            }
            VerificationError::Invalid(cause) => Self::InvalidIdentity(cause.to_string()),
            VerificationError::Provider(error) => error.into(),
        }
    }
}

impl From<VerificationError> for LogoutTokenError {
    fn from(error: VerificationError) -> Self {
        match error {
            VerificationError::Invalid(cause) => Self::Invalid(cause.to_string()),
            VerificationError::Provider(error) => ProviderUnavailable::from(error).into(),
        }
    }
}
