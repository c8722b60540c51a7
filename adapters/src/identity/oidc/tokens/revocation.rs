//! Revocation of refresh tokens (RFC 7009).

use std::{sync::Arc, time::Duration};

use portico_domain::model::RefreshToken;
use tokio::sync::{Semaphore, watch};

use crate::identity::oidc::{OidcProvider, client_auth, error::ProviderError};

const ENDPOINT: &str = "revocation endpoint";

/// Maximum number of revocations that wait or are under way in this process.
const MAX_PENDING: u32 = 4_096;

/// Revokes refresh tokens in the background. They are not stored: a process that is killed loses
/// those that are pending, and the tokens expire in their own time.
#[derive(Clone)]
pub(in crate::identity::oidc) struct TokenRevocations {
    free: Arc<Semaphore>,
    /// Whether no revocation is delayed any more.
    at_once: watch::Sender<bool>,
}

impl Default for TokenRevocations {
    fn default() -> Self {
        let free = Semaphore::new(usize::try_from(MAX_PENDING).unwrap_or(usize::MAX));
        Self { free: Arc::new(free), at_once: watch::Sender::new(false) }
    }
}

impl TokenRevocations {
    /// Revokes the token after the delay. Logs a failure, also where too many are pending.
    pub(in crate::identity::oidc) fn start(
        &self,
        provider: &OidcProvider,
        token: &RefreshToken,
        delay: Duration,
    ) {
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            log::warn!(
                "failed to revoke refresh token: {MAX_PENDING} other revocations are pending"
            );
            return;
        };
        let (provider, token) = (provider.clone(), token.clone());
        let mut at_once = self.at_once.subscribe();
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = at_once.wait_for(|at_once| *at_once) => {}
            }
            if let Err(error) = revoke(&provider, &token).await {
                log::warn!("failed to revoke refresh token: {error}");
            }
        });
    }

    /// Revokes what is pending without delay, and from now on everything else. Returns when all have
    /// succeeded or failed.
    pub(in crate::identity::oidc) async fn finish(&self) {
        self.at_once.send_replace(true);
        // The semaphore is never closed.
        let _all = self.free.acquire_many(MAX_PENDING).await;
    }
}

/// Revokes the refresh token, and with it the access tokens of the same grant (section 2.1). Does
/// nothing where the provider has no revocation endpoint.
async fn revoke(provider: &OidcProvider, token: &RefreshToken) -> Result<(), ProviderError> {
    let documents = provider.discovery.documents().await?;
    let metadata = &documents.metadata;
    let Some(endpoint) = &metadata.revocation_endpoint else { return Ok(()) };
    let fields = [("token", token.expose()), ("token_type_hint", "refresh_token")];
    let answer = client_auth::post(provider, metadata, ENDPOINT, endpoint, &fields).await?;
    if answer.response.status().is_success() {
        return Ok(());
    }
    Err(answer.refusal(&provider.settings.registration, ENDPOINT))
}

#[cfg(test)]
mod tests {
    use portico_domain::{model::PermissionRules, ports::MockClock};

    use super::*;
    use crate::{
        http::{HttpClient, Limits},
        identity::oidc::{OidcSettings, Registration, ResponseMode, UserinfoPolicy, Vendor},
        tls,
    };

    fn provider() -> OidcProvider {
        let settings = OidcSettings {
            registration: Registration {
                vendor: Vendor::Any,
                issuer: "http://127.0.0.1:1".into(),
                discovery_url: None,
                client_id: "portico".into(),
                client_secret: None,
                client_key: None,
                client_auth_method: None,
            },
            audience: None,
            scopes: Vec::new(),
            redirect_uri: "https://site.example/callback".into(),
            post_logout_redirect_uri: "https://site.example/".into(),
            response_mode: ResponseMode::Query,
            pushed_requests: false,
            id_token_algorithm: None,
            userinfo: UserinfoPolicy::Auto,
            permissions: PermissionRules::default(),
            required_claims: Vec::new(),
        };
        let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
        OidcProvider::new(settings, http, Arc::new(MockClock::new())).unwrap()
    }

    #[tokio::test]
    async fn drops_revocations_beyond_the_maximum() {
        let revocations = TokenRevocations::default();
        let provider = provider();
        let token = RefreshToken::new("a token");
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        for _ in 0..MAX_PENDING + 10 {
            revocations.start(&provider, &token, Duration::from_secs(3_600));
        }
        assert_eq!(tasks(), MAX_PENDING as usize);
    }
}
