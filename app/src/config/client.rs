//! The site as the provider's client: what it requests, and what it accepts.

use portico_adapters::identity::oidc::{SigningAlgorithm, UserinfoPolicy};
use portico_domain::model::{AuthorizationParameters, InvalidParameter, LinkParameters};
use url::form_urlencoded;

use super::reader::Reader;

/// The `OIDC_…` settings that fit the site to a provider; they apply to Auth0 as well.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// `OIDC_USERINFO`.
    pub userinfo: UserinfoPolicy,
    /// `OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG`.
    pub id_token_algorithm: Option<SigningAlgorithm>,
    /// `OIDC_SIGN_UP_PARAMETERS`: sent at sign-up.
    pub sign_up_parameters: AuthorizationParameters,
    /// `OIDC_LOGIN_PARAMETERS`: the names that a link to `/login` may set.
    pub link_parameters: LinkParameters,
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
    let sign_up_parameters = parameters(
        read,
        "OIDC_SIGN_UP_PARAMETERS",
        "name=value pairs, separated by &, each name once and 500 bytes in all, such as \
         prompt=registration",
        |text| {
            let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
            AuthorizationParameters::of_setting(pairs.iter().map(|(key, value)| (&**key, &**value)))
        },
    );
    let link_parameters = parameters(
        read,
        "OIDC_LOGIN_PARAMETERS",
        "up to 20 names of parameters, separated by commas or spaces, such as kc_idp_hint",
        |text| {
            let names = text.split(|letter: char| letter == ',' || letter.is_whitespace());
            LinkParameters::with(names.filter(|name| !name.is_empty()))
        },
    );
    ClientOptions {
        userinfo: userinfo.unwrap_or_default(),
        id_token_algorithm,
        sign_up_parameters,
        link_parameters,
    }
}

/// Reads a setting that names parameters. Only a reserved name is repeated in the problem: anything
/// else may be a secret that was set in the wrong place.
fn parameters<T: Default>(
    read: &mut Reader,
    key: &str,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, InvalidParameter>,
) -> T {
    let Some(text) = read.text(key) else { return T::default() };
    match parse(&text) {
        Ok(parameters) => parameters,
        Err(InvalidParameter::Reserved(name)) => {
            let others = format!("parameters that the protocol and Portico do not use: not {name}");
            read.refuse(key, &others);
            T::default()
        }
        Err(_) => {
            read.refuse(key, expected);
            T::default()
        }
    }
}
