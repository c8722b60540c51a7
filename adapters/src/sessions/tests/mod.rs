//! What is specific to cookies and to the rows in the database. The contract of all stores is tested
//! in the crate of the site tests, with every server.

mod cookies;
mod invariant;
mod sealed;

use std::sync::Arc;

use portico_contracts::{fakes::ManualClock, sessions::LIFETIMES};
use tempfile::TempDir;

use super::*;
use crate::{
    database::Database,
    system::SystemRandomness,
    testing::{Browser, Stores},
    tls,
};

const KEY: &str = "a2V5cyBvZiB0aGUgdGVzdHMgYXJlIG5vIHNlY3JldHM=";
const ANOTHER_KEY: &str = "YW5vdGhlciBrZXkgb2YgdGhlIHRlc3RzLCBzYW1lLi4=";

/// What several instances of a site share.
struct Shared {
    database: Database,
    clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Shared {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("portico.db").display());
        let database = Database::open(&url, tls::client_config(None).unwrap()).unwrap();
        database.migrate().await.unwrap();
        Self { database, clock: Arc::default(), folder }
    }

    fn in_cookies(&self, settings: CookieSettings) -> Stores {
        let (clock, randomness) = (self.clock.clone(), Arc::new(SystemRandomness));
        let sessions =
            CookieSessions::new(settings.clone(), &self.database, clock.clone(), randomness);
        let guard = sessions.replay_guard();
        let attempts = CookieLoginAttempts::new(settings, guard, clock);
        Stores { sessions: Arc::new(sessions), attempts: Arc::new(attempts) }
    }

    fn in_database(&self) -> Stores {
        let (clock, randomness) = (self.clock.clone(), Arc::new(SystemRandomness));
        let settings = settings(false, KEY);
        let sessions = ServerSideSessions::in_database(
            settings.clone(),
            &self.database,
            clock.clone(),
            randomness,
        );
        let guard = sessions.replay_guard();
        let attempts = CookieLoginAttempts::new(settings, guard, clock);
        Stores { sessions: Arc::new(sessions), attempts: Arc::new(attempts) }
    }
}

fn settings(secure: bool, key: &str) -> CookieSettings {
    CookieSettings {
        public_url: "http://127.0.0.1:4040".into(),
        secure,
        form_post: false,
        lifetimes: LIFETIMES,
        key: key.parse().unwrap(),
        previous_keys: Vec::new(),
    }
}

/// A full cookie name of these sites, without the prefix `__Host-`.
fn name(name: &str) -> String {
    super::cookies::Cookies::new(settings(false, KEY)).name(name)
}

/// A browser at a site of its own that keeps sessions in cookies.
async fn browser(secure: bool) -> (Arc<Browser>, Arc<ManualClock>) {
    browser_with_key(secure, KEY).await
}

async fn browser_with_key(secure: bool, key: &str) -> (Arc<Browser>, Arc<ManualClock>) {
    let shared = Shared::new().await;
    let browser = Browser::at(shared.in_cookies(settings(secure, key)), key).await;
    let clock = shared.clock.clone();
    browser.keep(shared);
    (Arc::new(browser), clock)
}
