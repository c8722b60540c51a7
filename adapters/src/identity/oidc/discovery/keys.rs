//! The provider's keys (RFC 7517). `openidconnect` supports all but P-521, which is added here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, SignatureVerificationError as SignatureError,
    core::{
        CoreJsonWebKey, CoreJsonWebKeyType, CoreJsonWebKeyUse, CoreJwsSigningAlgorithm as Algorithm,
    },
};
use p521::ecdsa::{Signature, VerifyingKey, signature::Verifier};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A public key of the provider. One of an unknown type cannot be deserialised.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::identity::oidc) struct VerificationKey(CoreJsonWebKey);

impl VerificationKey {
    /// An RSA key of less than 2048 bits (RFC 7518, sections 3.3 and 3.5).
    pub(super) fn is_weak(&self) -> bool {
        let key = serde_json::to_value(&self.0).unwrap_or_default();
        if key["kty"] != "RSA" {
            return false;
        }
        let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap_or_default());
        let modulus = modulus.unwrap_or_default();
        let digits: &[u8] =
            modulus.iter().position(|byte| *byte != 0).map_or(&[], |start| &modulus[start..]);
        // The highest bit of 2048 is set.
        digits.len() < 256 || digits.len() == 256 && digits[0] < 0x80
    }

    /// ES512 (RFC 7518, section 3.4): ECDSA with P-521 and SHA-512.
    fn verify_es512(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let invalid = |cause: &str| SignatureError::InvalidKey(cause.to_owned());
        let key = serde_json::to_value(&self.0).map_err(|error| invalid(&error.to_string()))?;
        let is = |name: &str, expected: &str| key[name] == expected;
        let may_be = |name: &str, expected: &str| key[name] == Value::Null || is(name, expected);
        if !(is("kty", "EC")
            && is("crv", "P-521")
            && may_be("use", "sig")
            && may_be("alg", "ES512"))
        {
            return Err(invalid("it is not for ES512"));
        }
        // Uncompressed (SEC 1, section 2.3.3).
        let mut point = vec![4];
        for coordinate in ["x", "y"] {
            let text = key[coordinate].as_str().unwrap_or_default();
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid("it is no base64url"))?;
            point.extend(bytes);
        }
        let wrong = |_| SignatureError::CryptoError("the signature is wrong".into());
        VerifyingKey::from_sec1_bytes(&point)
            .map_err(|_| invalid("it is no point of P-521"))?
            .verify(message, &Signature::from_slice(signature).map_err(wrong)?)
            .map_err(wrong)
    }
}

impl JsonWebKey for VerificationKey {
    type KeyUse = CoreJsonWebKeyUse;
    type SigningAlgorithm = Algorithm;

    fn key_id(&self) -> Option<&JsonWebKeyId> {
        self.0.key_id()
    }

    fn key_type(&self) -> &CoreJsonWebKeyType {
        self.0.key_type()
    }

    fn key_use(&self) -> Option<&CoreJsonWebKeyUse> {
        self.0.key_use()
    }

    fn signing_alg(&self) -> JsonWebKeyAlgorithm<&Algorithm> {
        self.0.signing_alg()
    }

    fn new_symmetric(key: Vec<u8>) -> Self {
        Self(CoreJsonWebKey::new_symmetric(key))
    }

    fn verify_signature(
        &self,
        algorithm: &Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match algorithm {
            Algorithm::EcdsaP521Sha512 => self.verify_es512(message, signature),
            _ => self.0.verify_signature(algorithm, message, signature),
        }
    }

    fn hash_bytes(&self, bytes: &[u8], algorithm: &Algorithm) -> Result<Vec<u8>, String> {
        self.0.hash_bytes(bytes, algorithm)
    }
}
