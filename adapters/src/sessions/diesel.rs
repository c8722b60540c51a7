//! Sessions, revocations and used values in the database.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{insert_into, prelude::*};
use diesel_async::{RunQueryDsl, pooled_connection::deadpool::Pool};
use portico_domain::ports::SessionsUnavailable;

use super::{
    Hash,
    cookie::{BATCH, Entry, Position, RevocationTable},
    replay_guard::UsedValues,
    server_side::{Index, SessionBackend, SessionRecord},
};
use crate::database::{
    AnyPool, Database, PostgresConnection, SqliteConnection, connection, with_timeout,
};

diesel::table! {
    sessions (key) {
        key -> Binary,
        subject -> Binary,
        provider_session -> Nullable<Binary>,
        sealed -> Binary,
        expires_at -> BigInt,
        refresh_locked_until -> BigInt,
    }
}

diesel::table! {
    revocations (key, except_session) {
        key -> Binary,
        except_session -> Binary,
        earlier_only -> BigInt,
        revoked_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    provider_sessions (hash) {
        hash -> Binary,
        expires_at -> BigInt,
    }
}

diesel::table! {
    used_values (hash) {
        hash -> Binary,
        expires_at -> BigInt,
    }
}

/// Rows that are deleted at once, so that no log-in waits long for a sweep.
const SWEEP_ROWS: i64 = 1_000;

/// Deletes the expired rows of a table, some at a time. A row that was extended meanwhile stays.
macro_rules! delete_expired_rows {
    ($table:ident, $key:ident, $connection:expr, $now:expr) => {
        loop {
            let old = $table::table.filter($table::expires_at.le($now));
            let some = old.select($table::$key).limit(SWEEP_ROWS);
            let keys: Vec<Vec<u8>> = with_timeout(some.load(&mut $connection)).await?;
            let old = $table::table
                .filter($table::$key.eq_any(&keys))
                .filter($table::expires_at.le($now));
            with_timeout(diesel::delete(old).execute(&mut $connection)).await?;
            if keys.len() < usize::try_from(SWEEP_ROWS).unwrap_or(0) {
                break;
            }
        }
    };
}

/// Everything that the stores keep in the database.
pub(super) trait SessionTables: SessionBackend + RevocationTable {}

impl<T: SessionBackend + RevocationTable> SessionTables for T {}

/// The tables of this database.
pub(super) fn tables(database: &Database) -> Arc<dyn SessionTables> {
    match database.pool() {
        AnyPool::Sqlite(pool) => Arc::new(DieselTables(pool, database.clone())),
        AnyPool::Postgres(pool) => Arc::new(DieselTables(pool, database.clone())),
    }
}

/// The tables, over the database's pool of connections of one kind.
struct DieselTables<P>(P, Database);

fn to_hash(bytes: Vec<u8>) -> Option<Hash> {
    bytes.try_into().ok()
}

/// `None` for a row that this program did not write.
fn to_entry(row: (Vec<u8>, Vec<u8>, i64, i64, i64)) -> Option<Entry> {
    let (key, except, earlier_only, revoked_at, expires_at) = row;
    Some(Entry {
        key: to_hash(key)?,
        except: if except.is_empty() { None } else { Some(except.try_into().ok()?) },
        earlier_only: earlier_only != 0,
        revoked_at: DateTime::from_timestamp_millis(revoked_at)?,
        expires_at: DateTime::from_timestamp_secs(expires_at)?,
    })
}

// The bodies are the same for both databases. Bounds that say so to the compiler would be longer
// than the bodies, and Diesel's MultiConnection does not support asynchronous connections.
macro_rules! session_tables_on {
    ($connection:ty) => {
        #[async_trait]
        impl SessionBackend for DieselTables<Pool<$connection>> {
            async fn insert(&self, record: &SessionRecord) -> Result<(), SessionsUnavailable> {
                let insert = insert_into(sessions::table).values((
                    sessions::key.eq(&record.key[..]),
                    sessions::subject.eq(&record.subject[..]),
                    sessions::provider_session
                        .eq(record.provider_session.as_ref().map(|hash| &hash[..])),
                    sessions::sealed.eq(&record.sealed),
                    sessions::expires_at.eq(record.expires_at.timestamp()),
                    sessions::refresh_locked_until.eq(0),
                ));
                let mut connection = connection(self.0.get()).await?;
                with_timeout(insert.execute(&mut connection)).await?;
                Ok(())
            }

            async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
                let get = sessions::table.find(&key[..]).select(sessions::sealed);
                let mut connection = connection(self.0.get()).await?;
                Ok(with_timeout(async { get.first(&mut connection).await.optional() }).await?)
            }

            async fn replace(
                &self,
                old: &[u8],
                record: &SessionRecord,
            ) -> Result<bool, SessionsUnavailable> {
                let unchanged =
                    sessions::table.find(&record.key[..]).filter(sessions::sealed.eq(old));
                let replace = diesel::update(unchanged).set((
                    sessions::sealed.eq(&record.sealed),
                    sessions::expires_at.eq(record.expires_at.timestamp()),
                ));
                let mut connection = connection(self.0.get()).await?;
                Ok(with_timeout(replace.execute(&mut connection)).await? > 0)
            }

            async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
                let delete = diesel::delete(sessions::table.find(&key[..]));
                let mut connection = connection(self.0.get()).await?;
                with_timeout(delete.execute(&mut connection)).await?;
                Ok(())
            }

            async fn find(
                &self,
                index: &Index,
            ) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
                let all = sessions::table.select((sessions::key, sessions::sealed));
                let mut connection = connection(self.0.get()).await?;
                let rows: Vec<(Vec<u8>, Vec<u8>)> = match index {
                    Index::Subject(hash) => {
                        let found = all.filter(sessions::subject.eq(&hash[..]));
                        with_timeout(found.load(&mut connection)).await?
                    }
                    Index::ProviderSession(hash) => {
                        let found = all.filter(sessions::provider_session.eq(&hash[..]));
                        with_timeout(found.load(&mut connection)).await?
                    }
                };
                let with_hash = |(key, sealed)| Some((to_hash(key)?, sealed));
                Ok(rows.into_iter().filter_map(with_hash).collect())
            }

            async fn lock_refresh(
                &self,
                key: &Hash,
                now: DateTime<Utc>,
                until: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let unlocked = sessions::refresh_locked_until.le(now.timestamp());
                let lock = diesel::update(sessions::table.find(&key[..]).filter(unlocked))
                    .set(sessions::refresh_locked_until.eq(until.timestamp()));
                let mut connection = connection(self.0.get()).await?;
                Ok(with_timeout(lock.execute(&mut connection)).await? > 0)
            }

            async fn is_refresh_locked(
                &self,
                key: &Hash,
                now: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let lock = sessions::table.find(&key[..]).select(sessions::refresh_locked_until);
                let mut connection = connection(self.0.get()).await?;
                let until: Option<i64> =
                    with_timeout(async { lock.first(&mut connection).await.optional() }).await?;
                Ok(until.is_some_and(|until| until > now.timestamp()))
            }

            async fn unlock_refresh(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
                let unlock = diesel::update(sessions::table.find(&key[..]))
                    .set(sessions::refresh_locked_until.eq(0));
                let mut connection = connection(self.0.get()).await?;
                with_timeout(unlock.execute(&mut connection)).await?;
                Ok(())
            }

            async fn delete_expired(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
                let now = now.timestamp();
                let mut connection = connection(self.0.get()).await?;
                delete_expired_rows!(sessions, key, connection, now);
                delete_expired_rows!(used_values, hash, connection, now);
                Ok(())
            }

            async fn check(&self) -> Result<(), SessionsUnavailable> {
                self.1.check_write().await?;
                // Changes no session, and fails without the table or the right to write it.
                let none = sessions::table.find(&[][..]);
                let write = diesel::update(none).set(sessions::expires_at.eq(sessions::expires_at));
                let mut connection = connection(self.0.get()).await?;
                with_timeout(write.execute(&mut connection)).await?;
                Ok(())
            }
        }

        #[async_trait]
        impl UsedValues for DieselTables<Pool<$connection>> {
            async fn is_used(
                &self,
                value: &Hash,
                now: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let used = used_values::table.find(&value[..]).select(used_values::expires_at);
                let mut connection = connection(self.0.get()).await?;
                let until: Option<i64> =
                    with_timeout(async { used.first(&mut connection).await.optional() }).await?;
                Ok(until.is_some_and(|until| until > now.timestamp()))
            }

            async fn record_use(
                &self,
                value: &Hash,
                now: DateTime<Utc>,
                until: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let expired = used_values::table
                    .find(&value[..])
                    .filter(used_values::expires_at.le(now.timestamp()));
                let insert = insert_into(used_values::table)
                    .values((
                        used_values::hash.eq(&value[..]),
                        used_values::expires_at.eq(until.timestamp()),
                    ))
                    .on_conflict_do_nothing();
                let mut connection = connection(self.0.get()).await?;
                with_timeout(diesel::delete(expired).execute(&mut connection)).await?;
                Ok(with_timeout(insert.execute(&mut connection)).await? > 0)
            }
        }

        #[async_trait]
        impl RevocationTable for DieselTables<Pool<$connection>> {
            async fn add_revocation(&self, entry: &Entry) -> Result<(), SessionsUnavailable> {
                let except = entry.except.as_ref().map_or(&[][..], |id| &id[..]);
                let times = (
                    revocations::revoked_at.eq(entry.revoked_at.timestamp_millis()),
                    revocations::expires_at.eq(entry.expires_at.timestamp()),
                );
                let insert = insert_into(revocations::table)
                    .values((
                        revocations::key.eq(&entry.key[..]),
                        revocations::except_session.eq(except),
                        revocations::earlier_only.eq(i64::from(entry.earlier_only)),
                        times,
                    ))
                    .on_conflict((revocations::key, revocations::except_session))
                    .do_update()
                    .set(times);
                let of_key = revocations::table.filter(revocations::key.eq(&entry.key[..]));
                let third_newest = of_key
                    .select((revocations::except_session, revocations::revoked_at))
                    .order((revocations::revoked_at.desc(), revocations::except_session))
                    .offset(2)
                    .limit(1);
                let mut connection = connection(self.0.get()).await?;
                with_timeout(insert.execute(&mut connection)).await?;
                let third: Option<(Vec<u8>, i64)> =
                    with_timeout(async { third_newest.first(&mut connection).await.optional() })
                        .await?;
                if let Some((except, revoked_at)) = third {
                    let superseded = of_key
                        .filter(revocations::except_session.eq(except))
                        .filter(revocations::revoked_at.le(revoked_at));
                    with_timeout(diesel::delete(superseded).execute(&mut connection)).await?;
                }
                Ok(())
            }

            async fn revocations_after(
                &self,
                position: &Position,
            ) -> Result<Vec<Entry>, SessionsUnavailable> {
                let (time, key) = (position.0.timestamp_millis(), &position.1[..]);
                let after = revocations::revoked_at
                    .gt(time)
                    .or(revocations::revoked_at.eq(time).and(revocations::key.gt(key)));
                let next = revocations::table
                    .filter(after)
                    .order((revocations::revoked_at, revocations::key))
                    .limit(i64::try_from(BATCH).unwrap_or(i64::MAX));
                let mut connection = connection(self.0.get()).await?;
                let rows = with_timeout(next.load(&mut connection)).await?;
                Ok(rows.into_iter().filter_map(to_entry).collect())
            }

            async fn add_provider_session(
                &self,
                key: &Hash,
                expires_at: DateTime<Utc>,
            ) -> Result<(), SessionsUnavailable> {
                let expiry = provider_sessions::expires_at.eq(expires_at.timestamp());
                let insert = insert_into(provider_sessions::table)
                    .values((provider_sessions::hash.eq(&key[..]), expiry))
                    .on_conflict(provider_sessions::hash)
                    .do_update()
                    .set(expiry);
                let mut connection = connection(self.0.get()).await?;
                with_timeout(insert.execute(&mut connection)).await?;
                Ok(())
            }

            async fn has_provider_session(&self, key: &Hash) -> Result<bool, SessionsUnavailable> {
                let find = provider_sessions::table.find(&key[..]).count();
                let mut connection = connection(self.0.get()).await?;
                let count: i64 = with_timeout(find.get_result(&mut connection)).await?;
                Ok(count > 0)
            }

            async fn delete_expired(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
                let now = now.timestamp();
                let mut connection = connection(self.0.get()).await?;
                delete_expired_rows!(revocations, key, connection, now);
                delete_expired_rows!(provider_sessions, hash, connection, now);
                delete_expired_rows!(used_values, hash, connection, now);
                Ok(())
            }

            async fn check_write(&self) -> Result<(), SessionsUnavailable> {
                Ok(self.1.check_write().await?)
            }
        }
    };
}

session_tables_on!(SqliteConnection);
session_tables_on!(PostgresConnection);
