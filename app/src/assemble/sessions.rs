use std::sync::Arc;

use portico_adapters::{
    database::Database,
    identity::oidc::ResponseMode,
    sessions::{
        CookieLoginAttempts, CookieSessions, CookieSettings, LoginAttemptStores, RedisAddress,
        ServerSideSessions, SessionStores,
    },
};
use portico_domain::ports::{Clock, Randomness, ReplayGuard, SessionRegistry};

use super::AssembleError;
use crate::{
    config::{SecretKey, Settings, Store},
    metrics::ListAge,
};

/// The ports behind which one session store stands.
pub(super) struct SessionPorts {
    pub(super) sessions: Arc<dyn SessionStores>,
    pub(super) registry: Arc<dyn SessionRegistry>,
    pub(super) replay_guard: Arc<dyn ReplayGuard>,
    pub(super) attempts: Arc<dyn LoginAttemptStores>,
    /// `None` where the store has no list of ended sessions.
    pub(super) list_age: Option<ListAge>,
}

/// Opens the session store. Does not wait for a server.
pub(super) fn open_sessions(
    settings: &Settings,
    secret_key: &SecretKey,
    database: &Database,
    clock: &Arc<dyn Clock>,
    randomness: &Arc<dyn Randomness>,
) -> Result<SessionPorts, AssembleError> {
    let cookies = cookie_settings(settings, secret_key);
    let (clock, randomness) = (clock.clone(), randomness.clone());
    let attempts_with = |guard: &Arc<dyn ReplayGuard>| {
        Arc::new(CookieLoginAttempts::new(cookies.clone(), guard.clone(), clock.clone()))
    };
    let server_side = match &settings.session_store {
        Store::Cookie => {
            let store = CookieSessions::new(cookies.clone(), database, clock.clone(), randomness);
            let store = Arc::new(store);
            let replay_guard = store.replay_guard();
            let attempts = attempts_with(&replay_guard);
            let listed = store.clone();
            return Ok(SessionPorts {
                sessions: store.clone(),
                registry: store,
                replay_guard,
                attempts,
                list_age: Some(Arc::new(move || listed.list_age())),
            });
        }
        Store::Database => {
            ServerSideSessions::in_database(cookies.clone(), database, clock.clone(), randomness)
        }
        Store::Redis(address) => open_redis(settings, secret_key, address, &clock, &randomness)?,
    };
    let store = Arc::new(server_side);
    let replay_guard = store.replay_guard();
    let attempts = attempts_with(&replay_guard);
    let sessions = store.clone();
    Ok(SessionPorts { sessions, registry: store, replay_guard, attempts, list_age: None })
}

/// Opens sessions in Redis, which need no database. Does not wait for the server.
pub(super) fn open_redis(
    settings: &Settings,
    secret_key: &SecretKey,
    address: &RedisAddress,
    clock: &Arc<dyn Clock>,
    randomness: &Arc<dyn Randomness>,
) -> Result<ServerSideSessions, AssembleError> {
    let cookies = cookie_settings(settings, secret_key);
    let roots = settings.ssl_cert_file.as_deref();
    let (clock, randomness) = (clock.clone(), randomness.clone());
    ServerSideSessions::in_redis(cookies, address, roots, clock, randomness)
        .map_err(AssembleError::Redis)
}

fn cookie_settings(settings: &Settings, secret_key: &SecretKey) -> CookieSettings {
    CookieSettings {
        public_url: settings.address_of("/"),
        secure: settings.is_https(),
        form_post: settings.response_mode == ResponseMode::FormPost,
        lifetimes: settings.lifetimes,
        key: secret_key.material(),
        previous_keys: settings.previous_secret_keys.iter().map(SecretKey::material).collect(),
    }
}
