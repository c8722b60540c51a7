use std::{path::Path, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::ports::SessionsUnavailable;
use redis::{
    Client, FromRedisValue, IntoConnectionInfo, Pipeline, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{
    attempts::Once,
    hash::{Hash, hex},
    server_side::{Kept, Vault, Whose},
    unavailable,
};
use crate::tls;

/// Time to connect, and time for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Compares and swaps.
const SWAP: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

/// A turn is the milliseconds of its end, a colon, and its number. It ends by the clock of who
/// asks, as everywhere, and at the latest by the server's own.
const TAKE_TURN: &str = "local turn = redis.call('get', KEYS[1]) \
     if turn and tonumber(turn:match('^%-?%d+')) > tonumber(ARGV[1]) then return 0 end \
     redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1";

const END_TURN: &str = "local turn = redis.call('get', KEYS[1]) \
     if turn and turn:match(':(.*)$') == ARGV[1] then redis.call('del', KEYS[1]) end return 1";

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
        key: &str,
        arguments: &[&[u8]],
    ) -> Result<bool, SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("EVAL").arg(script).arg(1).arg(key);
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

fn turn_at(key: &Hash) -> String {
    format!("portico:turn:{}", hex(key))
}

fn person_at(hash: &Hash) -> String {
    format!("portico:person:{}", hex(hash))
}

fn provider_session_at(hash: &Hash) -> String {
    format!("portico:provider_session:{}", hex(hash))
}

/// Redis refuses to keep something for no time at all.
fn lasts(time: TimeDelta) -> i64 {
    time.num_milliseconds().max(1)
}

#[async_trait]
impl Vault for RedisVault {
    async fn insert(&self, key: &Hash, kept: &Kept) -> Result<(), SessionsUnavailable> {
        let mut question = redis::pipe();
        question.atomic();
        let time = lasts(kept.ends_at - kept.now);
        question.cmd("SET").arg(session_at(key)).arg(&kept.sealed).arg("PX").arg(time).ignore();
        let now = kept.now.timestamp_millis();
        let longest = lasts(self.absolute);
        let provider_session = kept.provider_session.as_ref().map(provider_session_at);
        for index in std::iter::once(person_at(&kept.person)).chain(provider_session) {
            question.cmd("ZREMRANGEBYSCORE").arg(&index).arg("-inf").arg(now).ignore();
            question.cmd("ZADD").arg(&index).arg(now + longest).arg(&key[..]).ignore();
            question.cmd("PEXPIRE").arg(&index).arg(longest).ignore();
        }
        self.ask(&question).await
    }

    async fn read(&self, key: &Hash) -> Result<Option<Vec<u8>>, SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("GET").arg(session_at(key));
        let [answer]: [Option<Vec<u8>>; 1] = self.ask(&question).await?;
        Ok(answer)
    }

    async fn swap(&self, key: &Hash, old: &[u8], new: &Kept) -> Result<bool, SessionsUnavailable> {
        let time = lasts(new.ends_at - new.now).to_string();
        self.run(SWAP, &session_at(key), &[old, &new.sealed, time.as_bytes()]).await
    }

    async fn delete(&self, key: &Hash) -> Result<(), SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("DEL").arg(session_at(key)).arg(turn_at(key)).ignore();
        self.ask(&question).await
    }

    async fn find(&self, whose: &Whose) -> Result<Vec<(Hash, Vec<u8>)>, SessionsUnavailable> {
        let index = match whose {
            Whose::Person(hash) => person_at(hash),
            Whose::ProviderSession(hash) => provider_session_at(hash),
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

    async fn take_turn(
        &self,
        key: &Hash,
        number: &[u8; 16],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let turn = format!("{}:{}", until.timestamp_millis(), hex(number));
        let (time, now) = (lasts(until - now).to_string(), now.timestamp_millis().to_string());
        let arguments = [now.as_bytes(), turn.as_bytes(), time.as_bytes()];
        self.run(TAKE_TURN, &turn_at(key), &arguments).await
    }

    async fn turn_is_taken(
        &self,
        key: &Hash,
        now: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let mut question = redis::pipe();
        question.cmd("GET").arg(turn_at(key));
        let [turn]: [Option<String>; 1] = self.ask(&question).await?;
        let end = turn.and_then(|turn| turn.split_once(':')?.0.parse::<i64>().ok());
        Ok(end.is_some_and(|end| end > now.timestamp_millis()))
    }

    async fn end_turn(&self, key: &Hash, number: &[u8; 16]) -> Result<(), SessionsUnavailable> {
        self.run(END_TURN, &turn_at(key), &[hex(number).as_bytes()]).await.map(|_| ())
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
        what: Hash,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let mut question = redis::pipe();
        let key = format!("portico:used:{}", hex(&what));
        question.cmd("SET").arg(key).arg(1).arg("NX").arg("PX").arg(lasts(until - now));
        let [answer]: [Option<String>; 1] = self.ask(&question).await?;
        Ok(answer.is_some())
    }
}
