//! Any OpenID provider, by `openidconnect`.
//!
//! Liberal in what it reads, strict in what it believes. The library does the protocol; added
//! here is what it leaves to its users: which algorithms are allowed, `azp`, `at_hash`, a
//! plausible `iat`, leeway on `exp`, an empty `sub`, and keys that change.

mod client_key;
mod direct;
mod discovery;
mod fault;
mod id_token;
mod jws;
mod keys;
mod logout_token;
mod metadata;
mod permissions;
mod pushed;
mod refresh;
mod requested;
mod revocation;
mod settings;
mod token;
mod userinfo;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    ClientId, Nonce, OAuth2TokenResponse, TokenResponse,
    core::{CoreIdToken, CoreTokenResponse},
};
use portico_domain::{
    model::{
        AccessToken, AuthorizationResponse, Claims, IdToken, Identity, LoginAttempt, LogoutToken,
        Profile, RefreshToken, RefreshedTokens, Screen, Session, State, Tokens,
    },
    ports::{
        Clock, IdentityProvider, LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError,
    },
};
use serde_json::{Map, Value};
use url::Url;

pub use self::client_key::{ClientKey, InvalidClientKey};
pub use self::settings::{InvalidSetting, OidcSettings, ResponseMode, Vendor};
use self::{
    discovery::{Discovery, Known},
    fault::{Fault, quoted},
    id_token::{Expectation, Expected, Refusal},
    metadata::Metadata,
    userinfo::Userinfo,
};
use super::auth0;
use crate::http::HttpClient;

/// An OpenID provider, of which this site is a relying party.
#[derive(Clone)]
pub struct OidcProvider {
    settings: OidcSettings,
    client_id: ClientId,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    discovery: Arc<Discovery>,
}

impl OidcProvider {
    /// Asks the provider nothing yet: the site starts without it.
    ///
    /// # Errors
    /// [`InvalidSetting`] for an empty client id or an address that is no absolute URL.
    pub fn new(
        settings: OidcSettings,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidSetting> {
        settings.validate()?;
        let issuer = settings.issuer.clone();
        let discovery = Arc::new(Discovery::new(issuer, http.clone(), Arc::clone(&clock)));
        let client_id = ClientId::new(settings.client_id.clone());
        Ok(Self { settings, client_id, http, clock, discovery })
    }

    /// The verified claims of the ID token, with newer keys when no known one fits.
    async fn believe(
        &self,
        known: &Arc<Known>,
        tokens: &CoreTokenResponse,
        id_token: &CoreIdToken,
        nonce: Expectation<'_>,
    ) -> Result<Map<String, Value>, RedeemError> {
        let verify = |known: &Known| {
            Expected {
                metadata: &known.metadata,
                client_id: &self.client_id,
                nonce,
                access_token: tokens.access_token(),
                now: self.clock.now(),
            }
            .verify(id_token, &known.keys)
        };
        self.with_newer_keys(known, verify).await?.map_err(|refusal| match refusal {
            Refusal::Nonce => RedeemError::WrongNonce,
            refusal => RedeemError::InvalidIdentity(refusal.into_words()),
        })
    }

    /// What userinfo says of the person, whom the ID token named.
    async fn userinfo(
        &self,
        known: &Arc<Known>,
        endpoint: &Url,
        access_token: &str,
    ) -> Result<Map<String, Value>, RedeemError> {
        let token = match userinfo::ask(&self.http, endpoint, access_token).await? {
            Userinfo::Plain(claims) => return Ok(claims),
            Userinfo::Signed(token) => token,
        };
        let verify = |known: &Known| {
            userinfo::verify(&token, &self.settings.client_id, known, self.clock.now())
        };
        self.with_newer_keys(known, verify).await?.map_err(|refusal| {
            RedeemError::InvalidIdentity(format!("signed userinfo: {}", refusal.into_words()))
        })
    }

    /// The verdict by the keys that are known, and by newer ones where none of them fits.
    async fn with_newer_keys<T>(
        &self,
        known: &Arc<Known>,
        verify: impl Fn(&Known) -> Result<T, Refusal> + Send,
    ) -> Result<Result<T, Refusal>, Fault>
    where
        T: Send,
    {
        match verify(known) {
            Err(Refusal::Key) => {
                let newer = self.discovery.newer_keys(known).await?;
                Ok(newer.map_or(Err(Refusal::Key), |newer| verify(&newer)))
            }
            verdict => Ok(verdict),
        }
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable> {
        let known = self.discovery.provider().await?;
        let (settings, metadata) = (&self.settings, &known.metadata);
        let mut url = token::authorization_url(settings, metadata, attempt, screen)?;
        if pushed::is_wanted(settings, metadata) {
            url = pushed::push(self, metadata, &url).await?;
        }
        Ok(url.into())
    }

    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError> {
        answered_by(&self.discovery.provider().await?.metadata, issuer.as_deref())
    }

    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError> {
        let known = self.discovery.provider().await?;
        let metadata = &known.metadata;
        answered_by(metadata, response.issuer.as_deref())?;
        let tokens = token::redeem(self, metadata, &response.code, attempt).await?;
        let received_at = self.clock.now();
        let id_token = tokens
            .id_token()
            .ok_or_else(|| RedeemError::ProviderFault("there is no ID token".into()))?;
        let nonce = Nonce::new(attempt.nonce.expose().to_owned());
        let mut claims =
            self.believe(&known, &tokens, id_token, Expectation::Exactly(&nonce)).await?;
        requested::verify(&attempt.requested, &claims, self.clock.now())
            .map_err(RedeemError::InvalidIdentity)?;
        if let Some(endpoint) = &metadata.userinfo_endpoint {
            let access_token = tokens.access_token().secret();
            let more = self.userinfo(&known, endpoint, access_token).await?;
            claims = userinfo::merge(claims, more)?;
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Identity {
            issuer: metadata.issuer.clone(),
            subject: text("sub").unwrap_or_default(),
            profile: Profile::from_claims(&claims),
            claims: Claims::new(&claims),
            permissions: permissions::permissions(&claims, tokens.access_token().secret()),
            provider_session_id: text("sid"),
            tokens: Tokens {
                id_token: IdToken::new(id_token.to_string()),
                access_token: AccessToken::new(tokens.access_token().secret()),
                access_token_expires_at: expires_at(&tokens, received_at),
                refresh_token: tokens.refresh_token().map(|it| RefreshToken::new(it.secret())),
            },
        })
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        refresh::refresh(self, session).await
    }

    async fn revoke(&self, token: &RefreshToken) -> Result<(), ProviderUnavailable> {
        let known = self.discovery.provider().await?;
        revocation::revoke_in_background(self, &known, token);
        Ok(())
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        let known = self.discovery.provider().await.map_err(ProviderUnavailable::from)?;
        let client_id = &self.settings.client_id;
        let verify = |known: &Known| {
            let now = self.clock.now();
            logout_token::Expected { metadata: &known.metadata, client_id, now }
                .verify(token, &known.keys)
        };
        let verdict = self.with_newer_keys(&known, verify).await;
        let verdict = verdict.map_err(ProviderUnavailable::from)?;
        verdict.map_err(|refusal| LogoutTokenError::Invalid(refusal.into_words()))
    }

    async fn end_session_url(
        &self,
        id_token: Option<IdToken>,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        let known = self.discovery.provider().await?;
        let (client_id, back) = (&self.settings.client_id, &self.settings.post_logout_redirect_uri);
        let Some(mut url) = known.metadata.end_session_endpoint.clone() else {
            return Ok(match self.settings.vendor {
                Vendor::Auth0 => auth0::log_out_url(&known.metadata.issuer, client_id, back),
                Vendor::Any => None,
            }
            .map(String::from));
        };
        {
            let mut query = url.query_pairs_mut();
            if let Some(hint) = &id_token {
                query.append_pair("id_token_hint", hint.expose());
            }
            query
                .append_pair("client_id", client_id)
                .append_pair("post_logout_redirect_uri", back)
                .append_pair("state", state.expose());
        }
        Ok(Some(url.into()))
    }

    fn end_session_origins(&self) -> Vec<String> {
        let known = self.discovery.known();
        let advertised = known.and_then(|known| known.metadata.end_session_endpoint.clone());
        let issuer = Url::parse(&self.settings.issuer).ok();
        let mut origins: Vec<_> = [issuer, advertised]
            .into_iter()
            .flatten()
            .map(|url| url.origin().ascii_serialization())
            .collect();
        origins.dedup();
        origins
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        self.discovery.refresh().await?;
        Ok(())
    }
}

/// RFC 9207, section 2.4.
fn answered_by(metadata: &Metadata, issuer: Option<&str>) -> Result<(), RedeemError> {
    match issuer {
        Some(issuer) if issuer != metadata.issuer => Err(RedeemError::WrongIssuer(quoted(issuer))),
        None if metadata.names_itself => Err(RedeemError::WrongIssuer("none is named".into())),
        _ => Ok(()),
    }
}

/// When the access token ends; `None` when the provider does not say, or says nonsense.
fn expires_at(tokens: &CoreTokenResponse, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    now.checked_add_signed(TimeDelta::from_std(tokens.expires_in()?).ok()?)
}
