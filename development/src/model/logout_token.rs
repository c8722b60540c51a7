//! Logout tokens (OpenID Connect Back-Channel Logout, section 2.4).

use serde_json::{Value, json};

use super::{jws::changed, provider::Provider, random::random};

/// A logout token with these header parameters and claims set; null removes one. `None` when it
/// cannot be signed.
pub(crate) fn logout_token(provider: &Provider, head: &Value, claims: &Value) -> Option<String> {
    let key = provider.keys.current()?;
    let now = provider.now().timestamp();
    let defaults = json!({
        "iss": provider.issuer(),
        "aud": provider.client.id,
        "iat": now,
        "exp": now + 120,
        "jti": random().ok()?,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    key.sign(&changed(key.header("logout+jwt"), head), &changed(defaults, claims)).ok()
}
