//! ID tokens (OpenID Connect Core, section 3.1.3.7; after a refresh, section 12.2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use openidconnect::JsonWebKey;
use portico_domain::model::{LoginAttempt, Nonce, Subject};
use serde_json::{Map, Value};

use super::{
    InvalidToken,
    claims::{audiences, text, verify_audience, verify_expiry, verify_issue_time, verify_issuer},
    jws::{self, KeyNames, VerifiedJws},
    requested,
};
use crate::identity::oidc::{discovery::ProviderDocuments, error::quoted};

/// What an ID token is verified against.
pub(in crate::identity::oidc) struct ExpectedIdToken<'a> {
    /// The provider's metadata and keys.
    pub(in crate::identity::oidc) documents: &'a ProviderDocuments,
    pub(in crate::identity::oidc) client_id: &'a str,
    /// The access token of the same answer.
    pub(in crate::identity::oidc) access_token: &'a str,
    pub(in crate::identity::oidc) now: DateTime<Utc>,
}

impl ExpectedIdToken<'_> {
    /// The claims of the ID token that ends this log-in attempt.
    pub(in crate::identity::oidc) fn verify_for_login(
        &self,
        token: &str,
        attempt: &LoginAttempt,
    ) -> Result<Map<String, Value>, InvalidToken> {
        let claims = self.verify(token)?;
        // Section 3.1.3.7, rule 11: the nonce is that of the authentication request.
        if nonce(&claims).as_ref() != Some(&attempt.nonce) {
            return Err(InvalidToken::WrongNonce);
        }
        // Rules 12 (acr) and 13 (auth_time).
        requested::verify(&attempt.requested, &claims, self.now)?;
        Ok(claims)
    }

    /// The claims of an ID token that came with renewed tokens. `earlier` are the verified claims
    /// of the log-in.
    pub(in crate::identity::oidc) fn verify_for_refresh(
        &self,
        token: &str,
        subject: &Subject,
        earlier: &Map<String, Value>,
    ) -> Result<Map<String, Value>, InvalidToken> {
        // Section 12.2, last rule: otherwise the rules of section 3.1.3.7 apply. They include the
        // rule about iat, which is the time of the new token.
        let claims = self.verify(token)?;
        // iss is the same.
        verify_issuer(&claims, &subject.issuer)?;
        // sub is the same.
        if text(&claims, "sub")? != Some(&subject.subject) {
            return InvalidToken::rule("it is about another user");
        }
        // aud includes that of the original ID token; here it is the same, in any order.
        if earlier.contains_key("aud") {
            let (was, is) = (audiences(earlier), audiences(&claims));
            if was.iter().any(|one| !is.contains(one)) || is.iter().any(|one| !was.contains(one)) {
                return InvalidToken::rule("it has another audience");
            }
        }
        // auth_time, if present, is the original one; azp is the same. Either may be left out.
        for name in ["auth_time", "azp"] {
            if let (Some(was), Some(is)) = (earlier.get(name), claims.get(name))
                && was != is
            {
                return InvalidToken::rule(format!("it has another {name}"));
            }
        }
        // Auth0: the organization of the log-in, where both name one.
        for name in ["org_id", "org_name"] {
            let is_same = |was: &str, is: &Value| match name {
                "org_name" => is.as_str().is_some_and(|is| was.eq_ignore_ascii_case(is)),
                _ => is.as_str() == Some(was),
            };
            let was = earlier.get(name).and_then(Value::as_str);
            if let (Some(was), Some(is)) = (was, claims.get(name)) {
                if !is_same(was, is) {
                    return InvalidToken::rule("it is of another organization");
                }
                // An organization may be renamed; its id stays.
                break;
            }
        }
        // nonce should be absent; if present it is the original one.
        if claims.contains_key("nonce") && nonce(&claims) != nonce(earlier) {
            return Err(InvalidToken::WrongNonce);
        }
        Ok(claims)
    }

    /// Section 3.1.3.7, rules 1 to 10. The signature is first: nothing is read before.
    fn verify(&self, token: &str) -> Result<Map<String, Value>, InvalidToken> {
        let metadata = &self.documents.metadata;
        // Rule 1: decryption. This client registers no encryption; an encrypted token is refused.
        // Rule 6: the signature, also where TLS alone would do.
        // Rule 7: the algorithm is that of the registration, RS256 by default.
        // Rule 8: MAC algorithms. None is allowed, so the client's secret verifies nothing.
        let keys = &self.documents.keys;
        let jws =
            jws::verify(token, &metadata.id_token_algorithms, &["jwt"], keys, KeyNames::Hint)?;
        let claims = &jws.claims;
        // Rule 2: iss.
        verify_issuer(claims, &metadata.issuer)?;
        // Rule 3: aud contains this client; with other audiences, azp must name this client.
        verify_audience(claims, self.client_id)?;
        // Rules 4 and 5: azp, where present, is this client.
        let only_us = audiences(claims).iter().all(|one| one.as_str() == Some(self.client_id));
        match text(claims, "azp")? {
            Some(party) if party != self.client_id => {
                let party = quoted(party);
                return InvalidToken::rule(format!("it was issued to another party: {party}"));
            }
            None if !only_us => {
                return InvalidToken::rule("it has several audiences and no authorized party");
            }
            _ => {}
        }
        // Rule 9: exp, which section 2 requires.
        if !claims.contains_key("exp") {
            return InvalidToken::rule("it has no exp");
        }
        verify_expiry(claims, self.now)?;
        // Rule 10: iat. It is not in the future; rule 9 limits how old the token may be.
        verify_issue_time(claims, self.now)?;
        // Section 2: sub is required and identifies the user.
        if text(claims, "sub")?.is_none() {
            return InvalidToken::rule("it has no sub");
        }
        self.verify_access_token_hash(&jws)?;
        Ok(jws.claims)
    }

    /// Section 3.1.3.8: `at_hash`, where present, is the left half of the access token's hash.
    fn verify_access_token_hash(&self, jws: &VerifiedJws<'_>) -> Result<(), InvalidToken> {
        let Some(expected) = text(&jws.claims, "at_hash")? else { return Ok(()) };
        let hash = jws.key.hash_bytes(self.access_token.as_bytes(), &jws.algorithm);
        match hash.map(|hash| URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])) {
            Ok(actual) if actual == expected => Ok(()),
            _ => InvalidToken::rule("its at_hash is not that of the access token"),
        }
    }
}

/// Compared in constant time. `None` where the claim is absent or no text.
fn nonce(claims: &Map<String, Value>) -> Option<Nonce> {
    claims.get("nonce").and_then(Value::as_str).map(Nonce::new)
}
