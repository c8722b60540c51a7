//! Faults that tests and the faults page can switch on.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;

/// A way in which the provider or the messages API deviates from correct behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Discovery responds with status 500.
    DiscoveryFails,
    /// The metadata has another issuer.
    DiscoveryWrongIssuer,
    /// The metadata has the issuer with this suffix.
    DiscoveryIssuerSuffix(&'static str),
    /// The metadata is truncated.
    DiscoveryTruncated,
    /// Discovery redirects to another URL, which returns correct metadata.
    DiscoveryRedirects,
    /// The metadata has no `jwks_uri`.
    NoJwksUri,
    /// Discovery returns HTML instead of JSON.
    DiscoveryHtml,
    /// The metadata has no `end_session_endpoint`.
    NoEndSessionEndpoint,
    /// The authorization endpoint returns this error code.
    AuthorizationError(&'static str),
    /// The authorization response has these parameters set: a JSON object, in which null removes
    /// one.
    ChangedResponse(&'static str),
    /// The token endpoint responds after this delay.
    TokenSlow(Duration),
    /// The token endpoint responds with status 500.
    TokenFails,
    /// The token endpoint returns the error `invalid_grant`.
    TokenInvalidGrant,
    /// Access tokens expire after this many seconds.
    ShortAccessTokens(u32),
    /// The ID token's `sub` is another user's.
    WrongSubject,
    /// The token response has no ID token.
    NoIdToken,
    /// The ID token's `iss` is another issuer.
    WrongIssuer,
    /// The ID token's `aud` is another client.
    WrongAudience,
    /// The ID token's `nonce` is not the request's.
    WrongNonce,
    /// The ID token's `exp` is one hour in the past.
    Expired,
    /// The ID token's `iat` is one hour in the future.
    IssuedInTheFuture,
    /// The ID token has `"alg": "none"` and no signature.
    AlgNone,
    /// The ID token is signed with HS256 and the client secret.
    Hs256,
    /// The ID token has these claims set and a valid signature: a JSON object, in which null
    /// removes one.
    ChangedClaims(&'static str),
    /// The ID token has these header parameters set and a valid signature: a JSON object, in which
    /// null removes one.
    ChangedHeader(&'static str),
    /// The ID token has an additional claim of this many bytes.
    LongClaim(usize),
    /// The ID token is replaced by this text.
    IdTokenText(&'static str),
    /// One bit of the ID token's signature is flipped.
    InvalidSignature,
    /// The ID token's `sub` is empty.
    EmptySubject,
    /// The ID token's `at_hash` belongs to another access token.
    WrongAccessTokenHash,
    /// The ID token's `azp` is another client.
    WrongAuthorizedParty,
    /// Userinfo's `sub` is another user's.
    UserinfoWrongSubject,
    /// Userinfo responds with status 401.
    UserinfoUnauthorized,
    /// Userinfo returns HTML instead of JSON.
    UserinfoHtml,
    /// Userinfo is signed and has these claims set: a JSON object, in which null removes one.
    UserinfoSigned(&'static str),
    /// Userinfo is signed, and one bit of its signature is flipped.
    UserinfoInvalidSignature,
    /// Userinfo responds after this delay.
    UserinfoSlow(Duration),
    /// The messages API responds after this delay.
    ApiSlow(Duration),
    /// The messages API responds with status 500.
    ApiFails,
    /// The messages API returns HTML instead of JSON.
    ApiHtml,
}

/// The faults that are switched on, in the order in which they were.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Switches a fault on, beside those that are on, until [`Faults::clear`].
    pub fn set(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether no fault is on.
    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// The first value that `pick` returns for a fault that is on; `None` if it returns none.
    pub(crate) fn find<T>(&self, pick: impl FnMut(Fault) -> Option<T>) -> Option<T> {
        self.all().into_iter().find_map(pick)
    }

    /// Whether this fault is on.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.all().contains(&fault)
    }

    /// The lifetime of access tokens, if [`Fault::ShortAccessTokens`] is on.
    pub(crate) fn short_access_tokens(&self) -> Option<TimeDelta> {
        self.all().into_iter().find_map(|fault| match fault {
            Fault::ShortAccessTokens(seconds) => Some(TimeDelta::seconds(seconds.into())),
            _ => None,
        })
    }

    /// Waits for the first delay that `delay` returns for a fault that is on, if any.
    pub(crate) async fn wait(&self, delay: fn(Fault) -> Option<Duration>) {
        if let Some(delay) = self.all().into_iter().find_map(delay) {
            tokio::time::sleep(delay).await;
        }
    }

    fn all(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
