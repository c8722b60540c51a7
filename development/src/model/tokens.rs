//! Access tokens and ID tokens, with the faults that are on.

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, Audience, ClientId, EndUserEmail, EndUserName,
    EndUserNickname, EndUserPictureUrl, IdToken, IdTokenClaims, IssuerUrl, LocalizedClaim, Nonce,
    StandardClaims, SubjectIdentifier,
    core::{
        CoreGenderClaim, CoreHmacKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    faults::Fault,
    grants::{Grant, TOKEN_LIFETIME},
    internal_error::InternalError,
    jws::{changed, encode, with_invalid_signature},
    provider::Provider,
    random::random,
};

/// Claims beyond the standard ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExtraClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    permissions: Vec<String>,
}

impl AdditionalClaims for ExtraClaims {}

impl ExtraClaims {
    pub(crate) fn of(grant: &Grant) -> Self {
        Self { sid: grant.sid.clone(), permissions: grant.account.permissions.clone() }
    }
}

type SignedIdToken = IdToken<
    ExtraClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// An access token: a JWT (RFC 9068) if an audience was requested, else opaque and for userinfo
/// only.
pub(crate) fn access_token(
    provider: &Provider,
    grant: &Grant,
    now: DateTime<Utc>,
) -> Result<String, InternalError> {
    let Some(audience) = &grant.audience else { return random() };
    let claims = json!({
        "iss": provider.issuer(),
        "sub": grant.account.subject,
        "aud": [audience, provider.endpoint("/userinfo")],
        "azp": provider.client.id,
        "client_id": provider.client.id,
        "scope": grant.scope.join(" "),
        "permissions": grant.account.permissions,
        "iat": now.timestamp(),
        "exp": (now + access_token_lifetime(provider)).timestamp(),
        "jti": random()?,
    });
    let claims = provider.in_dialect(claims, Some(grant), |dialect| Some(&dialect.access_token));
    let key = provider.keys.current().ok_or(InternalError::Signing)?;
    let header = key.header("at+jwt");
    let header =
        provider.in_dialect(header, Some(grant), |dialect| Some(&dialect.access_token_header));
    key.sign(&header, &claims).map_err(|_| InternalError::Signing)
}

/// The lifetime of new access tokens.
pub(crate) fn access_token_lifetime(provider: &Provider) -> TimeDelta {
    provider.faults.short_access_tokens().unwrap_or(TOKEN_LIFETIME)
}

/// The ID token (OpenID Connect Core, section 2), with the faults that are on.
pub(crate) fn id_token(
    provider: &Provider,
    grant: &Grant,
    access: &str,
    now: DateTime<Utc>,
) -> Result<String, InternalError> {
    let claims = id_token_claims(provider, grant, now)?;
    let faults = &provider.faults;
    let with_hash = !faults.has(Fault::WrongAccessTokenHash);
    if faults.has(Fault::Hs256) {
        let access = AccessToken::new(access.into());
        // Without an access token, `openidconnect` keeps the `at_hash` of the claims.
        let hashed = with_hash.then_some(&access);
        let key = CoreHmacKey::new(provider.client.secret.as_bytes());
        let token =
            SignedIdToken::new(claims, &key, CoreJwsSigningAlgorithm::HmacSha256, hashed, None);
        return token.map(|token| token.to_string()).map_err(|_| InternalError::Signing);
    }
    let key = provider.keys.current().ok_or(InternalError::Signing)?;
    let mut claims = serde_json::to_value(&claims).map_err(|_| InternalError::Signing)?;
    if with_hash {
        claims["at_hash"] = key.access_token_hash(access).into();
    }
    let claims = provider.in_dialect(claims, Some(grant), |dialect| Some(&dialect.id_token));
    let header = key.header("JWT");
    let header = provider.in_dialect(header, Some(grant), |dialect| Some(&dialect.id_token_header));
    let token = key.sign(&header, &claims).map_err(|_| InternalError::Signing)?;
    if faults.has(Fault::AlgNone) {
        return Ok(format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&claims)));
    }
    if faults.has(Fault::InvalidSignature) {
        return with_invalid_signature(&token).ok_or(InternalError::Signing);
    }
    if let Some(text) =
        faults.find(|fault| if let Fault::IdTokenText(text) = fault { Some(text) } else { None })
    {
        return Ok(text.into());
    }
    let change = faults.find(|fault| match fault {
        Fault::ChangedClaims(claims) => Some((json!({}), parsed(claims))),
        Fault::ChangedHeader(header) => Some((parsed(header), json!({}))),
        Fault::LongClaim(bytes) => Some((json!({}), json!({ "long": "x".repeat(bytes) }))),
        _ => None,
    });
    if let Some((header_change, claims_change)) = change {
        let token = key.sign(&changed(header, &header_change), &changed(claims, &claims_change));
        return token.map_err(|_| InternalError::Signing);
    }
    Ok(token)
}

/// The JSON in a fault; null if it is malformed.
pub(crate) fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn id_token_claims(
    provider: &Provider,
    grant: &Grant,
    now: DateTime<Utc>,
) -> Result<IdTokenClaims<ExtraClaims, CoreGenderClaim>, InternalError> {
    let other = "someone-else";
    let on = |fault| provider.faults.has(fault);
    let issuer = if on(Fault::WrongIssuer) { "http://issuer.example" } else { provider.issuer() };
    let audience = if on(Fault::WrongAudience) { other } else { &provider.client.id };
    let expires = if on(Fault::Expired) { now - TimeDelta::hours(1) } else { now + TOKEN_LIFETIME };
    let issued = if on(Fault::IssuedInTheFuture) { now + TimeDelta::hours(1) } else { now };
    let nonce = grant.nonce.clone().map(Nonce::new);
    let mut claims = IdTokenClaims::new(
        IssuerUrl::new(issuer.into()).map_err(|_| InternalError::Signing)?,
        vec![Audience::new(audience.into())],
        expires,
        issued,
        user_claims(provider, grant),
        ExtraClaims::of(grant),
    )
    .set_auth_time(Some(grant.auth_time))
    .set_nonce(if on(Fault::WrongNonce) { Some(Nonce::new(other.into())) } else { nonce });
    if on(Fault::EmptySubject) {
        claims = claims.set_subject(SubjectIdentifier::new(String::new()));
    }
    if on(Fault::WrongSubject) {
        claims = claims.set_subject(SubjectIdentifier::new(other.into()));
    }
    if on(Fault::WrongAccessTokenHash) {
        claims = claims.set_access_token_hash(Some(AccessTokenHash::new(other.into())));
    }
    if on(Fault::WrongAuthorizedParty) {
        claims = claims.set_authorized_party(Some(ClientId::new(other.into())));
    }
    Ok(claims)
}

/// The user's claims that the scope requests (OpenID Connect Core, section 5.4).
pub(crate) fn user_claims(provider: &Provider, grant: &Grant) -> StandardClaims<CoreGenderClaim> {
    let account = &grant.account;
    let mut claims = StandardClaims::new(SubjectIdentifier::new(account.subject.clone()));
    if grant.has("profile") {
        let nickname = account.email.split('@').next().unwrap_or_default();
        let picture = provider.endpoint(&format!("/picture/{}.svg", account.initials()));
        claims = claims
            .set_name(Some(localized(EndUserName::new(account.name.clone()))))
            .set_nickname(Some(localized(EndUserNickname::new(nickname.into()))))
            .set_picture(Some(localized(EndUserPictureUrl::new(picture))));
    }
    if grant.has("email") {
        claims = claims
            .set_email(Some(EndUserEmail::new(account.email.clone())))
            .set_email_verified(Some(account.email_verified));
    }
    claims
}

fn localized<T>(value: T) -> LocalizedClaim<T> {
    let mut claim = LocalizedClaim::new();
    claim.insert(None, value);
    claim
}
