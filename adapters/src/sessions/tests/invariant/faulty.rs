//! Tables whose statements fail as planned.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::ports::SessionsUnavailable;

use super::super::super::{
    Hash,
    cookie::{Entry, Position, RevocationTable},
    diesel::SessionTables,
    replay_guard::UsedValues,
    server_side::{Index, SessionBackend, SessionRecord},
};

/// What happens to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not executed, and the caller gets an error.
    NotDone,
    /// It is executed, and the caller gets an error.
    NotAcknowledged,
    /// It is executed late.
    Slow,
}

/// The next fault, and the number of statements before it.
#[derive(Default)]
pub(super) struct Faults(Mutex<Option<(usize, Fault)>>);

impl Faults {
    pub(super) fn plan(&self, fault: Option<(usize, Fault)>) {
        *self.0.lock().unwrap() = fault;
    }

    pub(super) fn clear(&self) {
        self.plan(None);
    }

    fn next(&self) -> Option<Fault> {
        let mut planned = self.0.lock().unwrap();
        match *planned {
            Some((0, fault)) => {
                *planned = None;
                Some(fault)
            }
            Some((before, fault)) => {
                *planned = Some((before - 1, fault));
                None
            }
            None => None,
        }
    }
}

/// The tables, with faults.
pub(super) struct Faulty {
    tables: Arc<dyn SessionTables>,
    faults: Arc<Faults>,
}

impl Faulty {
    pub(super) fn new(tables: Arc<dyn SessionTables>, faults: Arc<Faults>) -> Self {
        Self { tables, faults }
    }

    /// Deletes what has expired of both kinds.
    pub(super) async fn sweep(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
        SessionBackend::delete_expired(&*self.tables, now).await?;
        RevocationTable::delete_expired(&*self.tables, now).await
    }

    async fn run<T>(
        &self,
        statement: impl Future<Output = Result<T, SessionsUnavailable>>,
    ) -> Result<T, SessionsUnavailable> {
        match self.faults.next() {
            None => statement.await,
            Some(Fault::NotDone) => Err(SessionsUnavailable("not done".into())),
            Some(Fault::NotAcknowledged) => {
                statement.await?;
                Err(SessionsUnavailable("not acknowledged".into()))
            }
            Some(Fault::Slow) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                statement.await
            }
        }
    }
}

#[async_trait]
impl UsedValues for Faulty {
    async fn is_used(&self, value: &Hash, now: DateTime<Utc>) -> Result<bool, SessionsUnavailable> {
        self.run(self.tables.is_used(value, now)).await
    }

    async fn record_use(
        &self,
        value: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        self.run(self.tables.record_use(value, now, until)).await
    }
}

#[async_trait]
impl SessionBackend for Faulty {
    async fn insert(&self, record: &SessionRecord) -> Result<(), SessionsUnavailable> {
        self.run(self.tables.insert(record)).await
    }

    async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
        self.run(self.tables.get(key)).await
    }

    async fn replace(
        &self,
        old: &[u8],
        record: &SessionRecord,
    ) -> Result<bool, SessionsUnavailable> {
        self.run(self.tables.replace(old, record)).await
    }

    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        self.run(self.tables.delete(key)).await
    }

    async fn find(&self, index: &Index) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
        self.run(self.tables.find(index)).await
    }

    async fn lock_refresh(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        self.run(self.tables.lock_refresh(key, now, until)).await
    }

    async fn is_refresh_locked(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        self.run(self.tables.is_refresh_locked(key, now)).await
    }

    async fn unlock_refresh(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        self.run(self.tables.unlock_refresh(key)).await
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
        SessionBackend::delete_expired(&*self.tables, now).await
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.run(self.tables.check()).await
    }
}

#[async_trait]
impl RevocationTable for Faulty {
    async fn add_revocation(&self, entry: &Entry) -> Result<(), SessionsUnavailable> {
        self.run(self.tables.add_revocation(entry)).await
    }

    async fn revocations_after(
        &self,
        position: &Position,
    ) -> Result<Vec<Entry>, SessionsUnavailable> {
        self.run(self.tables.revocations_after(position)).await
    }

    async fn add_provider_session(
        &self,
        key: &Hash,
        expires_at: DateTime<Utc>,
    ) -> Result<(), SessionsUnavailable> {
        self.run(self.tables.add_provider_session(key, expires_at)).await
    }

    async fn has_provider_session(&self, key: &Hash) -> Result<bool, SessionsUnavailable> {
        self.run(self.tables.has_provider_session(key)).await
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
        RevocationTable::delete_expired(&*self.tables, now).await
    }

    async fn check_write(&self) -> Result<(), SessionsUnavailable> {
        self.run(self.tables.check_write()).await
    }
}
