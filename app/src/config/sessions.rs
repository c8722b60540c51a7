//! Where sessions are stored, for how long, and with which keys.

use chrono::TimeDelta;
use portico_adapters::sessions::RedisAddress;
use portico_domain::model::Lifetimes;

use super::{SecretKey, reader::Reader};

/// Where sessions are stored.
#[derive(Clone, Debug)]
pub enum Store {
    /// In the visitors' cookies.
    Cookie,
    /// In the database of `DATABASE_URL`.
    Database,
    /// In Redis.
    Redis(Box<RedisAddress>),
}

impl Store {
    /// The same store, which refuses servers on other machines that Redis names, unless TLS is used.
    pub(super) fn without_plaintext(self) -> Self {
        match self {
            Self::Redis(address) => Self::Redis(Box::new(address.without_plaintext())),
            other => other,
        }
    }
}

/// `SESSION_STORE` and `REDIS_URL`, which belong together. A cookie store where a problem was noted.
pub(super) fn store(read: &mut Reader) -> Store {
    let address = "redis://…, rediss://… or redis+sentinel://…";
    let kind = read.text("SESSION_STORE").unwrap_or_else(|| "cookie".into());
    if kind == "redis" {
        let url = read.required("REDIS_URL", address, |text| text.parse().ok());
        return url.map_or(Store::Cookie, |url| Store::Redis(Box::new(url)));
    }
    if read.text("REDIS_URL").is_some() {
        read.missing("REDIS_URL", "no value, because it is only used with SESSION_STORE=redis");
    }
    let store = read.parsed("SESSION_STORE", "cookie, database or redis", |kind| match kind {
        "cookie" => Some(Store::Cookie),
        "database" => Some(Store::Database),
        _ => None,
    });
    store.unwrap_or(Store::Cookie)
}

/// `SESSION_ROLLING_SECONDS` and `SESSION_ABSOLUTE_SECONDS`.
pub(super) fn lifetimes(read: &mut Reader) -> Lifetimes {
    Lifetimes {
        rolling: seconds(read, "SESSION_ROLLING_SECONDS", 86_400),
        absolute: seconds(read, "SESSION_ABSOLUTE_SECONDS", 604_800),
    }
}

fn seconds(read: &mut Reader, key: &'static str, default: u32) -> TimeDelta {
    let given = read.parsed(key, "a positive number of seconds", |text| {
        text.parse::<u32>().ok().filter(|seconds| *seconds > 0)
    });
    TimeDelta::seconds(i64::from(given.unwrap_or(default)))
}

/// `PREVIOUS_SECRET_KEYS`, the latest first.
pub(super) fn previous_keys(read: &mut Reader) -> Vec<SecretKey> {
    let expected = "keys as `portico secret` prints them, comma-separated";
    read.parsed("PREVIOUS_SECRET_KEYS", expected, |text| {
        text.split(',').map(SecretKey::parse).collect()
    })
    .unwrap_or_default()
}
