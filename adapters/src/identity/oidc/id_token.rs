//! Whether an ID token is to be believed (OpenID Connect Core, section 3.1.3.7).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError as ClaimsError, ClientId,
    IdTokenVerifier, IssuerUrl, JsonWebKeySet, Nonce, SignatureVerificationError as SignatureError,
    core::{CoreIdToken, CoreIdTokenClaims},
};
use serde_json::{Map, Value};

use super::{fault::quoted, keys::Key, metadata::Metadata};

/// How far the clocks of provider and site may differ.
pub(super) const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// What an ID token is measured by.
pub(super) struct Expected<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) client_id: &'a ClientId,
    pub(super) nonce: Expectation<'a>,
    /// The access token that came along, for `at_hash`.
    pub(super) access_token: &'a AccessToken,
    pub(super) now: DateTime<Utc>,
}

/// Which `nonce` an ID token must have.
#[derive(Clone, Copy)]
pub(super) enum Expectation<'a> {
    /// This one: that of the login.
    Exactly(&'a Nonce),
    /// None, or the one of the first ID token where that is known (OpenID Connect Core, section
    /// 12.2).
    NoneOr(Option<&'a str>),
}

impl Expectation<'_> {
    /// Takes the same time wherever two differ.
    fn is_met_by(self, given: Option<&Nonce>) -> Result<(), String> {
        let met = match (self, given) {
            (Self::Exactly(expected), Some(given)) => given == expected,
            (Self::Exactly(_), None) => false,
            (Self::NoneOr(_), None) => true,
            (Self::NoneOr(first), Some(given)) => {
                first.is_some_and(|first| *given == Nonce::new(first.to_owned()))
            }
        };
        met.then_some(()).ok_or_else(|| "another nonce".into())
    }
}

/// Why an ID token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No known key made this signature: newer keys may.
    Key,
    /// Made for another login.
    Nonce,
    /// It breaks a rule, which no other key would mend.
    Rule(String),
}

impl Refusal {
    pub(super) fn into_words(self) -> String {
        match self {
            Self::Key => "no key of the provider fits".into(),
            Self::Nonce => "it was made for another login".into(),
            Self::Rule(why) => why,
        }
    }
}

pub(super) fn rule<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Rule(why.into()))
}

impl Expected<'_> {
    /// The verified claims, as they were signed.
    pub(super) fn verify(
        &self,
        token: &CoreIdToken,
        keys: &[Key],
    ) -> Result<Map<String, Value>, Refusal> {
        // Before any key is tried, so that a forbidden algorithm has no key set fetched.
        match token.signing_alg() {
            Ok(algorithm) if self.metadata.algorithms.contains(algorithm) => {}
            Ok(algorithm) => return rule(format!("the algorithm {algorithm:?} is not allowed")),
            Err(error) => return rule(error.to_string()),
        }
        // One key at a time: a token without `kid` may be of any of them, where the library
        // accepts no choice. A key with another `kid` is no match to it.
        for key in keys {
            let nonce = |given: Option<&Nonce>| self.nonce.is_met_by(given);
            match token.claims(&self.verifier(key)?, nonce) {
                Ok(claims) => {
                    self.check_what_the_library_does_not(token, claims, key)?;
                    return payload(token);
                }
                Err(ClaimsError::SignatureVerification(
                    SignatureError::NoMatchingKey
                    | SignatureError::CryptoError(_)
                    | SignatureError::InvalidKey(_)
                    | SignatureError::UnsupportedAlg(_),
                )) => {}
                Err(ClaimsError::InvalidNonce(_)) => return Err(Refusal::Nonce),
                Err(error) => return rule(quoted(&error.to_string())),
            }
        }
        Err(Refusal::Key)
    }

    /// Never knows the client's secret, so that no symmetric signature can be believed.
    fn verifier(&self, key: &Key) -> Result<IdTokenVerifier<'static, Key>, Refusal> {
        let Ok(issuer) = IssuerUrl::new(self.metadata.issuer.clone()) else {
            return rule("the issuer is no URL");
        };
        let keys = JsonWebKeySet::new(vec![key.clone()]);
        let now = self.now;
        Ok(IdTokenVerifier::new_public_client(self.client_id.clone(), issuer, keys)
            .set_allowed_algs(self.metadata.algorithms.clone())
            // Other audiences are judged by `azp`, below.
            .set_other_audience_verifier_fn(|_| true)
            .set_time_fn(move || now - LEEWAY)
            .set_issue_time_verifier_fn(move |issued_at| {
                if issued_at <= now + LEEWAY { Ok(()) } else { Err("issued in the future".into()) }
            }))
    }

    fn check_what_the_library_does_not(
        &self,
        token: &CoreIdToken,
        claims: &CoreIdTokenClaims,
        key: &Key,
    ) -> Result<(), Refusal> {
        if claims.subject().is_empty() {
            return rule("the subject is empty");
        }
        match claims.authorized_party() {
            Some(party) if party != self.client_id => {
                return rule(format!("it was made for another party: {}", quoted(party)));
            }
            None if claims
                .audiences()
                .iter()
                .any(|one| one.as_str() != self.client_id.as_str()) =>
            {
                return rule("it has several audiences and names no authorized party");
            }
            _ => {}
        }
        let Some(hash) = claims.access_token_hash() else { return Ok(()) };
        let actual = token
            .signing_alg()
            .ok()
            .and_then(|alg| AccessTokenHash::from_token(self.access_token, alg, key).ok());
        if actual.as_ref() == Some(hash) {
            Ok(())
        } else {
            rule("its at_hash is not that of the access token")
        }
    }
}

/// All claims, also those that the library has no type for.
fn payload(token: &CoreIdToken) -> Result<Map<String, Value>, Refusal> {
    let text = token.to_string();
    let bytes = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    match bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        Some(claims) => Ok(claims),
        None => rule("its claims are no JSON object"),
    }
}
