mod address;
mod connection;
mod examination;
mod plaintext;

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{
    future::try_join_all,
    stream::{self, StreamExt, TryStreamExt},
};
use portico_domain::{model::Check, ports::SessionsUnavailable};
use redis::{Cmd, FromRedisValue, cmd};

pub use self::address::{InvalidRedisAddress, RedisAddress};
use self::connection::Connection;
use super::{
    super::{Hash, replay_guard::UsedValues, unavailable},
    backend::{Index, SessionBackend, SessionRecord},
};

/// Replaces a value if it is still the old one. A value that is the new one already was replaced by
/// an earlier attempt, which was not acknowledged.
const REPLACE: &str = "local value = redis.call('get', KEYS[1]) \
     if value == ARGV[2] then return 1 end \
     if value ~= ARGV[1] then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

/// A lock holds the time of its expiry in seconds. It expires by the clock of the caller, as
/// everywhere, and at the latest by the server's own. Only an existing session can be locked.
const LOCK: &str = "if redis.call('exists', KEYS[2]) == 0 then return 0 end \
     local lock = redis.call('get', KEYS[1]) \
     if lock and tonumber(lock) > tonumber(ARGV[1]) then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

/// A used value holds the time of its expiry in milliseconds; it expires as a lock does.
const INSERT_USED: &str = "local used = redis.call('get', KEYS[1]) \
     if used and tonumber(used) > tonumber(ARGV[1]) then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

/// Adds a key to an index, and removes the keys of sessions that have expired in any case.
const ADD_TO_INDEX: &str = "redis.call('zremrangebyscore', KEYS[1], '-inf', ARGV[1]) \
     redis.call('zadd', KEYS[1], ARGV[2], ARGV[3]) \
     redis.call('pexpire', KEYS[1], ARGV[4]) return 1";

/// Number of sessions that one request reads at a time.
const PARALLEL_READS: usize = 32;

/// The ends of keys that lie in each sixteenth of a cluster's slots, so that a check reaches each
/// master that has an eighth of them.
const CHECKS_IN_CLUSTER: [u8; 16] = [11, 20, 1, 42, 10, 21, 0, 43, 13, 22, 3, 40, 12, 23, 2, 41];

/// Sealed sessions in Redis, which deletes them when they expire. Sorted sets of keys are the indexes
/// by user and by session at the provider.
///
/// Each command touches one slot of a cluster: the session and its lock share a hash tag, everything
/// else is one key.
pub(super) struct RedisBackend {
    connection: Connection,
    /// How long a session can last.
    absolute_lifetime: TimeDelta,
    is_cluster: bool,
}

impl RedisBackend {
    /// Does not wait for the server.
    pub(super) fn open(
        address: &RedisAddress,
        extra_roots: Option<&Path>,
        absolute_lifetime: TimeDelta,
    ) -> Result<Self, SessionsUnavailable> {
        let connection = Connection::new(address.open(extra_roots)?);
        Ok(Self { connection, absolute_lifetime, is_cluster: address.is_cluster() })
    }

    /// Every command here may be repeated.
    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, SessionsUnavailable> {
        self.connection.query(command).await.map_err(query_error)
    }

    async fn run(
        &self,
        script: &str,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<bool, SessionsUnavailable> {
        let mut command = cmd("EVAL");
        command.arg(script).arg(keys.len()).arg(keys);
        arguments.iter().for_each(|argument| {
            command.arg(*argument);
        });
        self.query(&command).await
    }

    /// Adds the record to its indexes.
    async fn add_to_indexes(&self, record: &SessionRecord) -> Result<(), SessionsUnavailable> {
        let now = record.written_at.timestamp_millis();
        let lifetime = to_milliseconds(self.absolute_lifetime);
        let [now, end, lifetime] = [now, now + lifetime, lifetime].map(|it| it.to_string());
        let arguments = [now.as_bytes(), end.as_bytes(), &record.key, lifetime.as_bytes()];
        let provider_session = record.provider_session.as_ref().map(provider_session_at);
        let indexes = std::iter::once(subject_at(&record.subject)).chain(provider_session);
        try_join_all(indexes.map(async |index| self.run(ADD_TO_INDEX, &[index], &arguments).await))
            .await?;
        Ok(())
    }
}

/// Without the text of the server, which may contain anything.
fn query_error(error: redis::RedisError) -> SessionsUnavailable {
    unavailable(match error.code() {
        Some(code) => format!("Redis answered {code}"),
        // The text of the operating system or of the client.
        None if error.is_io_error() || error.kind() == redis::ErrorKind::InvalidClientConfig => {
            format!("Redis: {error}")
        }
        None => format!("Redis: {:?}", error.kind()),
    })
}

fn session_at(key: &Hash) -> String {
    format!("portico:session:{{{}}}", hex::encode(key))
}

fn lock_at(key: &Hash) -> String {
    format!("portico:refresh_lock:{{{}}}", hex::encode(key))
}

fn subject_at(hash: &Hash) -> String {
    format!("portico:subject:{}", hex::encode(hash))
}

fn provider_session_at(hash: &Hash) -> String {
    format!("portico:provider_session:{}", hex::encode(hash))
}

/// Redis refuses a lifetime of zero.
fn to_milliseconds(time: TimeDelta) -> i64 {
    time.num_milliseconds().max(1)
}

#[async_trait]
impl SessionBackend for RedisBackend {
    /// The indexes last: nobody has the session's id before this succeeds, so that a crash in between
    /// leaves a session that nobody can use. In the other order, [`Self::find`] could take the new
    /// entry for that of an ended session and remove it, and the session could never be revoked.
    async fn insert(&self, record: &SessionRecord) -> Result<(), SessionsUnavailable> {
        let time = to_milliseconds(record.expires_at - record.written_at);
        let mut command = cmd("SET");
        command.arg(session_at(&record.key)).arg(&record.sealed).arg("PX").arg(time);
        let () = self.query(&command).await?;
        self.add_to_indexes(record).await
    }

    async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
        self.query(cmd("GET").arg(session_at(key))).await
    }

    /// Adds the record to its indexes again: a failover may have lost the entries, because replicas
    /// lag behind, although the session on another node survived.
    async fn replace(
        &self,
        old: &[u8],
        record: &SessionRecord,
    ) -> Result<bool, SessionsUnavailable> {
        let time = to_milliseconds(record.expires_at - record.written_at).to_string();
        let arguments = [old, &record.sealed, time.as_bytes()];
        let replaced = self.run(REPLACE, &[session_at(&record.key)], &arguments).await?;
        if replaced {
            self.add_to_indexes(record).await?;
        }
        Ok(replaced)
    }

    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        self.query(cmd("DEL").arg(session_at(key)).arg(lock_at(key))).await
    }

    async fn find(&self, index: &Index) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
        let index_key = match index {
            Index::Subject(hash) => subject_at(hash),
            Index::ProviderSession(hash) => provider_session_at(hash),
        };
        let members: Vec<Vec<u8>> =
            self.query(cmd("ZRANGE").arg(&index_key).arg(0).arg(-1)).await?;
        let keys: Vec<Hash> = members.into_iter().filter_map(|key| key.try_into().ok()).collect();
        // Collected first: the compiler does not see that the stream is `Send` otherwise.
        let reads: Vec<_> = keys.iter().map(|key| self.get(key)).collect();
        let sealed: Vec<Option<Vec<u8>>> =
            stream::iter(reads).buffered(PARALLEL_READS).try_collect().await?;
        let (found, gone): (Vec<_>, Vec<_>) =
            keys.into_iter().zip(sealed).partition(|(_, sealed)| sealed.is_some());
        if !gone.is_empty() {
            let gone: Vec<_> = gone.iter().map(|(key, _)| &key[..]).collect();
            let () = self.query(cmd("ZREM").arg(&index_key).arg(gone)).await?;
        }
        Ok(found.into_iter().filter_map(|(key, sealed)| Some((key, sealed?))).collect())
    }

    async fn lock_refresh(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let [now, end, time] = [now.timestamp(), until.timestamp(), to_milliseconds(until - now)]
            .map(|it| it.to_string());
        let arguments = [now.as_bytes(), end.as_bytes(), time.as_bytes()];
        self.run(LOCK, &[lock_at(key), session_at(key)], &arguments).await
    }

    async fn is_refresh_locked(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let end: Option<i64> = self.query(cmd("GET").arg(lock_at(key))).await?;
        Ok(end.is_some_and(|end| end > now.timestamp()))
    }

    async fn unlock_refresh(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        self.query(cmd("DEL").arg(lock_at(key))).await
    }

    /// Redis deletes by itself.
    async fn delete_expired(&self, _: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
        Ok(())
    }

    /// A replica answers `READONLY`.
    async fn check(&self) -> Result<(), SessionsUnavailable> {
        let checks = if self.is_cluster { &CHECKS_IN_CLUSTER[..] } else { &CHECKS_IN_CLUSTER[..1] };
        try_join_all(checks.iter().map(async |number| {
            let mut command = cmd("SET");
            command.arg(check_at(*number)).arg("1").arg("PX").arg(60_000);
            self.query::<()>(&command).await
        }))
        .await?;
        Ok(())
    }

    async fn examine(&self) -> Vec<Check> {
        examination::examine(self).await
    }
}

#[async_trait]
impl UsedValues for RedisBackend {
    async fn is_used(&self, value: &Hash, now: DateTime<Utc>) -> Result<bool, SessionsUnavailable> {
        let until: Option<i64> = self.query(cmd("GET").arg(used_at(value))).await?;
        Ok(until.is_some_and(|until| until > now.timestamp_millis()))
    }

    async fn record_use(
        &self,
        value: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let [now, end, time] =
            [now.timestamp_millis(), until.timestamp_millis(), to_milliseconds(until - now)]
                .map(|it| it.to_string());
        let arguments = [now.as_bytes(), end.as_bytes(), time.as_bytes()];
        self.run(INSERT_USED, &[used_at(value)], &arguments).await
    }
}

fn used_at(value: &Hash) -> String {
    format!("portico:used:{}", hex::encode(value))
}

fn check_at(number: u8) -> String {
    format!("portico:check:{number}")
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::*;

    #[test]
    fn checks_reach_each_sixteenth_of_the_slots() {
        for (sixteenth, number) in (0..).zip(CHECKS_IN_CLUSTER) {
            let slot = Some(Slot::for_key(check_at(number)));
            let mut slots = (sixteenth * 1024..(sixteenth + 1) * 1024).map(Slot::new);
            assert!(slots.any(|other| other == slot), "{number}");
        }
    }

    #[test]
    fn session_and_its_lock_share_a_slot() {
        for number in 0..100 {
            let key = [number; 32];
            assert_eq!(Slot::for_key(session_at(&key)), Slot::for_key(lock_at(&key)));
        }
    }
}
