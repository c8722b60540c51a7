use http::StatusCode;
use portico_domain::model::Check;

use super::token_endpoint::{TokenError, request_tokens};
use crate::identity::oidc::{OidcProvider, discovery::Metadata};

/// No provider has issued it.
const MADE_UP_CODE: &str = "portico-check-made-up-code";

/// As long as RFC 7636, section 4.1, requires.
const MADE_UP_VERIFIER: &str = "portico-check-portico-check-portico-check-0";

/// Tries to redeem a made-up code. A provider authenticates the client first (RFC 6749, section
/// 4.1.3): `invalid_grant` means that it accepted the credentials, `invalid_client` that it did not.
pub(in crate::identity::oidc) async fn try_credentials(
    provider: &OidcProvider,
    metadata: &Metadata,
) -> Check {
    const NAME: &str = "client credentials";
    let registration = &provider.settings.registration;
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", MADE_UP_CODE),
        ("redirect_uri", &provider.settings.redirect_uri),
        ("code_verifier", MADE_UP_VERIFIER),
    ];
    match request_tokens(provider, metadata, &grant).await {
        Err(TokenError::OAuth { code, .. }) if code == "invalid_grant" => {
            if let Some(method) = provider.client_auth.get() {
                let method = method.name();
                return Check::warning(
                    NAME,
                    format!("accepted by {method} only: set OIDC_CLIENT_AUTH_METHOD={method}"),
                );
            }
            if registration.client_secret.is_none() && registration.client_key.is_none() {
                return Check::passed(NAME, "a public client, which has none");
            }
            Check::passed(NAME, "accepted; a made-up code was refused, as it should be")
        }
        // Auth0 answers `access_denied` for a wrong secret. `invalid_client` is a fault of the settings.
        Err(TokenError::OAuth { code, status, text })
            if status == StatusCode::UNAUTHORIZED || code == "access_denied" =>
        {
            let advice =
                "wrong client id, client secret or client key, or the wrong way to send it";
            Check::failed(NAME, format!("{advice}: {text}"))
        }
        Err(TokenError::OAuth { text, .. }) => {
            Check::warning(NAME, format!("the answer does not tell whether they are right: {text}"))
        }
        Err(TokenError::Provider(error)) => Check::failed(NAME, error.to_string()),
        Ok(_) | Err(TokenError::Incomplete { .. }) => {
            Check::failed(NAME, "the provider issued tokens for a made-up code")
        }
    }
}
