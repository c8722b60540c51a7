//! Sessions, revocations and used values in the database.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{insert_into, prelude::*};
use diesel_async::{RunQueryDsl, pooled_connection::deadpool::Pool};
use portico_domain::ports::SessionsUnavailable;

use super::vault::{Entry, Hash, Index, Kept, Once, RevocationLog, Vault};
use crate::database::{PostgresConnection, SqliteConnection, connection, in_time};

diesel::table! {
    sessions (key) {
        key -> Binary,
        person -> Binary,
        provider_session_id -> Nullable<Binary>,
        sealed -> Binary,
        expires_at -> BigInt,
        leased_until -> BigInt,
    }
}

diesel::table! {
    revocations (id) {
        id -> Binary,
        revocation -> Text,
        revoked_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    used_values (hash) {
        hash -> Binary,
        expires_at -> BigInt,
    }
}

/// The tables, over a pool of connections of one kind.
pub(crate) struct DieselSessions<P>(P);

impl<P> DieselSessions<P> {
    pub(crate) fn new(pool: P) -> Self {
        Self(pool)
    }
}

/// Rows that a sweep deletes at once, so that it never holds others up for long.
const BATCH: i64 = 1_000;

fn hash(bytes: Vec<u8>) -> Option<Hash> {
    bytes.try_into().ok()
}

/// `None` for a row that nobody here wrote.
fn entry(row: (Vec<u8>, String, i64, i64)) -> Option<Entry> {
    let (id, revocation, revoked_at, expires_at) = row;
    Some(Entry {
        id: id.try_into().ok()?,
        revocation: serde_json::from_str(&revocation).ok()?,
        revoked_at: DateTime::from_timestamp_millis(revoked_at)?,
        expires_at: DateTime::from_timestamp_secs(expires_at)?,
    })
}

// As for the users: bounds that say this to the compiler would be longer than the bodies.
macro_rules! session_tables_on {
    ($connection:ty) => {
        #[async_trait]
        impl Vault for DieselSessions<Pool<$connection>> {
            async fn put(&self, kept: &Kept) -> Result<(), SessionsUnavailable> {
                let row = (
                    sessions::key.eq(&kept.key[..]),
                    sessions::person.eq(&kept.person[..]),
                    sessions::provider_session_id
                        .eq(kept.provider_session_id.as_ref().map(|h| &h[..])),
                    sessions::sealed.eq(&kept.sealed),
                    sessions::expires_at.eq(kept.expires_at.timestamp()),
                    sessions::leased_until.eq(0),
                );
                let put = insert_into(sessions::table).values(row);
                let mut connection = connection(self.0.get()).await?;
                in_time(put.execute(&mut connection)).await?;
                Ok(())
            }

            async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
                let get = sessions::table.find(&key[..]).select(sessions::sealed);
                let mut connection = connection(self.0.get()).await?;
                Ok(in_time(async { get.first(&mut connection).await.optional() }).await?)
            }

            async fn swap(&self, old: &[u8], kept: &Kept) -> Result<bool, SessionsUnavailable> {
                let unchanged =
                    sessions::table.find(&kept.key[..]).filter(sessions::sealed.eq(old));
                let swap = diesel::update(unchanged).set((
                    sessions::sealed.eq(&kept.sealed),
                    sessions::expires_at.eq(kept.expires_at.timestamp()),
                ));
                let mut connection = connection(self.0.get()).await?;
                Ok(in_time(swap.execute(&mut connection)).await? > 0)
            }

            async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
                let delete = diesel::delete(sessions::table.find(&key[..]));
                let mut connection = connection(self.0.get()).await?;
                in_time(delete.execute(&mut connection)).await?;
                Ok(())
            }

            async fn find(&self, by: &Index) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
                let all = sessions::table.select((sessions::key, sessions::sealed));
                let mut connection = connection(self.0.get()).await?;
                let rows: Vec<(Vec<u8>, Vec<u8>)> = match by {
                    Index::Person(person) => {
                        let theirs = all.filter(sessions::person.eq(&person[..]));
                        in_time(theirs.load(&mut connection)).await?
                    }
                    Index::ProviderSession(sid) => {
                        let its = all.filter(sessions::provider_session_id.eq(&sid[..]));
                        in_time(its.load(&mut connection)).await?
                    }
                };
                let whole = |(key, sealed)| Some((hash(key)?, sealed));
                Ok(rows.into_iter().filter_map(whole).collect())
            }

            async fn lease(
                &self,
                key: &Hash,
                now: DateTime<Utc>,
                until: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let free = sessions::leased_until.le(now.timestamp());
                let lease = diesel::update(sessions::table.find(&key[..]).filter(free))
                    .set(sessions::leased_until.eq(until.timestamp()));
                let mut connection = connection(self.0.get()).await?;
                Ok(in_time(lease.execute(&mut connection)).await? > 0)
            }

            async fn is_leased(
                &self,
                key: &Hash,
                now: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let lease = sessions::table.find(&key[..]).select(sessions::leased_until);
                let mut connection = connection(self.0.get()).await?;
                let until: Option<i64> =
                    in_time(async { lease.first(&mut connection).await.optional() }).await?;
                Ok(until.is_some_and(|until| until > now.timestamp()))
            }

            async fn release(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
                let release = diesel::update(sessions::table.find(&key[..]))
                    .set(sessions::leased_until.eq(0));
                let mut connection = connection(self.0.get()).await?;
                in_time(release.execute(&mut connection)).await?;
                Ok(())
            }

            async fn sweep(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
                let now = now.timestamp();
                let mut connection = connection(self.0.get()).await?;
                loop {
                    let old = sessions::table.filter(sessions::expires_at.le(now));
                    let keys: Vec<Vec<u8>> =
                        in_time(old.select(sessions::key).limit(BATCH).load(&mut connection))
                            .await?;
                    // One that was kept alive meanwhile stays.
                    let old = sessions::table
                        .filter(sessions::key.eq_any(&keys))
                        .filter(sessions::expires_at.le(now));
                    in_time(diesel::delete(old).execute(&mut connection)).await?;
                    if keys.len() < usize::try_from(BATCH).unwrap_or(0) {
                        break;
                    }
                }
                let used = used_values::table.filter(used_values::expires_at.le(now));
                in_time(diesel::delete(used).execute(&mut connection)).await?;
                Ok(())
            }

            async fn check(&self) -> Result<(), SessionsUnavailable> {
                self.get(&Hash::default()).await.map(drop)
            }
        }

        #[async_trait]
        impl Once for DieselSessions<Pool<$connection>> {
            async fn first(
                &self,
                value: &Hash,
                now: DateTime<Utc>,
                until: DateTime<Utc>,
            ) -> Result<bool, SessionsUnavailable> {
                let used = used_values::table
                    .find(&value[..])
                    .filter(used_values::expires_at.le(now.timestamp()));
                let first = insert_into(used_values::table)
                    .values((
                        used_values::hash.eq(&value[..]),
                        used_values::expires_at.eq(until.timestamp()),
                    ))
                    .on_conflict_do_nothing();
                let mut connection = connection(self.0.get()).await?;
                in_time(diesel::delete(used).execute(&mut connection)).await?;
                Ok(in_time(first.execute(&mut connection)).await? > 0)
            }
        }

        #[async_trait]
        impl RevocationLog for DieselSessions<Pool<$connection>> {
            async fn add(&self, entry: &Entry) -> Result<(), SessionsUnavailable> {
                let revocation = serde_json::to_string(&entry.revocation)
                    .map_err(|error| SessionsUnavailable(error.to_string()))?;
                let add = insert_into(revocations::table).values((
                    revocations::id.eq(&entry.id[..]),
                    revocations::revocation.eq(revocation),
                    revocations::revoked_at.eq(entry.revoked_at.timestamp_millis()),
                    revocations::expires_at.eq(entry.expires_at.timestamp()),
                ));
                let mut connection = connection(self.0.get()).await?;
                in_time(add.execute(&mut connection)).await?;
                Ok(())
            }

            async fn since(&self, then: DateTime<Utc>) -> Result<Vec<Entry>, SessionsUnavailable> {
                let since =
                    revocations::table.filter(revocations::revoked_at.ge(then.timestamp_millis()));
                let mut connection = connection(self.0.get()).await?;
                let rows = in_time(since.load(&mut connection)).await?;
                Ok(rows.into_iter().filter_map(entry).collect())
            }

            async fn sweep(&self, now: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
                let old = revocations::table.filter(revocations::expires_at.le(now.timestamp()));
                let used = used_values::table.filter(used_values::expires_at.le(now.timestamp()));
                let mut connection = connection(self.0.get()).await?;
                in_time(diesel::delete(old).execute(&mut connection)).await?;
                in_time(diesel::delete(used).execute(&mut connection)).await?;
                Ok(())
            }

            async fn check(&self) -> Result<(), SessionsUnavailable> {
                let one = revocations::table.select(revocations::revoked_at).limit(1);
                let mut connection = connection(self.0.get()).await?;
                in_time(one.load::<i64>(&mut connection)).await?;
                Ok(())
            }
        }
    };
}

session_tables_on!(SqliteConnection);
session_tables_on!(PostgresConnection);
