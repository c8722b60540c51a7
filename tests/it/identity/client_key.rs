//! Client authentication with a private key (`private_key_jwt`).

use std::collections::HashSet;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use portico_adapters::{
    identity::oidc::{ClientKey, InvalidClientKey, OidcSettings, Registration},
    system::SystemClock,
};
use portico_domain::{
    model::{RefreshToken, Screen},
    ports::{Clock, IdentityProvider},
};
use portico_tests::stub_server::{Request, Response};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use rsa::{
    pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey},
    pkcs8::EncodePrivateKey,
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    CLIENT_ID, attempt, registration,
    script::{ATTEMPT, Script, Scripted},
    settings,
    signing_keys::RSA_KEY,
};

/// A private key in PEM, and the algorithm and public key that verify its signatures.
struct Pair {
    pem: String,
    algorithm: &'static dyn VerificationAlgorithm,
    public: Vec<u8>,
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn ed25519() -> Pair {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    Pair { pem: pem(der.as_ref()), algorithm: &ED25519, public }
}

fn ecdsa(
    signing: &'static ring::signature::EcdsaSigningAlgorithm,
    algorithm: &'static dyn VerificationAlgorithm,
) -> Pair {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(signing, der.as_ref(), &random).unwrap();
    Pair { pem: pem(der.as_ref()), algorithm, public: pair.public_key().as_ref().to_vec() }
}

fn rsa(pem: String, algorithm: &'static dyn VerificationAlgorithm) -> Pair {
    let public = RSA_KEY.to_public_key().to_pkcs1_der().unwrap().as_bytes().to_vec();
    Pair { pem, algorithm, public }
}

fn pkcs8() -> String {
    RSA_KEY.to_pkcs8_pem(rsa::pkcs8::LineEnding::LF).unwrap().to_string()
}

fn pkcs1() -> String {
    RSA_KEY.to_pkcs1_pem(rsa::pkcs8::LineEnding::LF).unwrap().to_string()
}

fn with_key(scripted: &Scripted, key: ClientKey) -> OidcSettings {
    let registration = Registration {
        client_secret: None,
        client_key: Some(key),
        ..registration(&scripted.issuer())
    };
    OidcSettings { registration, pushed_requests: true, ..settings(&scripted.issuer()) }
}

fn field(request: &Request, name: &str) -> Option<String> {
    let mut form = form_urlencoded::parse(request.body.as_bytes());
    form.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The header and the claims, after the signature was verified.
fn verified(pair: &Pair, assertion: &str) -> [Value; 2] {
    let (input, signature) = assertion.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(pair.algorithm, &pair.public)
        .verify(input.as_bytes(), &BASE64.decode(signature).unwrap())
        .unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    [header, claims].map(|part| serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap())
}

#[tokio::test]
async fn each_request_has_fresh_assertion_and_no_secret() {
    let any = json!({});
    let only = |name: &str| json!({ "token_endpoint_auth_signing_alg_values_supported": [name] });
    let rows = [
        ("RS256", rsa(pkcs8(), &RSA_PKCS1_2048_8192_SHA256), any.clone()),
        ("RS256", rsa(pkcs1(), &RSA_PKCS1_2048_8192_SHA256), only("ES256")),
        ("PS512", rsa(pkcs8(), &RSA_PSS_2048_8192_SHA512), only("PS512")),
        ("ES256", ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_FIXED), any.clone()),
        ("ES384", ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED), any.clone()),
        ("EdDSA", ed25519(), any),
    ];
    for (algorithm, pair, metadata) in rows {
        let script = Script { metadata, names_par: true, ..Script::default() };
        let scripted = script.start().await;
        let key = ClientKey::from_pem(pair.pem.as_bytes()).unwrap().with_id(Some("one".into()));
        let oidc = scripted.provider_with(with_key(&scripted, key));
        oidc.authorization_url(&attempt(ATTEMPT), Screen::LogIn).await.unwrap();
        let identity = scripted.redeem(&oidc).await.unwrap();
        let mut session = super::refresh::session_of(identity);
        session.identity.tokens.refresh_token = Some(RefreshToken::new("a-refresh-token"));
        oidc.refresh(&session).await.unwrap();

        let requests = [scripted.requested("/par"), scripted.requested("/token")].concat();
        assert_eq!(requests.len(), 3, "{algorithm}: pushed, redeemed, refreshed");
        let mut ids = HashSet::new();
        for request in &requests {
            assert_eq!(request.header("authorization"), None, "{algorithm}");
            assert_eq!(field(request, "client_secret"), None, "{algorithm}");
            assert_eq!(field(request, "client_id").as_deref(), Some(CLIENT_ID), "{algorithm}");
            assert_eq!(
                field(request, "client_assertion_type").as_deref(),
                Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            );
            let [header, claims] = verified(&pair, &field(request, "client_assertion").unwrap());
            assert_eq!(header, json!({ "alg": algorithm, "typ": "JWT", "kid": "one" }));
            assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT_ID), &json!(CLIENT_ID)));
            assert_eq!(claims["aud"], scripted.issuer());
            let [issued, ends] = ["iat", "exp"].map(|name| claims[name].as_i64().unwrap());
            let age = SystemClock.now().timestamp() - issued;
            assert!((0..30).contains(&age) && ends == issued + 60, "{algorithm}: {claims}");
            ids.insert(claims["jti"].as_str().unwrap().to_owned());
        }
        assert_eq!(ids.len(), requests.len(), "{algorithm}: each jti is used once");
    }
}

#[tokio::test]
async fn signs_with_configured_algorithm() {
    let metadata = json!({ "token_endpoint_auth_signing_alg_values_supported": ["RS256"] });
    let scripted = Script { metadata, ..Script::default() }.start().await;
    let key = || ClientKey::from_pem(pkcs8().as_bytes()).unwrap();
    assert!(key().with_algorithm("ES256").is_none(), "an algorithm of another kind of key");
    let key = key().with_algorithm("PS384").unwrap();
    scripted.redeem(&scripted.provider_with(with_key(&scripted, key))).await.unwrap();
    let assertion = field(&scripted.requested("/token")[0], "client_assertion").unwrap();
    let header = BASE64.decode(assertion.split('.').next().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap()["alg"], "PS384");
}

#[tokio::test]
async fn error_does_not_contain_assertion() {
    let script = Script {
        instead_of_token: Some(Response::json(
            401,
            json!({ "error": "invalid_client", "error_description": "not this one" }),
        )),
        ..Script::default()
    };
    let scripted = script.start().await;
    let key = ClientKey::from_pem(ed25519().pem.as_bytes()).unwrap();
    let settings = OidcSettings { pushed_requests: false, ..with_key(&scripted, key) };
    let refused = scripted.redeem(&scripted.provider_with(settings)).await;
    let text = format!("{:?}", refused.unwrap_err());
    assert!(text.contains("invalid_client (not this one)") && !text.contains("eyJ"), "{text}");
}

#[test]
fn refuses_unsupported_key_without_quoting_it() {
    let found = |pem: &str| ClientKey::from_pem(pem.as_bytes()).map(|_| ()).unwrap_err();
    assert_eq!(found(""), InvalidClientKey::NoKey);
    assert_eq!(found("hunter2"), InvalidClientKey::NoKey);
    assert_eq!(found(&pem(b"hunter2")), InvalidClientKey::Unsupported);
    let public = pkcs8().replace("PRIVATE", "PUBLIC");
    assert_eq!(found(&public), InvalidClientKey::NoKey);
    let nowhere = ClientKey::from_file("/no/such/key.pem".as_ref()).map(|_| ()).unwrap_err();
    assert_eq!(nowhere, InvalidClientKey::Unreadable(std::io::ErrorKind::NotFound));
}
