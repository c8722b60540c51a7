mod connection;

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::ports::SessionsUnavailable;
use redis::{Client, FromRedisValue, IntoConnectionInfo, Pipeline, TlsCertificates};

use self::connection::{Connection, tcp_settings};
use super::{
    super::{Hash, replay_guard::UsedValues, unavailable},
    backend::{Index, SessionBackend, SessionRecord},
};
use crate::tls;

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

/// Sealed sessions in Redis, which deletes them when they expire. Sorted sets of keys are the indexes
/// by user and by session at the provider.
pub(super) struct RedisBackend {
    connection: Connection,
    /// How long a session can last.
    absolute_lifetime: TimeDelta,
}

impl RedisBackend {
    /// Does not wait for the server.
    pub(super) fn open(
        url: &str,
        extra_roots: Option<&Path>,
        absolute_lifetime: TimeDelta,
    ) -> Result<Self, SessionsUnavailable> {
        // The parser's error may quote a part of the address, and with it the password.
        let malformed =
            |_| unavailable("the address is malformed: redis://… or rediss://… is expected");
        let tls = url.starts_with("rediss://");
        if !tls && !url.starts_with("redis://") {
            return Err(unavailable("the address starts with neither redis:// nor rediss://"));
        }
        if url.contains('#') {
            return Err(unavailable("the address must not turn the check of certificates off"));
        }
        let info = url.into_connection_info().map_err(malformed)?;
        let info = info.set_tcp_settings(tcp_settings());
        let client = if tls {
            let root_cert = Some(tls::trusted_as_pem(extra_roots).map_err(unavailable)?);
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
        } else {
            Client::open(info)
        };
        let connection = Connection::new(client.map_err(malformed)?);
        Ok(Self { connection, absolute_lifetime })
    }

    /// Every command here may be repeated.
    async fn query<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<T, SessionsUnavailable> {
        self.connection.query(pipeline).await.map_err(query_error)
    }

    async fn run(
        &self,
        script: &str,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<bool, SessionsUnavailable> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("EVAL").arg(script).arg(keys.len()).arg(keys);
        arguments.iter().for_each(|argument| {
            pipeline.arg(*argument);
        });
        let [answer]: [bool; 1] = self.query(&pipeline).await?;
        Ok(answer)
    }
}

/// Without the text of the server, which may contain anything.
fn query_error(error: redis::RedisError) -> SessionsUnavailable {
    unavailable(match error.code() {
        Some(code) => format!("Redis answered {code}"),
        // The text of the operating system or of the client.
        None if error.is_io_error() => format!("Redis: {error}"),
        None => format!("Redis: {:?}", error.kind()),
    })
}

fn session_at(key: &Hash) -> String {
    format!("portico:session:{}", hex::encode(key))
}

fn lock_at(key: &Hash) -> String {
    format!("portico:refresh_lock:{}", hex::encode(key))
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
    async fn insert(&self, record: &SessionRecord) -> Result<(), SessionsUnavailable> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        let time = to_milliseconds(record.expires_at - record.written_at);
        pipeline
            .cmd("SET")
            .arg(session_at(&record.key))
            .arg(&record.sealed)
            .arg("PX")
            .arg(time)
            .ignore();
        let now = record.written_at.timestamp_millis();
        let max_lifetime = to_milliseconds(self.absolute_lifetime);
        let provider_session = record.provider_session.as_ref().map(provider_session_at);
        for index in std::iter::once(subject_at(&record.subject)).chain(provider_session) {
            pipeline.cmd("ZREMRANGEBYSCORE").arg(&index).arg("-inf").arg(now).ignore();
            pipeline.cmd("ZADD").arg(&index).arg(now + max_lifetime).arg(&record.key[..]).ignore();
            pipeline.cmd("PEXPIRE").arg(&index).arg(max_lifetime).ignore();
        }
        self.query(&pipeline).await
    }

    async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(session_at(key));
        let [answer]: [Option<Vec<u8>>; 1] = self.query(&pipeline).await?;
        Ok(answer)
    }

    async fn replace(
        &self,
        old: &[u8],
        record: &SessionRecord,
    ) -> Result<bool, SessionsUnavailable> {
        let time = to_milliseconds(record.expires_at - record.written_at).to_string();
        let arguments = [old, &record.sealed, time.as_bytes()];
        self.run(REPLACE, &[session_at(&record.key)], &arguments).await
    }

    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(session_at(key)).arg(lock_at(key)).ignore();
        self.query(&pipeline).await
    }

    async fn find(&self, index: &Index) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
        let index_key = match index {
            Index::Subject(hash) => subject_at(hash),
            Index::ProviderSession(hash) => provider_session_at(hash),
        };
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZRANGE").arg(&index_key).arg(0).arg(-1);
        let [members]: [Vec<Vec<u8>>; 1] = self.query(&pipeline).await?;
        let keys: Vec<Hash> = members.into_iter().filter_map(|key| key.try_into().ok()).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("MGET").arg(keys.iter().map(session_at).collect::<Vec<_>>());
        let [sealed]: [Vec<Option<Vec<u8>>>; 1] = self.query(&pipeline).await?;
        let (found, gone): (Vec<_>, Vec<_>) =
            keys.into_iter().zip(sealed).partition(|(_, sealed)| sealed.is_some());
        if !gone.is_empty() {
            let mut pipeline = redis::pipe();
            let gone: Vec<_> = gone.iter().map(|(key, _)| &key[..]).collect();
            pipeline.cmd("ZREM").arg(&index_key).arg(gone).ignore();
            let () = self.query(&pipeline).await?;
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
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(lock_at(key));
        let [end]: [Option<i64>; 1] = self.query(&pipeline).await?;
        Ok(end.is_some_and(|end| end > now.timestamp()))
    }

    async fn unlock_refresh(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(lock_at(key)).ignore();
        self.query(&pipeline).await
    }

    /// Redis deletes by itself.
    async fn delete_expired(&self, _: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
        Ok(())
    }

    /// A replica answers `READONLY`.
    async fn check(&self) -> Result<(), SessionsUnavailable> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg("portico:check").arg("1").arg("PX").arg(60_000).ignore();
        self.query(&pipeline).await
    }
}

#[async_trait]
impl UsedValues for RedisBackend {
    async fn is_used(&self, value: &Hash, now: DateTime<Utc>) -> Result<bool, SessionsUnavailable> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg(used_at(value));
        let [until]: [Option<i64>; 1] = self.query(&pipeline).await?;
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
