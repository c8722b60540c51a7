use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{
    RunQueryDsl,
    pooled_connection::deadpool::{Object, Pool},
};
use portico_domain::ports::{Clock, SessionsUnavailable};

use super::{
    attempts::Once,
    hash::Hash,
    revocations::{Entry, RevocationTable},
    rows::{revocations, sessions, used_values},
    server_side::{Kept, Vault, Whose},
    unavailable,
};
use crate::database::{self, Connections, Database, PostgresConnection, SqliteConnection};

/// Between two sweeps.
const EVERY: Duration = Duration::from_secs(60);

/// Rows deleted by one statement: few enough to keep nobody waiting.
const BATCH: i64 = 500;

/// The tables of sessions and what concerns them.
#[async_trait]
pub(super) trait Tables: Vault + Once + RevocationTable {
    /// Deletes rows that have expired, and answers how many at most: more may be left where it is
    /// as many as [`BATCH`].
    async fn sweep(&self, now: i64) -> Result<usize, SessionsUnavailable>;
}

/// The tables in the database, which are swept each minute until they are dropped.
pub(super) fn tables(database: &Database, clock: &Arc<dyn Clock>) -> Arc<dyn Tables> {
    let tables: Arc<dyn Tables> = match database.connections() {
        Connections::Sqlite(pool) => Arc::new(DieselTables(pool)),
        Connections::Postgres(pool) => Arc::new(DieselTables(pool)),
    };
    tokio::spawn(sweep(Arc::downgrade(&tables), clock.clone()));
    tables
}

async fn sweep(tables: Weak<dyn Tables>, clock: Arc<dyn Clock>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let mut deleted = BATCH as usize;
        while deleted >= BATCH as usize {
            let Some(tables) = tables.upgrade() else { return };
            deleted = match tables.sweep(clock.now().timestamp_millis()).await {
                Ok(deleted) => deleted,
                Err(error) => {
                    log::debug!("expired sessions are deleted later: {error}");
                    0
                }
            };
        }
    }
}

/// Over a pool of connections of one kind.
struct DieselTables<P>(P);

async fn in_time<T>(
    answer: impl Future<Output = QueryResult<T>>,
) -> Result<T, SessionsUnavailable> {
    database::in_time(answer).await.map_err(SessionsUnavailable)
}

fn is_hash(bytes: Vec<u8>) -> Result<Hash, SessionsUnavailable> {
    bytes.try_into().map_err(|_| unavailable("the database holds what is no hash"))
}

type EntryRow = (i64, Vec<u8>, Option<Vec<u8>>, i64, i64);

fn entry((number, target, except, revoked_at, forget_at): EntryRow) -> Option<(i64, Entry)> {
    let except = except.map(|id| id.try_into().ok());
    let target = target.try_into().ok()?;
    match except {
        None => Some((number, Entry { target, except: None, revoked_at, forget_at })),
        Some(id) => Some((number, Entry { target, except: Some(id?), revoked_at, forget_at })),
    }
}

// The bodies are the same for both databases, but bounds that say so to the compiler would be
// longer than the bodies.
macro_rules! tables_on {
    ($connection:ty) => {
        impl DieselTables<Pool<$connection>> {
            async fn connection(&self) -> Result<Object<$connection>, SessionsUnavailable> {
                database::connection(self.0.get()).await.map_err(SessionsUnavailable)
            }
        }

        #[async_trait]
        impl Vault for DieselTables<Pool<$connection>> {
            async fn insert(&self, key: &Hash, kept: &Kept) -> Result<(), SessionsUnavailable> {
                let new = diesel::insert_into(sessions::table).values((
                    sessions::key.eq(&key[..]),
                    sessions::sealed.eq(&kept.sealed),
                    sessions::person.eq(&kept.person[..]),
                    sessions::provider_session.eq(kept.provider_session.as_ref().map(|h| &h[..])),
                    sessions::ends_at.eq(kept.ends_at.timestamp_millis()),
                ));
                let mut connection = self.connection().await?;
                in_time(new.execute(&mut connection)).await.map(|_| ())
            }

            async fn read(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
                let sealed = sessions::table.find(&key[..]).select(sessions::sealed);
                let mut connection = self.connection().await?;
                in_time(async { sealed.first(&mut connection).await.optional() }).await
            }

            async fn swap(
                &self,
                key: &Hash,
                old: &[u8],
                new: &Kept,
            ) -> Result<bool, SessionsUnavailable> {
                let this = sessions::table.find(&key[..]).filter(sessions::sealed.eq(old));
                let swap = diesel::update(this).set((
                    sessions::sealed.eq(&new.sealed),
                    sessions::ends_at.eq(new.ends_at.timestamp_millis()),
                ));
                let mut connection = self.connection().await?;
                Ok(in_time(swap.execute(&mut connection)).await? > 0)
            }

            async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
                let this = diesel::delete(sessions::table.find(&key[..]));
                let mut connection = self.connection().await?;
                in_time(this.execute(&mut connection)).await.map(|_| ())
            }

            async fn find(
                &self,
                whose: &Whose,
            ) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
                let found = sessions::table.select((sessions::key, sessions::sealed)).into_boxed();
                let found = match whose {
                    Whose::Person(hash) => found.filter(sessions::person.eq(&hash[..])),
                    Whose::ProviderSession(hash) => {
                        found.filter(sessions::provider_session.eq(&hash[..]))
                    }
                };
                let mut connection = self.connection().await?;
                let rows: Vec<(Vec<u8>, Vec<u8>)> = in_time(found.load(&mut connection)).await?;
                rows.into_iter().map(|(key, sealed)| Ok((is_hash(key)?, sealed))).collect()
            }

            async fn take_turn(
                &self,
                key: &Hash,
                number: &[u8; 16],
                now: DateTime<Utc>,
                until: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let is_free = sessions::turn_until
                    .is_null()
                    .or(sessions::turn_until.le(now.timestamp_millis()));
                let turn = diesel::update(sessions::table.find(&key[..]))
                    .filter(is_free.assume_not_null())
                    .set((
                        sessions::turn.eq(Some(&number[..])),
                        sessions::turn_until.eq(Some(until.timestamp_millis())),
                    ));
                let mut connection = self.connection().await?;
                Ok(in_time(turn.execute(&mut connection)).await? > 0)
            }

            async fn turn_is_taken(
                &self,
                key: &Hash,
                now: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let until = sessions::table.find(&key[..]).select(sessions::turn_until);
                let mut connection = self.connection().await?;
                let until: Option<Option<i64>> =
                    in_time(async { until.first(&mut connection).await.optional() }).await?;
                Ok(until.flatten().is_some_and(|until| until > now.timestamp_millis()))
            }

            async fn end_turn(
                &self,
                key: &Hash,
                number: &[u8; 16],
            ) -> Result<(), SessionsUnavailable> {
                let turn = diesel::update(sessions::table.find(&key[..]))
                    .filter(sessions::turn.eq(&number[..]))
                    .set((
                        sessions::turn.eq(None::<Vec<u8>>),
                        sessions::turn_until.eq(None::<i64>),
                    ));
                let mut connection = self.connection().await?;
                in_time(turn.execute(&mut connection)).await.map(|_| ())
            }

            /// The table is asked for, not just the server: the migrations may be missing.
            async fn check(&self) -> Result<(), SessionsUnavailable> {
                self.read(&[0; 32]).await.map(|_| ())
            }
        }

        #[async_trait]
        impl Once for DieselTables<Pool<$connection>> {
            async fn first(
                &self,
                what: Hash,
                until: DateTime<Utc>,
                now: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let past = used_values::table
                    .find(&what[..])
                    .filter(used_values::until.le(now.timestamp_millis()));
                let new = diesel::insert_into(used_values::table)
                    .values((
                        used_values::hash.eq(&what[..]),
                        used_values::until.eq(until.timestamp_millis()),
                    ))
                    .on_conflict_do_nothing();
                let mut connection = self.connection().await?;
                in_time(diesel::delete(past).execute(&mut connection)).await?;
                Ok(in_time(new.execute(&mut connection)).await? > 0)
            }
        }

        #[async_trait]
        impl RevocationTable for DieselTables<Pool<$connection>> {
            async fn note(&self, entry: &Entry) -> Result<(), SessionsUnavailable> {
                let new = diesel::insert_into(revocations::table).values((
                    revocations::target.eq(&entry.target[..]),
                    revocations::except.eq(entry.except.as_ref().map(|id| &id[..])),
                    revocations::revoked_at.eq(entry.revoked_at),
                    revocations::forget_at.eq(entry.forget_at),
                ));
                let mut connection = self.connection().await?;
                in_time(new.execute(&mut connection)).await.map(|_| ())
            }

            async fn after(&self, number: i64) -> Result<Vec<(i64, Entry)>, SessionsUnavailable> {
                let new = revocations::table
                    .filter(revocations::number.gt(number))
                    .order(revocations::number);
                let mut connection = self.connection().await?;
                let rows: Vec<EntryRow> = in_time(new.load(&mut connection)).await?;
                Ok(rows.into_iter().filter_map(entry).collect())
            }
        }

        #[async_trait]
        impl Tables for DieselTables<Pool<$connection>> {
            async fn sweep(&self, now: i64) -> Result<usize, SessionsUnavailable> {
                let ended = sessions::table.filter(sessions::ends_at.le(now));
                let ended = ended.select(sessions::key).limit(BATCH);
                let used = used_values::table.filter(used_values::until.le(now));
                let used = used.select(used_values::hash).limit(BATCH);
                let past = revocations::table.filter(revocations::forget_at.le(now));
                let past = past.select(revocations::number).limit(BATCH);

                let mut connection = self.connection().await?;
                let ended: Vec<Vec<u8>> = in_time(ended.load(&mut connection)).await?;
                let used: Vec<Vec<u8>> = in_time(used.load(&mut connection)).await?;
                let past: Vec<i64> = in_time(past.load(&mut connection)).await?;
                let most = ended.len().max(used.len()).max(past.len());
                // A session may have been renewed since it was read.
                let ended = sessions::table
                    .filter(sessions::key.eq_any(ended))
                    .filter(sessions::ends_at.le(now));
                let used = used_values::table.filter(used_values::hash.eq_any(used));
                let past = revocations::table.filter(revocations::number.eq_any(past));
                in_time(diesel::delete(ended).execute(&mut connection)).await?;
                in_time(diesel::delete(used).execute(&mut connection)).await?;
                in_time(diesel::delete(past).execute(&mut connection)).await?;
                Ok(most)
            }
        }
    };
}

tables_on!(SqliteConnection);
tables_on!(PostgresConnection);
