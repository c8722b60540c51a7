//! What is particular to cookies and to what the database holds. What holds for every store is
//! tested from outside, with every server.

mod cookies;
mod sealed;

use std::sync::Arc;

use portico_contracts::{fakes::ManualClock, sessions::LIFETIMES};
use tempfile::TempDir;

use super::*;
use crate::{database::Database, system::SystemRandomness, testing::Browser, tls};

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

    fn cookies(&self, secure: bool) -> Arc<dyn Sessions> {
        let settings = settings(secure);
        let clock = self.clock.clone();
        Arc::new(PrivateCookies::new(settings, &self.database, clock, Arc::new(SystemRandomness)))
    }

    fn in_database(&self) -> Arc<dyn Sessions> {
        let (settings, key) = (settings(false), KEY.parse().unwrap());
        let (clock, chance) = (self.clock.clone(), Arc::new(SystemRandomness));
        Arc::new(ServerSide::in_database(settings, &key, &self.database, clock, chance))
    }
}

fn settings(secure: bool) -> CookieSettings {
    CookieSettings { secure, form_post: false, lifetimes: LIFETIMES, previous_keys: Vec::new() }
}

/// A browser at a site of its own that keeps sessions in cookies.
async fn browser(secure: bool) -> (Arc<Browser>, Arc<ManualClock>) {
    browser_with_key(secure, KEY).await
}

async fn browser_with_key(secure: bool, key: &str) -> (Arc<Browser>, Arc<ManualClock>) {
    let shared = Shared::new().await;
    let browser = Browser::at(shared.cookies(secure), key).await;
    let clock = shared.clock.clone();
    browser.keep(shared);
    (Arc::new(browser), clock)
}
