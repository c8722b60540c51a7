//! Keys of every kind, for the tokens that a scripted provider signs.

use std::sync::LazyLock;

use portico_development::SigningKey;
use rsa::{RsaPrivateKey, rand_core::OsRng};

/// One for all tests: generating one is slow.
pub(crate) static RSA_KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::new(&mut OsRng, 2048).unwrap());

/// A new key for this algorithm (RFC 7518, section 3.1); for RSA always [`RSA_KEY`].
pub(crate) fn signing_key(algorithm: &'static str, id: Option<&str>) -> SigningKey {
    let rsa = algorithm.starts_with("RS") || algorithm.starts_with("PS");
    let key = if rsa {
        SigningKey::from_rsa(&RSA_KEY, algorithm, id)
    } else {
        SigningKey::generate(algorithm, id)
    };
    key.unwrap()
}
