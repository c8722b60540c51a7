//! Any OpenID provider (OpenID Connect Core 1.0).
//!
//! Liberal in what it reads, strict in what it verifies. `openidconnect` has the keys and checks the
//! signatures; requests and rules are here, so that each rule of the specification can be found and
//! no claim or metadata value that a log-in does not need can fail it.

mod authorization_request;
mod client_auth;
mod discovery;
mod error;
mod examination;
mod settings;
mod tokens;
mod verify;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use portico_domain::{
    model::{
        AuthorizationResponse, Check, Identity, LoginAttempt, LogoutToken, RefreshToken,
        RefreshedTokens, Screen, Session, State,
    },
    ports::{
        Clock, IdentityProvider, LogoutTokenError, ProviderUnavailable, RedeemError, RefreshError,
    },
};

use self::{
    client_auth::WorkingMethod,
    discovery::{Discovery, Metadata, ProviderDocuments, TokenSource},
    error::quoted,
    tokens::TokenRevocations,
    verify::{ExpectedIdToken, InvalidToken, VerificationError},
};
pub use self::{
    client_auth::{ClientKey, InvalidClientKey},
    discovery::SigningAlgorithm,
    settings::{
        ClientAuthMethod, InvalidSetting, OidcSettings, Registration, ResponseMode, UserinfoPolicy,
        Vendor,
    },
};
use super::auth0;
use crate::http::HttpClient;

/// Maximum length of an ID token in the log-out address, in bytes.
const MAX_ID_TOKEN_HINT: usize = 2_000;

/// An OpenID provider, of which this site is a relying party.
#[derive(Clone)]
pub struct OidcProvider {
    settings: Arc<OidcSettings>,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    discovery: Arc<Discovery>,
    revocations: TokenRevocations,
    client_auth: Arc<WorkingMethod>,
}

impl OidcProvider {
    /// Makes the adapter. It sends no request until one is needed, so that the site starts while
    /// the provider is down.
    ///
    /// # Errors
    /// [`InvalidSetting`] for an empty client id or an address that is no absolute URL.
    pub fn new(
        settings: OidcSettings,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidSetting> {
        settings.validate()?;
        let settings = Arc::new(settings);
        let discovery = Discovery::new(Arc::clone(&settings), http.clone(), Arc::clone(&clock));
        let discovery = Arc::new(discovery);
        let (revocations, client_auth) = (TokenRevocations::default(), Arc::default());
        Ok(Self { settings, http, clock, discovery, revocations, client_auth })
    }

    /// Discards the copy of the provider's metadata and keys, so that the next use fetches them.
    pub fn discard_metadata(&self) {
        self.discovery.discard();
    }

    /// What an ID token that came with this access token is verified against.
    fn expected_id_token<'a>(
        &'a self,
        documents: &'a ProviderDocuments,
        access_token: &'a str,
    ) -> ExpectedIdToken<'a> {
        let client_id = &self.settings.registration.client_id;
        ExpectedIdToken { documents, client_id, access_token, now: self.clock.now() }
    }

    /// Verifies with the cached keys, and once more with newer ones where none of them fits: the
    /// provider may have rotated its keys (OpenID Connect Core, section 10.1.1). `source` says where
    /// the token came from.
    async fn verify<T>(
        &self,
        documents: &Arc<ProviderDocuments>,
        source: TokenSource,
        verify: impl Fn(&ProviderDocuments) -> Result<T, InvalidToken> + Send,
    ) -> Result<T, VerificationError>
    where
        T: Send,
    {
        let mut result = verify(documents);
        if matches!(result, Err(InvalidToken::UnknownKey | InvalidToken::WrongSignature))
            && let Some(newer) = self.discovery.refresh_keys(documents, source).await?
        {
            result = verify(&newer);
        }
        result.map_err(VerificationError::Invalid)
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    async fn authorization_url(
        &self,
        attempt: &LoginAttempt,
        screen: Screen,
    ) -> Result<String, ProviderUnavailable> {
        let metadata = &self.discovery.documents().await?.metadata;
        let url = authorization_request::authorization_url(self, metadata, attempt, screen).await?;
        Ok(url.into())
    }

    async fn verify_issuer(&self, issuer: Option<String>) -> Result<(), RedeemError> {
        verify_response_issuer(&self.discovery.documents().await?.metadata, issuer.as_deref())
    }

    async fn redeem(
        &self,
        response: &AuthorizationResponse,
        attempt: &LoginAttempt,
    ) -> Result<Identity, RedeemError> {
        let documents = self.discovery.documents().await?;
        verify_response_issuer(&documents.metadata, response.issuer.as_deref())?;
        tokens::redeem(self, &documents, response, attempt).await
    }

    async fn refresh(&self, session: &Session) -> Result<RefreshedTokens, RefreshError> {
        tokens::refresh(self, session).await
    }

    async fn revoke(&self, token: &RefreshToken, delay: TimeDelta) {
        let cached = self.discovery.cached();
        if cached.is_some_and(|documents| documents.metadata.revocation_endpoint.is_none()) {
            return;
        }
        // A negative delay is none.
        self.revocations.start(self, token, delay.to_std().unwrap_or_default());
    }

    async fn finish_revocations(&self) {
        self.revocations.finish().await;
    }

    async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        let documents = self.discovery.documents().await.map_err(ProviderUnavailable::from)?;
        let client_id = &self.settings.registration.client_id;
        let verify = |documents: &ProviderDocuments| {
            verify::logout_token(token, client_id, documents, self.clock.now())
        };
        Ok(self.verify(&documents, TokenSource::Anonymous, verify).await?)
    }

    async fn end_session_url(
        &self,
        identity: &Identity,
        state: &State,
    ) -> Result<Option<String>, ProviderUnavailable> {
        let documents = self.discovery.documents().await?;
        let metadata = &documents.metadata;
        let client_id = &self.settings.registration.client_id;
        let return_to = &self.settings.post_logout_redirect_uri;
        let Some(mut url) = metadata.end_session_endpoint.clone() else {
            return Ok(match self.settings.registration.vendor {
                Vendor::Auth0 => auth0::log_out_url(&metadata.issuer, client_id, return_to),
                Vendor::Any => None,
            }
            .map(String::from));
        };
        // OpenID Connect RP-Initiated Logout, section 2.
        let mut query = url.query_pairs_mut();
        match &identity.tokens.id_token {
            Some(hint)
                if hint.expose().len() <= MAX_ID_TOKEN_HINT
                    && verify::is_key_published(hint.expose(), &documents.keys) =>
            {
                query.append_pair("id_token_hint", hint.expose());
            }
            // Providers and proxies refuse long addresses, and some providers refuse a token whose key
            // they publish no more.
            Some(_) => {
                query.append_pair("logout_hint", &identity.subject.subject);
            }
            None => {}
        }
        query
            .append_pair("client_id", client_id)
            .append_pair("post_logout_redirect_uri", return_to)
            .append_pair("state", state.expose());
        drop(query);
        Ok(Some(url.into()))
    }

    fn prompt_for_another_account(&self) -> &'static str {
        match self.discovery.cached() {
            Some(documents) if !documents.metadata.supports_select_account => "login",
            _ => "select_account",
        }
    }

    fn offers_sign_up(&self) -> bool {
        match (self.settings.registration.vendor, self.discovery.cached()) {
            // `screen_hint` is Auth0's.
            (Vendor::Auth0, _) => true,
            (Vendor::Any, Some(documents)) => documents.metadata.supports_prompt_create,
            (Vendor::Any, None) => {
                self.discovery.fetch_first_in_background();
                true
            }
        }
    }

    fn settings_behind(&self, error: &str) -> Option<&'static str> {
        self.settings.registration.settings_behind(error)
    }

    async fn check(&self) -> Result<(), ProviderUnavailable> {
        self.discovery.refresh().await?;
        Ok(())
    }

    async fn examine(&self) -> Vec<Check> {
        examination::examine(self).await
    }
}

/// RFC 9207, section 2.4.
fn verify_response_issuer(metadata: &Metadata, issuer: Option<&str>) -> Result<(), RedeemError> {
    match issuer {
        Some(issuer) if issuer != metadata.issuer => Err(RedeemError::WrongIssuer(quoted(issuer))),
        None if metadata.sends_issuer => Err(RedeemError::MissingIssuer),
        _ => Ok(()),
    }
}
