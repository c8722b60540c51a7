//! What `portico check` tries at Redis.

use portico_domain::{model::Check, ports::SessionsUnavailable};
use redis::{Value, cmd};

use super::{RedisBackend, SessionBackend};

pub(super) async fn examine(backend: &RedisBackend) -> Vec<Check> {
    let server = if backend.is_cluster { "Redis Cluster" } else { "Redis" };
    let writable = backend.check().await;
    let is_up = writable.is_ok()
        || writable.as_ref().is_err_and(|cause| cause.0.starts_with("Redis answered"));
    let mut checks =
        vec![Check::of("writable", format!("{server}: a value was written"), writable)];
    if is_up {
        checks.push(role(info(backend, "replication").await));
        checks.push(eviction_policy(info(backend, "memory").await));
    } else {
        checks.push(Check::skipped("role", "not tried, because of the failure"));
        checks.push(Check::skipped("eviction policy", "not tried, because of the failure"));
    }
    checks
}

type Info = Result<Vec<String>, SessionsUnavailable>;

fn role(info: Info) -> Check {
    const NAME: &str = "role";
    match info.map(|lines| values(&lines, "role")) {
        Ok(roles) if roles.is_empty() => Check::warning(NAME, "the server does not tell it"),
        // A cluster answers for its replicas, too: its masters are written by the other check.
        Ok(roles) if roles.iter().any(|role| role == "master") => Check::passed(NAME, "master"),
        Ok(_) => {
            let why = "a replica, which accepts no writes: REDIS_URL must lead to the master";
            Check::failed(NAME, why)
        }
        Err(cause) => unknown(NAME, &cause),
    }
}

fn eviction_policy(info: Info) -> Check {
    const NAME: &str = "eviction policy";
    match info.map(|lines| values(&lines, "maxmemory_policy")) {
        Ok(policies) if policies.is_empty() => {
            Check::warning(NAME, "the server does not tell it; set maxmemory-policy to noeviction")
        }
        Ok(policies) => match policies.iter().find(|policy| *policy != "noeviction") {
            None => Check::passed(NAME, "noeviction"),
            Some(other) => Check::failed(
                NAME,
                format!(
                    "{other}: Redis drops sessions, and the marks of used values, when its memory \
                     is full; set maxmemory-policy to noeviction"
                ),
            ),
        },
        Err(cause) => unknown(NAME, &cause),
    }
}

/// Access control lists may forbid `INFO`.
fn unknown(name: &'static str, cause: &SessionsUnavailable) -> Check {
    Check::warning(name, format!("cannot be read with INFO: {cause}"))
}

/// The lines of the section; of each node of a cluster.
async fn info(backend: &RedisBackend, section: &str) -> Info {
    let answer: Value = backend.query(cmd("INFO").arg(section)).await?;
    let mut lines = Vec::new();
    collect(&answer, &mut lines);
    Ok(lines)
}

fn collect(value: &Value, lines: &mut Vec<String>) {
    let mut add = |text: &str| lines.extend(text.lines().map(str::to_owned));
    match value {
        Value::BulkString(text) => add(&String::from_utf8_lossy(text)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => add(text),
        Value::Array(values) => values.iter().for_each(|value| collect(value, lines)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, lines)),
        _ => {}
    }
}

/// The values of this field: letters and hyphens only, so that a server cannot write anything else
/// into the result.
fn values(lines: &[String], field: &str) -> Vec<String> {
    let value = |line: &String| {
        Some(line.split_once(':').filter(|(name, _)| *name == field)?.1.trim().to_owned())
    };
    let is_word = |value: &String| value.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    lines.iter().filter_map(value).filter(is_word).collect()
}
