//! The provider's metadata (OpenID Connect Discovery 1.0, section 3) and keys.

use std::sync::Arc;

use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, EndSessionUrl, IssuerUrl, JsonWebKeySetUrl,
    LogoutProviderMetadata, ProviderMetadata, ResponseTypes, Scope, TokenUrl, UserInfoUrl,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
        CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use rocket::{
    Responder, Route, State, get,
    http::Status,
    response::{
        Redirect,
        content::{RawHtml, RawJson},
    },
    routes,
    serde::json::Json,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{faults::Fault, jws::changed, provider::Provider};

pub(crate) const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Metadata beyond the fields of `openidconnect`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ExtraMetadata {
    code_challenge_methods_supported: Vec<String>,
    prompt_values_supported: Vec<String>,
    authorization_response_iss_parameter_supported: bool,
    revocation_endpoint: String,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
}

impl AdditionalProviderMetadata for ExtraMetadata {}

type ProviderMetadataWithExtras = ProviderMetadata<
    LogoutProviderMetadata<ExtraMetadata>,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

pub(crate) fn routes() -> Vec<Route> {
    routes![configuration, jwks, no_icon]
}

/// Browsers request one on every site.
#[get("/favicon.ico")]
fn no_icon() -> Status {
    Status::NoContent
}

#[derive(Responder)]
enum DiscoveryResponse {
    Metadata(Json<Value>),
    Html(RawHtml<&'static str>),
    Truncated(RawJson<String>),
    Redirect(Box<Redirect>),
    Failed(Status),
}

#[get("/.well-known/openid-configuration?<moved>")]
fn configuration(provider: &State<Arc<Provider>>, moved: bool) -> DiscoveryResponse {
    let on = |fault| provider.faults.has(fault);
    if on(Fault::DiscoveryHtml) {
        return DiscoveryResponse::Html(RawHtml("<!doctype html><title>Not JSON</title>"));
    }
    if on(Fault::DiscoveryRedirects) && !moved {
        let target = "/.well-known/openid-configuration?moved=true";
        return DiscoveryResponse::Redirect(Box::new(Redirect::to(target)));
    }
    let metadata = metadata(provider).ok().and_then(|it| serde_json::to_value(it).ok());
    let Some(mut metadata) = metadata.filter(|_| !on(Fault::DiscoveryFails)) else {
        return DiscoveryResponse::Failed(Status::InternalServerError);
    };
    metadata = provider.in_dialect(metadata, None, |dialect| Some(&dialect.metadata));
    if on(Fault::DiscoveryTruncated) {
        let text = metadata.to_string();
        return DiscoveryResponse::Truncated(RawJson(text.chars().take(text.len() / 2).collect()));
    }
    if on(Fault::NoJwksUri) {
        metadata = changed(metadata, &json!({ "jwks_uri": null }));
    }
    let suffix = provider.faults.find(|fault| match fault {
        Fault::DiscoveryIssuerSuffix(suffix) => Some(suffix),
        _ => None,
    });
    if let Some(suffix) = suffix {
        metadata["issuer"] = format!("{}{suffix}", provider.issuer()).into();
    }
    DiscoveryResponse::Metadata(Json(metadata))
}

#[get("/jwks")]
fn jwks(provider: &State<Arc<Provider>>) -> Json<CoreJsonWebKeySet> {
    Json(provider.keys.public())
}

fn metadata(provider: &Provider) -> Result<ProviderMetadataWithExtras, url::ParseError> {
    let wrong = provider.faults.has(Fault::DiscoveryWrongIssuer);
    let issuer = if wrong { "http://issuer.example" } else { provider.issuer() };
    let log_out = !provider.faults.has(Fault::NoEndSessionEndpoint);
    let end_session = EndSessionUrl::new(provider.endpoint("/end-session"))?;
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let metadata = ProviderMetadataWithExtras::new(
        IssuerUrl::new(issuer.into())?,
        AuthUrl::new(provider.endpoint("/authorize"))?,
        JsonWebKeySetUrl::new(provider.endpoint("/jwks"))?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
        LogoutProviderMetadata {
            end_session_endpoint: log_out.then_some(end_session),
            additional_metadata: ExtraMetadata {
                code_challenge_methods_supported: list(&["S256"]),
                prompt_values_supported: list(&["none", "login", "create"]),
                authorization_response_iss_parameter_supported: true,
                revocation_endpoint: provider.endpoint("/revoke"),
                backchannel_logout_supported: true,
                backchannel_logout_session_supported: true,
            },
        },
    );
    let claims = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "at_hash",
        "sid",
        "name",
        "nickname",
        "picture",
        "email",
        "email_verified",
        "permissions",
    ];
    Ok(metadata
        .set_token_endpoint(Some(TokenUrl::new(provider.endpoint("/token"))?))
        .set_userinfo_endpoint(Some(UserInfoUrl::new(provider.endpoint("/userinfo"))?))
        .set_scopes_supported(Some(SCOPES.map(|scope| Scope::new(scope.into())).into()))
        .set_response_modes_supported(Some(vec![
            CoreResponseMode::Query,
            CoreResponseMode::FormPost,
        ]))
        .set_grant_types_supported(Some(vec![
            CoreGrantType::AuthorizationCode,
            CoreGrantType::RefreshToken,
        ]))
        .set_token_endpoint_auth_methods_supported(Some(vec![
            CoreClientAuthMethod::ClientSecretBasic,
            CoreClientAuthMethod::ClientSecretPost,
        ]))
        .set_claims_supported(Some(claims.map(|name| CoreClaimName::new(name.into())).into()))
        .set_claims_parameter_supported(Some(false))
        .set_request_parameter_supported(Some(false))
        .set_request_uri_parameter_supported(Some(false)))
}
