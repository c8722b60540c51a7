use openidconnect::ClientSecret;
use url::Url;

use super::client_key::ClientKey;

/// What this site needs to know of the provider, and the provider of this site.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The provider: an absolute URL without query, under which it is discovered (OpenID Connect
    /// Discovery, section 4). A slash at the end of a bare host makes no difference.
    pub issuer: String,
    /// This site's name at the provider.
    pub client_id: String,
    /// `None` for a client with a key, and for a public one, which has PKCE only.
    pub client_secret: Option<ClientSecret>,
    /// Authenticates this site instead of a secret (`private_key_jwt`).
    pub client_key: Option<ClientKey>,
    /// The API to request an access token for; a parameter that Auth0 and some others know.
    pub audience: Option<String>,
    /// Scopes to ask for; `openid` is asked for in any case.
    pub scopes: Vec<String>,
    /// Where the provider sends the browser with the code: an absolute URL of this site.
    pub redirect_uri: String,
    /// Where the provider sends the browser after log-out: an absolute URL of this site.
    pub post_logout_redirect_uri: String,
    /// How the provider is asked to send its answer.
    pub response_mode: ResponseMode,
    /// Push every authorization request to the provider first (RFC 9126), not only where its
    /// metadata ask for that.
    pub pushed_requests: bool,
    /// Whether the provider has ways of its own.
    pub vendor: Vendor,
}

/// How the browser brings the provider's answer to the callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the address, which is the default for a code.
    #[default]
    Query,
    /// In a form that the browser posts, so that the code reaches no history and no log of
    /// addresses (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// Who made the provider, where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// One that does what the specifications say.
    Any,
    /// Auth0: it can be logged out of also where it does not say so.
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
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let invalid = |setting, why: &str| Err(InvalidSetting { setting, why: why.into() });
        match web_address(&self.issuer) {
            Some(url) if url.query().is_none() && url.fragment().is_none() => {}
            _ => return invalid("issuer", "must be an absolute http(s) URL without query"),
        }
        if self.client_id.trim().is_empty() {
            return invalid("client_id", "must not be empty");
        }
        for (setting, value) in [
            ("redirect_uri", &self.redirect_uri),
            ("post_logout_redirect_uri", &self.post_logout_redirect_uri),
        ] {
            if web_address(value).is_none() {
                return invalid(setting, "must be an absolute http(s) URL");
            }
        }
        Ok(())
    }
}

/// An absolute `http` or `https` URL; `None` for anything else.
pub(super) fn web_address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}
