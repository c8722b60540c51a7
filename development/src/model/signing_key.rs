//! Private keys for JSON Web Signatures (RFC 7515) with every asymmetric algorithm of RFC 7518,
//! section 3.1, and EdDSA (RFC 8037).

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use p521::ecdsa::signature::Signer;
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey};
use serde_json::{Value, json};

/// Why a key cannot be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// There are no keys for this algorithm.
    #[error("no keys for the algorithm {0}")]
    UnsupportedAlgorithm(&'static str),
    /// The cryptographic library failed.
    #[error("failed to {0}")]
    Failed(&'static str),
}

/// A private key for one algorithm. `Debug` hides it.
pub struct SigningKey {
    key_pair: SigningKeyPair,
    algorithm: &'static str,
    id: Option<String>,
}

enum SigningKeyPair {
    Ecdsa(EcdsaKeyPair),
    P521(Box<p521::ecdsa::SigningKey>),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Generates a key for `ES256`, `ES384`, `ES512` or `EdDSA`; `id` is its `kid`.
    ///
    /// # Errors
    /// [`SigningError::UnsupportedAlgorithm`] for any other algorithm, [`SigningError::Failed`] when
    /// no random bytes can be read.
    pub fn generate(algorithm: &'static str, id: Option<&str>) -> Result<Self, SigningError> {
        let failed = || SigningError::Failed("generate a key");
        let random = SystemRandom::new();
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| failed())?;
            let key = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random);
            Ok(SigningKeyPair::Ecdsa(key.map_err(|_| failed())?))
        };
        let key_pair = match algorithm {
            "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
            "ES512" => {
                let mut scalar = [0; 66];
                // The first byte stays 0, so that the scalar is below the order of the curve.
                random.fill(&mut scalar[1..]).map_err(|_| failed())?;
                let key = p521::ecdsa::SigningKey::from_slice(&scalar).map_err(|_| failed())?;
                SigningKeyPair::P521(Box::new(key))
            }
            "EdDSA" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| failed())?;
                let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).map_err(|_| failed())?;
                SigningKeyPair::Ed25519(key)
            }
            other => return Err(SigningError::UnsupportedAlgorithm(other)),
        };
        Ok(Self { key_pair, algorithm, id: id.map(str::to_owned) })
    }

    /// Uses an RSA key with `RS256`, `RS384`, `RS512`, `PS256`, `PS384` or `PS512`; `id` is its
    /// `kid`.
    ///
    /// # Errors
    /// [`SigningError::UnsupportedAlgorithm`] for any other algorithm, [`SigningError::Failed`] for a
    /// key of less than 2,048 bits.
    pub fn from_rsa(
        key: &RsaPrivateKey,
        algorithm: &'static str,
        id: Option<&str>,
    ) -> Result<Self, SigningError> {
        let failed = || SigningError::Failed("read the RSA key");
        let encoding: &dyn RsaEncoding = match algorithm {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            "PS256" => &RSA_PSS_SHA256,
            "PS384" => &RSA_PSS_SHA384,
            "PS512" => &RSA_PSS_SHA512,
            other => return Err(SigningError::UnsupportedAlgorithm(other)),
        };
        let der = key.to_pkcs1_der().map_err(|_| failed())?;
        let key = RsaKeyPair::from_der(der.as_bytes()).map_err(|_| failed())?;
        let key_pair = SigningKeyPair::Rsa(Box::new(key), encoding);
        Ok(Self { key_pair, algorithm, id: id.map(str::to_owned) })
    }

    /// The name of the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// The `kid`; `None` for a key without one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The public key as a JWK (RFC 7517, section 4) for signatures, without `alg`.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let elliptic = |curve: &str, point: &[u8]| {
            // Both coordinates follow the byte for "uncompressed" (SEC 1, section 2.3.3).
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            json!({ "kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y) })
        };
        let mut key = match &self.key_pair {
            SigningKeyPair::Ecdsa(key) => {
                let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
                elliptic(curve, key.public_key().as_ref())
            }
            SigningKeyPair::P521(key) => {
                elliptic("P-521", key.verifying_key().to_sec1_point(false).as_bytes())
            }
            SigningKeyPair::Rsa(key, _) => {
                let PublicKeyComponents { n, e } =
                    PublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({ "kty": "RSA", "n": BASE64.encode(n), "e": BASE64.encode(e) })
            }
            SigningKeyPair::Ed25519(key) => {
                let x = BASE64.encode(key.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
        };
        key["use"] = "sig".into();
        if let Some(id) = &self.id {
            key["kid"] = id.as_str().into();
        }
        key
    }

    /// The `at_hash` of an access token (OpenID Connect Core, section 3.1.3.6). For EdDSA with
    /// SHA-512, the hash of Ed25519.
    #[must_use]
    pub fn access_token_hash(&self, access_token: &str) -> String {
        let algorithm = if self.algorithm.ends_with("256") {
            &digest::SHA256
        } else if self.algorithm.ends_with("384") {
            &digest::SHA384
        } else {
            &digest::SHA512
        };
        let hash = digest::digest(algorithm, access_token.as_bytes());
        let half = hash.as_ref().len() / 2;
        BASE64.encode(hash.as_ref().get(..half).unwrap_or_default())
    }

    /// The header of a signature with this key.
    #[must_use]
    pub fn header(&self, typ: &str) -> Value {
        json!({ "alg": self.algorithm, "typ": typ, "kid": self.id })
    }

    /// A JWS in the compact form (RFC 7515, section 7.1), with any header: its `alg` and `kid` may
    /// be wrong.
    ///
    /// # Errors
    /// [`SigningError::Failed`] when no random bytes can be read.
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String, SigningError> {
        let encode = |json: &Value| BASE64.encode(json.to_string());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = self.signature(input.as_bytes())?;
        Ok(format!("{input}.{}", BASE64.encode(signature)))
    }

    fn signature(&self, input: &[u8]) -> Result<Vec<u8>, SigningError> {
        let failed = |_| SigningError::Failed("sign");
        let random = SystemRandom::new();
        match &self.key_pair {
            SigningKeyPair::Ecdsa(key) => {
                Ok(key.sign(&random, input).map_err(failed)?.as_ref().into())
            }
            SigningKeyPair::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign(input);
                Ok(signature.to_bytes().to_vec())
            }
            SigningKeyPair::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, input, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            SigningKeyPair::Ed25519(key) => Ok(key.sign(input).as_ref().into()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
