//! Logout tokens (OpenID Connect Back-Channel Logout, section 2.4), right or wrong.

use portico_adapters::system::{SystemClock, SystemRandomness};
use portico_domain::ports::{Clock, Randomness};
use serde_json::{Value, json};

use super::{
    keys::{changed, header, sign_as},
    provider::Provider,
};

/// A good one but for these changes; null takes a member away.
pub(super) fn logout_token(provider: &Provider, head: &Value, claims: &Value) -> Option<String> {
    let key = provider.keys.current()?;
    let now = SystemClock.now().timestamp();
    let [a, b, c, d, ..] = SystemRandomness.bytes().ok()?;
    let usual = json!({
        "iss": provider.issuer(),
        "aud": provider.client.id,
        "iat": now,
        "exp": now + 120,
        "jti": u32::from_be_bytes([a, b, c, d]).to_string(),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    sign_as(&key, &changed(header(&key, "logout+jwt"), head), &changed(usual, claims))
}
