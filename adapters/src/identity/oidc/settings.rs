use openidconnect::ClientSecret;
use portico_domain::model::{ClaimPath, PermissionRules};
use url::Url;

use super::{client_auth::ClientKey, discovery::SigningAlgorithm};

/// The provider, and this site's registration as its client.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The provider: an absolute URL without query, under which its metadata are found (OpenID
    /// Connect Discovery, section 4). A slash at the end of a bare host makes no difference.
    pub issuer: String,
    /// Where the metadata are read, if the provider's address within the network is not its issuer.
    /// `None`: under the issuer. The metadata must name the issuer in any case. With an `https`
    /// issuer, the endpoints that this site requests itself may be `http` at this address only.
    pub discovery_url: Option<Url>,
    /// Identifies this site at the provider (RFC 6749, section 2.2).
    pub client_id: String,
    /// `None` for a client with a key, and for a public client, which has PKCE only.
    pub client_secret: Option<ClientSecret>,
    /// Authenticates this site instead of a secret (`private_key_jwt`; OpenID Connect Core,
    /// section 9).
    pub client_key: Option<ClientKey>,
    /// How this client authenticates. `None`: with its key where it has one; with its secret by HTTP
    /// Basic, or in the body where the provider lists only that or accepts only that.
    pub client_auth_method: Option<ClientAuthMethod>,
    /// The product, where it differs from the specifications.
    pub vendor: Vendor,
}

impl Registration {
    /// The settings to check after this OAuth error (RFC 6749, sections 4.1.2.1 and 5.2), for the log.
    /// `None` where no setting causes it.
    pub(super) fn settings_behind(&self, error: &str) -> Option<&'static str> {
        match error {
            "invalid_client"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "unsupported_response_type" => Some(match (self.vendor, &self.client_key) {
                (Vendor::Any, None) => {
                    "OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and OIDC_CLIENT_AUTH_METHOD"
                }
                (Vendor::Any, Some(_)) => {
                    "OIDC_CLIENT_ID, OIDC_CLIENT_KEY_FILE and OIDC_CLIENT_AUTH_METHOD"
                }
                (Vendor::Auth0, None) => {
                    "AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and OIDC_CLIENT_AUTH_METHOD"
                }
                (Vendor::Auth0, Some(_)) => {
                    "AUTH0_CLIENT_ID, OIDC_CLIENT_KEY_FILE and OIDC_CLIENT_AUTH_METHOD"
                }
            }),
            "invalid_scope" => Some("OIDC_SCOPES"),
            _ => None,
        }
    }

    /// The settings to check when the metadata are not those of the issuer, for the log.
    pub(super) fn issuer_settings(&self) -> &'static str {
        match (self.vendor, &self.discovery_url) {
            (Vendor::Any, None) => "OIDC_ISSUER_URL",
            (Vendor::Any, Some(_)) => "OIDC_ISSUER_URL and OIDC_DISCOVERY_URL",
            (Vendor::Auth0, None) => "AUTH0_DOMAIN",
            (Vendor::Auth0, Some(_)) => "AUTH0_DOMAIN and OIDC_DISCOVERY_URL",
        }
    }
}

/// What this site requests of the provider, and where users return.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The provider, and this site's registration there.
    pub registration: Registration,
    /// The API to request an access token for: a parameter of Auth0 and some other providers.
    pub audience: Option<String>,
    /// Scopes to request; `openid` is requested in any case.
    pub scopes: Vec<String>,
    /// Where the provider sends the browser with the code: an absolute URL of this site.
    pub redirect_uri: String,
    /// Where the provider sends the browser after log-out: an absolute URL of this site.
    pub post_logout_redirect_uri: String,
    /// How the browser carries the authorization response.
    pub response_mode: ResponseMode,
    /// Push every authorization request to the provider first (RFC 9126), not only where its
    /// metadata require it.
    pub pushed_requests: bool,
    /// The algorithm of ID tokens and logout tokens that this client is registered for
    /// (`id_token_signed_response_alg`). `None`: RS256 where the provider lists it, else any
    /// asymmetric one that it lists.
    pub id_token_algorithm: Option<SigningAlgorithm>,
    /// When userinfo is requested.
    pub userinfo: UserinfoPolicy,
    /// The claims that grant permissions.
    pub permissions: PermissionRules,
    /// Further claims that must be up to date after a refresh, where the provider states them.
    pub required_claims: Vec<ClaimPath>,
}

/// How a client authenticates at the token endpoint, as registrations name it (RFC 7591, section 2;
/// OpenID Connect Core, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthMethod {
    /// `client_secret_basic`
    ClientSecretBasic,
    /// `client_secret_post`
    ClientSecretPost,
    /// `private_key_jwt`
    PrivateKeyJwt,
    /// `none`: a public client.
    None,
}

impl ClientAuthMethod {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// When userinfo is requested (OpenID Connect Core, section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserinfoPolicy {
    /// At log-in, where the ID token lacks a claim that a requested scope promises (section 5.4);
    /// at log-in and after a refresh, where a claim that the settings name is found nowhere else.
    #[default]
    Auto,
    /// At log-in and after each refresh.
    Always,
    /// Never.
    Never,
}

/// How the browser carries the authorization response to the callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query, the default for a code.
    #[default]
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode), so that the code
    /// reaches no browser history and no access log.
    FormPost,
}

/// The provider's product, where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Follows the specifications.
    Any,
    /// Auth0: has a log-out endpoint even where its metadata name none.
    Auth0,
}

/// A setting that cannot be used, and why. Never holds the client's secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {why}")]
pub struct InvalidSetting {
    /// The field of [`OidcSettings`].
    pub setting: &'static str,
    /// What is expected.
    pub why: String,
}

impl OidcSettings {
    /// Where the metadata are read (OpenID Connect Discovery, section 4).
    pub(super) fn metadata_url(&self) -> String {
        match &self.registration.discovery_url {
            Some(url) => url.to_string(),
            None => {
                format!(
                    "{}/.well-known/openid-configuration",
                    self.registration.issuer.trim_end_matches('/')
                )
            }
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let invalid = |setting, why: &str| Err(InvalidSetting { setting, why: why.into() });
        match http_url(&self.registration.issuer) {
            Some(url) if url.query().is_none() && url.fragment().is_none() => {}
            _ => return invalid("issuer", "must be an absolute http(s) URL without query"),
        }
        if self.registration.client_id.trim().is_empty() {
            return invalid("client_id", "must not be empty");
        }
        match self.registration.client_auth_method {
            Some(ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost)
                if self.registration.client_secret.is_none() =>
            {
                return invalid("client_auth_method", "needs a client secret");
            }
            Some(ClientAuthMethod::PrivateKeyJwt) if self.registration.client_key.is_none() => {
                return invalid("client_auth_method", "needs a client key");
            }
            _ => {}
        }
        for (setting, value) in [
            ("redirect_uri", &self.redirect_uri),
            ("post_logout_redirect_uri", &self.post_logout_redirect_uri),
        ] {
            if http_url(value).is_none() {
                return invalid(setting, "must be an absolute http(s) URL");
            }
        }
        Ok(())
    }
}

/// An absolute `http` or `https` URL; `None` for anything else.
pub(super) fn http_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}
