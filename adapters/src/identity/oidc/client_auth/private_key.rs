//! Authentication by a signed assertion (`private_key_jwt`; OpenID Connect Core, section 9; RFC
//! 7523, section 2.2): the client shares no secret with the provider.

use std::{fmt, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use portico_domain::ports::Randomness;
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::json;

use crate::{
    identity::oidc::{discovery::Metadata, error::ProviderError},
    system::SystemRandomness,
};

/// Seconds that an assertion is valid: it is made for one request.
const ASSERTION_LIFETIME: i64 = 60;

/// The algorithms of an RSA key, in order of preference: every provider supports the first.
const RSA_ALGORITHMS: [(&str, &dyn RsaEncoding); 6] = [
    ("RS256", &RSA_PKCS1_SHA256),
    ("PS256", &RSA_PSS_SHA256),
    ("RS384", &RSA_PKCS1_SHA384),
    ("PS384", &RSA_PSS_SHA384),
    ("RS512", &RSA_PKCS1_SHA512),
    ("PS512", &RSA_PSS_SHA512),
];

/// The client's private key. `Debug` hides it.
#[derive(Clone)]
pub struct ClientKey {
    key_pair: Arc<ClientKeyPair>,
    /// The `kid`.
    id: Option<String>,
    /// The algorithm that is set; `None` where the metadata decide.
    algorithm: Option<&'static str>,
}

enum ClientKeyPair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a key cannot be used. Holds nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientKey {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    /// The text holds no private key in PEM.
    #[error("there is no private key in PEM")]
    NoKey,
    /// The key has another type than those of [`ClientKey::from_pem`].
    #[error("the key is no RSA key of 2048 to 4096 bits, nor P-256, P-384 or Ed25519 in PKCS#8")]
    Unsupported,
}

impl ClientKey {
    /// Reads the PEM file.
    ///
    /// # Errors
    /// [`InvalidClientKey::Unreadable`], and those of [`ClientKey::from_pem`].
    pub fn from_file(path: &Path) -> Result<Self, InvalidClientKey> {
        let pem = std::fs::read(path);
        Self::from_pem(&pem.map_err(|error| InvalidClientKey::Unreadable(error.kind()))?)
    }

    /// Takes the first private key of the PEM text: RSA of 2048 to 4096 bits in PKCS#8 or PKCS#1, or
    /// P-256, P-384 or Ed25519 in PKCS#8.
    ///
    /// # Errors
    /// [`InvalidClientKey::NoKey`] and [`InvalidClientKey::Unsupported`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidClientKey> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| InvalidClientKey::NoKey)?;
        let ecdsa = |algorithm, der| EcdsaKeyPair::from_pkcs8(algorithm, der, &SystemRandom::new());
        let der = key.secret_der();
        let key_pair = if matches!(key, PrivateKeyDer::Pkcs1(_)) {
            RsaKeyPair::from_der(der).map(ClientKeyPair::Rsa)
        } else {
            RsaKeyPair::from_pkcs8(der)
                .map(ClientKeyPair::Rsa)
                .or_else(|_| ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(ClientKeyPair::P256))
                .or_else(|_| ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, der).map(ClientKeyPair::P384))
                .or_else(|_| {
                    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(ClientKeyPair::Ed25519)
                })
        };
        let key_pair = key_pair.map_err(|_| InvalidClientKey::Unsupported)?;
        Ok(Self { key_pair: Arc::new(key_pair), id: None, algorithm: None })
    }

    /// Sets the `kid` under which the key is registered; required where the client has registered
    /// several (OpenID Connect Core, section 10.1).
    #[must_use]
    pub fn with_id(self, id: Option<String>) -> Self {
        Self { id, ..self }
    }

    /// Sets the algorithm of the assertions (`token_endpoint_auth_signing_alg` of the registration).
    /// `None` where the key cannot be used with it.
    #[must_use]
    pub fn with_algorithm(self, algorithm: &str) -> Option<Self> {
        let name = self.algorithms().into_iter().find(|name| *name == algorithm)?;
        Some(Self { algorithm: Some(name), ..self })
    }

    /// The algorithms that fit the key.
    fn algorithms(&self) -> Vec<&'static str> {
        match &*self.key_pair {
            ClientKeyPair::Rsa(_) => RSA_ALGORITHMS.map(|(name, _)| name).into(),
            ClientKeyPair::P256(_) => vec!["ES256"],
            ClientKeyPair::P384(_) => vec!["ES384"],
            ClientKeyPair::Ed25519(_) => vec!["EdDSA"],
        }
    }

    /// A new assertion for the token endpoint.
    ///
    /// # Errors
    /// [`ProviderError::InvalidResponse`] when there are no random bytes or signing fails.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        metadata: &Metadata,
        now: DateTime<Utc>,
    ) -> Result<String, ProviderError> {
        let failed =
            || ProviderError::InvalidResponse("the client assertion cannot be signed".into());
        let jti = SystemRandomness.bytes().map_err(|_| failed())?;
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            // FAPI 2.0 Security Profile, section 5.3.3.1: the issuer, as a string. A list, or the
            // address of an endpoint, could be replayed at another server.
            "aud": metadata.issuer,
            "jti": URL_SAFE_NO_PAD.encode(jti),
            "iat": now.timestamp(),
            "exp": now.timestamp() + ASSERTION_LIFETIME,
        });
        let (algorithm, encoding) = self.algorithm(&metadata.client_assertion_algorithms);
        let mut header = json!({ "alg": algorithm, "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = id.as_str().into();
        }
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.sign(encoding, input.as_bytes()).ok_or_else(failed)?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The algorithm that is set, or one that fits the key and that the provider lists, if it lists
    /// any.
    fn algorithm(&self, supported: &[String]) -> (&'static str, &'static dyn RsaEncoding) {
        let is_supported = |name: &str| match self.algorithm {
            Some(set) => set == name,
            None => supported.iter().any(|one| one == name),
        };
        let [default, ..] = RSA_ALGORITHMS;
        match &*self.key_pair {
            ClientKeyPair::Rsa(_) => {
                RSA_ALGORITHMS.into_iter().find(|(name, _)| is_supported(name)).unwrap_or(default)
            }
            ClientKeyPair::P256(_) => ("ES256", default.1),
            ClientKeyPair::P384(_) => ("ES384", default.1),
            ClientKeyPair::Ed25519(_) => ("EdDSA", default.1),
        }
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, input: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &*self.key_pair {
            ClientKeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &random, input, &mut signature).ok()?;
                Some(signature)
            }
            ClientKeyPair::P256(pair) | ClientKeyPair::P384(pair) => {
                pair.sign(&random, input).ok().map(|signature| signature.as_ref().to_vec())
            }
            ClientKeyPair::Ed25519(pair) => Some(pair.sign(input).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").field("id", &self.id).finish_non_exhaustive()
    }
}
