//! The ways in which the outside world can misbehave on demand.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Discovery answers 500.
    DiscoveryFails,
    /// The metadata names another issuer.
    DiscoveryWrongIssuer,
    /// The metadata names the issuer with this at its end.
    DiscoveryIssuerWith(&'static str),
    /// The metadata stops in the middle.
    DiscoveryBroken,
    /// Discovery redirects to another address, where the metadata are right.
    DiscoveryRedirects,
    /// The metadata names no `jwks_uri`.
    NoJwksUri,
    /// Discovery answers a page instead of JSON.
    DiscoveryHtml,
    /// The metadata names no `end_session_endpoint`.
    NoEndSessionEndpoint,
    /// The authorization endpoint answers this error, whoever asks.
    AuthorizationError(&'static str),
    /// The authorization response has these members changed: JSON, where null takes one away.
    ChangedResponse(&'static str),
    /// The token endpoint waits this long first.
    TokenSlow(Duration),
    /// The token endpoint answers 500.
    TokenFails,
    /// The token endpoint answers `invalid_grant` to everything.
    TokenInvalidGrant,
    /// Access tokens end after this many seconds.
    ShortAccessTokens(u32),
    /// The ID token's `sub` is another person's.
    WrongSubject,
    /// The token response holds no ID token.
    NoIdToken,
    /// The ID token's `iss` is another issuer.
    WrongIssuer,
    /// The ID token's `aud` is another client.
    WrongAudience,
    /// The ID token's `nonce` is not the one that was sent.
    WrongNonce,
    /// The ID token's `exp` is an hour ago.
    Expired,
    /// The ID token's `iat` is an hour ahead.
    IssuedInTheFuture,
    /// The ID token has `"alg": "none"` and no signature.
    AlgNone,
    /// The ID token is signed HS256 with the client's secret.
    Hs256,
    /// The ID token has these claims changed, and is signed like that: JSON, where null takes one
    /// away.
    ChangedClaims(&'static str),
    /// The ID token has these members of its header changed, in the same way.
    ChangedHeader(&'static str),
    /// The ID token has a claim of this many bytes.
    LongClaim(usize),
    /// The ID token is this text.
    NoJwt(&'static str),
    /// One bit of the ID token's signature is flipped.
    FlippedSignature,
    /// The ID token's `sub` is empty.
    EmptySubject,
    /// The ID token's `at_hash` belongs to another access token.
    WrongAccessTokenHash,
    /// The ID token's `azp` is another client.
    ForeignAuthorizedParty,
    /// Userinfo's `sub` is another person's.
    UserinfoWrongSubject,
    /// Userinfo answers 401.
    UserinfoRefuses,
    /// Userinfo answers a page instead of JSON.
    UserinfoHtml,
    /// Userinfo is signed, with these claims changed: JSON, where null takes one away.
    UserinfoSigned(&'static str),
    /// Userinfo is signed, and one bit of its signature flipped.
    UserinfoForged,
    /// Userinfo waits this long first.
    UserinfoSlow(Duration),
    /// The messages API waits this long first.
    ApiSlow(Duration),
    /// The messages API answers 500.
    ApiFails,
    /// The messages API answers a page instead of JSON.
    ApiHtml,
}

/// The faults that are on. Several may be on at once.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Has the world misbehave in this way too, until [`Faults::clear`].
    pub fn set(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Has the world behave again.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn are_off(&self) -> bool {
        self.all().is_empty()
    }

    /// What the first fault that `pick` knows says.
    pub(crate) fn find<T>(&self, pick: impl FnMut(Fault) -> Option<T>) -> Option<T> {
        self.all().into_iter().find_map(pick)
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.all().contains(&fault)
    }

    /// How long access tokens last, where that is misbehaviour.
    pub(crate) fn short_access_tokens(&self) -> Option<TimeDelta> {
        self.all().into_iter().find_map(|fault| match fault {
            Fault::ShortAccessTokens(seconds) => Some(TimeDelta::seconds(seconds.into())),
            _ => None,
        })
    }

    /// Waits as long as the first fault that `delay` knows says; not at all without one.
    pub(crate) async fn wait(&self, delay: fn(Fault) -> Option<Duration>) {
        if let Some(delay) = self.all().into_iter().find_map(delay) {
            tokio::time::sleep(delay).await;
        }
    }

    fn all(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
