//! Keys of every kind, for what a scripted provider signs.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use p521::ecdsa::signature::Signer;
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rsa::{RsaPrivateKey, rand_core::OsRng};
use serde_json::{Value, json};

/// One for all tests: they take long to make.
pub(crate) static RSA_KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::new(&mut OsRng, 2048).unwrap());

/// A key to sign with, and its algorithm's name.
pub(crate) struct Key {
    pair: Pair,
    pub(crate) algorithm: &'static str,
    /// Named so in the key set and in the token's header.
    pub(crate) kid: Option<&'static str>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    P521(Box<p521::ecdsa::SigningKey>),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    /// A new one of this algorithm (RFC 7518, section 3.1); RSA keys are always the same.
    pub(crate) fn new(algorithm: &'static str, kid: Option<&'static str>) -> Self {
        let random = SystemRandom::new();
        let ecdsa = |algorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
        };
        let pair = match algorithm {
            "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => {
                let mut scalar = [0; 66];
                // Below the order of the curve, of 521 bits.
                random.fill(&mut scalar[1..]).unwrap();
                Pair::P521(Box::new(p521::ecdsa::SigningKey::from_slice(&scalar).unwrap()))
            }
            "EdDSA" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
            }
            "RS256" => rsa_pair(&RSA_PKCS1_SHA256),
            "RS384" => rsa_pair(&RSA_PKCS1_SHA384),
            "RS512" => rsa_pair(&RSA_PKCS1_SHA512),
            "PS256" => rsa_pair(&RSA_PSS_SHA256),
            "PS384" => rsa_pair(&RSA_PSS_SHA384),
            "PS512" => rsa_pair(&RSA_PSS_SHA512),
            other => panic!("no keys for {other}"),
        };
        Self { pair, algorithm, kid }
    }

    /// As the key set publishes it (RFC 7517, section 4).
    pub(crate) fn public(&self) -> Value {
        // After the byte that says "uncompressed", both coordinates.
        let on_curve = |curve: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at((point.len() - 1) / 2);
            json!({ "kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y) })
        };
        let mut key = match &self.pair {
            Pair::Ecdsa(pair) => {
                let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
                on_curve(curve, pair.public_key().as_ref())
            }
            Pair::P521(pair) => {
                on_curve("P-521", pair.verifying_key().to_sec1_point(false).as_bytes())
            }
            Pair::Rsa(pair, _) => {
                let PublicKeyComponents { n, e } =
                    PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": BASE64.encode(n), "e": BASE64.encode(e) })
            }
            Pair::Ed25519(pair) => {
                let x = BASE64.encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
        };
        key["use"] = "sig".into();
        if let Some(kid) = self.kid {
            key["kid"] = kid.into();
        }
        key
    }

    /// The `at_hash` of the access token (OpenID Connect Core, section 3.1.3.6).
    pub(crate) fn hash_of(&self, access_token: &str) -> String {
        let hash = match &self.algorithm[2..] {
            "256" => &digest::SHA256,
            "384" => &digest::SHA384,
            _ => &digest::SHA512,
        };
        let hash = digest::digest(hash, access_token.as_bytes());
        BASE64.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
    }

    /// The token in the compact form (RFC 7515, section 7.1), whatever its header says.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let encoded = |json: &Value| BASE64.encode(json.to_string());
        let input = format!("{}.{}", encoded(header), encoded(claims));
        format!("{input}.{}", BASE64.encode(self.sign(input.as_bytes())))
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, input).unwrap().as_ref().into(),
            Pair::P521(pair) => {
                let signature: p521::ecdsa::Signature = pair.sign(input);
                signature.to_bytes().to_vec()
            }
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, input, &mut signature).unwrap();
                signature
            }
            Pair::Ed25519(pair) => pair.sign(input).as_ref().into(),
        }
    }
}

fn rsa_pair(encoding: &'static dyn RsaEncoding) -> Pair {
    use rsa::pkcs1::EncodeRsaPrivateKey;
    let der = RSA_KEY.to_pkcs1_der().unwrap();
    Pair::Rsa(Box::new(RsaKeyPair::from_der(der.as_bytes()).unwrap()), encoding)
}
