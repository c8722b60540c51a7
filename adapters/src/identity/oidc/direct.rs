//! Forms that go to the provider directly, by a client that says who it is.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, Response, header};
use openidconnect::AuthType;
use url::{Url, form_urlencoded};

use super::{
    OidcProvider, client_key::ASSERTION_TYPE, fault::Fault, metadata::Metadata,
    settings::OidcSettings, token::place_of_the_secret,
};

/// Posts the pairs with the client's authentication, as to the token endpoint (RFC 6749, section
/// 2.3). `who` names the endpoint in the error, which holds nothing of what was sent.
///
/// For endpoints that the library refuses without TLS, such as one on this machine, or does not
/// know.
pub(super) async fn post(
    provider: &OidcProvider,
    metadata: &Metadata,
    who: &str,
    endpoint: &Url,
    pairs: &[(&str, &str)],
) -> Result<Response<Vec<u8>>, Fault> {
    let (settings, now) = (&provider.settings, provider.clock.now());
    let assertion = settings
        .client_key
        .as_ref()
        .map(|key| key.assertion(&settings.client_id, metadata, now))
        .transpose()?;
    // The error of a request that cannot be made would quote it.
    let request = request(settings, metadata, assertion.as_deref(), endpoint, pairs)
        .map_err(|_| Fault::Nonsense(format!("{who}: no such request")))?;
    provider.http.send(request).await.map_err(|error| Fault::of_http(who, &error))
}

fn request(
    settings: &OidcSettings,
    metadata: &Metadata,
    assertion: Option<&str>,
    endpoint: &Url,
    pairs: &[(&str, &str)],
) -> http::Result<Request<Vec<u8>>> {
    let mut request = Request::post(endpoint.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json");
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(pairs.iter().filter(|(name, _)| *name != "client_id"));
    let id = &settings.client_id;
    // Pushed requests name the client in any case.
    let is_named = pairs.iter().any(|(name, _)| *name == "client_id");
    if let Some(assertion) = assertion {
        body.append_pair("client_id", id)
            .append_pair("client_assertion_type", ASSERTION_TYPE)
            .append_pair("client_assertion", assertion);
        return request.body(body.finish().into_bytes());
    }
    match (&settings.client_secret, place_of_the_secret(settings, metadata)) {
        (None, _) => drop(body.append_pair("client_id", id)),
        (Some(secret), AuthType::RequestBody) => {
            body.append_pair("client_id", id).append_pair("client_secret", secret.secret());
        }
        (Some(secret), _) => {
            if is_named {
                body.append_pair("client_id", id);
            }
            // Section 2.3.1.
            let encoded =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = format!("{}:{}", encoded(id), encoded(secret.secret()));
            let basic = format!("Basic {}", STANDARD.encode(both));
            request = request.header(header::AUTHORIZATION, basic);
        }
    }
    request.body(body.finish().into_bytes())
}
