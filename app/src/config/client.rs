//! How the site acts as the provider's client: what it asks, and what it accepts.

use portico_adapters::identity::oidc::UserinfoPolicy;

use super::reader::Reader;

/// The `OIDC_…` settings that fit the site to a provider; they apply to Auth0 as well.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// `OIDC_USERINFO`.
    pub userinfo: UserinfoPolicy,
}

/// Reads them; problems are noted.
pub(super) fn read(read: &mut Reader) -> ClientOptions {
    let userinfo = read.parsed("OIDC_USERINFO", "auto, always or never", |text| match text {
        "auto" => Some(UserinfoPolicy::Auto),
        "always" => Some(UserinfoPolicy::Always),
        "never" => Some(UserinfoPolicy::Never),
        _ => None,
    });
    ClientOptions { userinfo: userinfo.unwrap_or_default() }
}
