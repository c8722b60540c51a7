use std::{fmt::Write, path::Path, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::ports::SessionsUnavailable;
use redis::{
    Client, FromRedisValue, IntoConnectionInfo, Pipeline, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{
    unavailable,
    vault::{Hash, Index, Kept, Once, Vault},
};
use crate::tls;

/// Time to connect, and time for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Compares and swaps.
const SWAP: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

/// A lease is the seconds of its end. It ends by the clock of who asks, as everywhere, and at the
/// latest by the server's own. A session that is gone is not leased.
const LEASE: &str = "if redis.call('exists', KEYS[2]) == 0 then return 0 end \
     local lease = redis.call('get', KEYS[1]) \
     if lease and tonumber(lease) > tonumber(ARGV[1]) then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

/// A used value is the milliseconds until which it is one; it ends as a lease does.
const FIRST: &str = "local used = redis.call('get', KEYS[1]) \
     if used and tonumber(used) > tonumber(ARGV[1]) then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

/// Sealed sessions in Redis, which forgets them by itself. Beside each there are members of sorted
/// sets, by which those of a person, or of a session at the provider, are found.
pub(super) struct RedisVault {
    connections: ConnectionManager,
    /// How long a session may last in all.
    absolute: TimeDelta,
}

impl RedisVault {
    /// Waits for no server.
    pub(super) fn open(
        url: &str,
        extra_roots: Option<&Path>,
        absolute: TimeDelta,
    ) -> Result<Self, SessionsUnavailable> {
        // The parser's own words may quote a piece of the address, and with it the password.
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
        let client = if tls {
            let root_cert = Some(tls::trusted_as_pem(extra_roots).map_err(unavailable)?);
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
        } else {
            Client::open(info)
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(100));
        let connections =
            ConnectionManager::new_lazy_with_config(client.map_err(malformed)?, config)
                .map_err(unavailable)?;
        Ok(Self { connections, absolute })
    }

    /// Tries again once: the first to speak after the server went away finds the connection broken,
    /// and another takes its place. Everything asked here may be asked twice.
    async fn ask<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, SessionsUnavailable> {
        match question.query_async(&mut self.connections.clone()).await {
            Err(error) if error.is_io_error() || error.is_connection_dropped() => {
                question.query_async(&mut self.connections.clone()).await.map_err(said)
            }
            answer => answer.map_err(said),
        }
    }

    async fn run(
        &self,
        script: &str,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<bool, SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("EVAL").arg(script).arg(keys.len()).arg(keys);
        arguments.iter().for_each(|argument| {
            question.arg(*argument);
        });
        let [answer]: [bool; 1] = self.ask(&question).await?;
        Ok(answer)
    }
}

/// Without what the server says in words, which may be anything.
fn said(error: redis::RedisError) -> SessionsUnavailable {
    unavailable(match error.code() {
        Some(code) => format!("Redis answered {code}"),
        None => format!("Redis: {:?}", error.kind()),
    })
}

fn session_at(key: &Hash) -> String {
    format!("portico:session:{}", hex(key))
}

fn lease_at(key: &Hash) -> String {
    format!("portico:lease:{}", hex(key))
}

fn person_at(hash: &Hash) -> String {
    format!("portico:person:{}", hex(hash))
}

fn provider_session_at(hash: &Hash) -> String {
    format!("portico:provider_session:{}", hex(hash))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Redis refuses to keep something for no time at all.
fn lasts(time: TimeDelta) -> i64 {
    time.num_milliseconds().max(1)
}

#[async_trait]
impl Vault for RedisVault {
    async fn put(&self, kept: &Kept) -> Result<(), SessionsUnavailable> {
        let mut question = redis::pipe();
        question.atomic();
        let time = lasts(kept.expires_at - kept.now);
        question
            .cmd("SET")
            .arg(session_at(&kept.key))
            .arg(&kept.sealed)
            .arg("PX")
            .arg(time)
            .ignore();
        let now = kept.now.timestamp_millis();
        let longest = lasts(self.absolute);
        let provider_session_id = kept.provider_session_id.as_ref().map(provider_session_at);
        for index in std::iter::once(person_at(&kept.person)).chain(provider_session_id) {
            question.cmd("ZREMRANGEBYSCORE").arg(&index).arg("-inf").arg(now).ignore();
            question.cmd("ZADD").arg(&index).arg(now + longest).arg(&kept.key[..]).ignore();
            question.cmd("PEXPIRE").arg(&index).arg(longest).ignore();
        }
        self.ask(&question).await
    }

    async fn get(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("GET").arg(session_at(key));
        let [answer]: [Option<Vec<u8>>; 1] = self.ask(&question).await?;
        Ok(answer)
    }

    async fn swap(&self, old: &[u8], kept: &Kept) -> Result<bool, SessionsUnavailable> {
        let time = lasts(kept.expires_at - kept.now).to_string();
        let arguments = [old, &kept.sealed, time.as_bytes()];
        self.run(SWAP, &[session_at(&kept.key)], &arguments).await
    }

    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("DEL").arg(session_at(key)).arg(lease_at(key)).ignore();
        self.ask(&question).await
    }

    async fn find(&self, by: &Index) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
        let index = match by {
            Index::Person(hash) => person_at(hash),
            Index::ProviderSession(hash) => provider_session_at(hash),
        };
        let mut question = redis::pipe();
        question.cmd("ZRANGE").arg(&index).arg(0).arg(-1);
        let [members]: [Vec<Vec<u8>>; 1] = self.ask(&question).await?;
        let keys: Vec<Hash> = members.into_iter().filter_map(|key| key.try_into().ok()).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut question = redis::pipe();
        question.cmd("MGET").arg(keys.iter().map(session_at).collect::<Vec<_>>());
        let [sealed]: [Vec<Option<Vec<u8>>>; 1] = self.ask(&question).await?;
        let (there, gone): (Vec<_>, Vec<_>) =
            keys.into_iter().zip(sealed).partition(|(_, sealed)| sealed.is_some());
        if !gone.is_empty() {
            let mut question = redis::pipe();
            let gone: Vec<_> = gone.iter().map(|(key, _)| &key[..]).collect();
            question.cmd("ZREM").arg(&index).arg(gone).ignore();
            let () = self.ask(&question).await?;
        }
        Ok(there.into_iter().filter_map(|(key, sealed)| Some((key, sealed?))).collect())
    }

    async fn lease(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let [now, end, time] =
            [now.timestamp(), until.timestamp(), lasts(until - now)].map(|it| it.to_string());
        let arguments = [now.as_bytes(), end.as_bytes(), time.as_bytes()];
        self.run(LEASE, &[lease_at(key), session_at(key)], &arguments).await
    }

    async fn is_leased(&self, key: &Hash, now: DateTime<Utc>) -> Result<bool, SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("GET").arg(lease_at(key));
        let [end]: [Option<i64>; 1] = self.ask(&question).await?;
        Ok(end.is_some_and(|end| end > now.timestamp()))
    }

    async fn release(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("DEL").arg(lease_at(key)).ignore();
        self.ask(&question).await
    }

    /// Redis forgets by itself.
    async fn sweep(&self, _: DateTime<Utc>) -> Result<(), SessionsUnavailable> {
        Ok(())
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("PING").ignore();
        self.ask(&question).await
    }
}

#[async_trait]
impl Once for RedisVault {
    async fn first(
        &self,
        value: &Hash,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let key = format!("portico:used:{}", hex(value));
        let [now, end, time] =
            [now.timestamp_millis(), until.timestamp_millis(), lasts(until - now)]
                .map(|it| it.to_string());
        let arguments = [now.as_bytes(), end.as_bytes(), time.as_bytes()];
        self.run(FIRST, &[key], &arguments).await
    }
}
