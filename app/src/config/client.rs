//! The site as the provider's client: what it requests, and what it accepts.

use portico_adapters::identity::oidc::{SigningAlgorithm, UserinfoPolicy};

use super::reader::Reader;

/// The `OIDC_…` settings that fit the site to a provider; they apply to Auth0 as well.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// `OIDC_USERINFO`.
    pub userinfo: UserinfoPolicy,
    /// `OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG`.
    pub id_token_algorithm: Option<SigningAlgorithm>,
}

/// Reads them; problems are noted.
pub(super) fn read(read: &mut Reader) -> ClientOptions {
    let userinfo = read.parsed("OIDC_USERINFO", "auto, always or never", |text| match text {
        "auto" => Some(UserinfoPolicy::Auto),
        "always" => Some(UserinfoPolicy::Always),
        "never" => Some(UserinfoPolicy::Never),
        _ => None,
    });
    let id_token_algorithm = read.parsed(
        "OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG",
        "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA",
        SigningAlgorithm::parse,
    );
    ClientOptions { userinfo: userinfo.unwrap_or_default(), id_token_algorithm }
}
