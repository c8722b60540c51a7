//! Giving tokens back (RFC 7009).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, header};
use openidconnect::AuthType;
use portico_domain::model::RefreshToken;
use url::{Url, form_urlencoded};

use super::{metadata::Metadata, settings::OidcSettings, token::place_of_the_secret};
use crate::http::HttpClient;

/// Has the refresh token revoked, and with it whatever came of it (section 2.1). Nobody waits: what
/// goes wrong is a line in the log, and the token ends in its time.
pub(super) fn revoke_in_background(
    settings: &OidcSettings,
    metadata: &Metadata,
    http: &HttpClient,
    token: &RefreshToken,
) {
    let Some(endpoint) = &metadata.revocation_endpoint else { return };
    let request = request(settings, metadata, endpoint, token);
    let http = http.clone();
    tokio::spawn(async move {
        // The error of a request that cannot be made would quote it.
        let Ok(request) = request else { return };
        match http.send(request).await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                log::warn!("a refresh token could not be revoked: status {}", answer.status());
            }
            Err(error) => log::warn!("a refresh token could not be revoked: {error}"),
        }
    });
}

/// The library's own request refuses endpoints without TLS, such as one on this machine.
fn request(
    settings: &OidcSettings,
    metadata: &Metadata,
    endpoint: &Url,
    token: &RefreshToken,
) -> http::Result<Request<Vec<u8>>> {
    let mut request = Request::post(endpoint.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json");
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("token", token.expose()).append_pair("token_type_hint", "refresh_token");
    let id = &settings.client_id;
    match (&settings.client_secret, place_of_the_secret(settings, metadata)) {
        (None, _) => drop(body.append_pair("client_id", id)),
        (Some(secret), AuthType::RequestBody) => {
            body.append_pair("client_id", id).append_pair("client_secret", secret.secret());
        }
        (Some(secret), _) => {
            // RFC 6749, section 2.3.1.
            let encoded =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = format!("{}:{}", encoded(id), encoded(secret.secret()));
            let basic = format!("Basic {}", STANDARD.encode(both));
            request = request.header(header::AUTHORIZATION, basic);
        }
    }
    request.body(body.finish().into_bytes())
}
