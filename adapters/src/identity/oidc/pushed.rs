//! Authorization requests that go to the provider ahead of the browser (RFC 9126), so that no
//! address shows them and nobody on the way can change them.

use serde_json::Value;
use url::Url;

use super::{
    OidcProvider, direct,
    fault::{Fault, quoted},
    metadata::Metadata,
    settings::OidcSettings,
};

const WHO: &str = "the pushed authorization request endpoint";

/// Whether requests are to be pushed: by the setting, or because the provider takes no others
/// (section 5).
pub(super) fn is_wanted(settings: &OidcSettings, metadata: &Metadata) -> bool {
    settings.pushed_requests || metadata.requires_pushed_requests
}

/// Pushes the request, and answers the address that refers to it (sections 2 and 4).
pub(super) async fn push(
    provider: &OidcProvider,
    metadata: &Metadata,
    request: &Url,
) -> Result<Url, Fault> {
    let nonsense = |why: String| Fault::Nonsense(format!("{WHO} {why}"));
    let Some(endpoint) = &metadata.pushed_request_endpoint else {
        return Err(nonsense("is not named in the metadata".into()));
    };
    let pairs: Vec<_> = request.query_pairs().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let answer = direct::post(provider, metadata, WHO, endpoint, &pairs).await?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if !answer.status().is_success() {
        let said = text("error").map(quoted).unwrap_or_default();
        return Err(nonsense(format!("answers {} {said}", answer.status())));
    }
    let Some(request_uri) = text("request_uri").filter(|uri| !uri.is_empty()) else {
        return Err(nonsense("names no request_uri".into()));
    };
    let mut url = metadata.authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("client_id", &provider.settings.client_id)
        .append_pair("request_uri", request_uri);
    Ok(url)
}
