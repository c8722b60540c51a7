//! Addresses that lead to another machine without TLS. Tokens, sessions and passwords would travel in
//! the clear.

use portico_adapters::database;
use url::Host;

use super::reader::Reader;

/// What the settings say of such addresses.
pub(super) struct Plaintext {
    /// The keys of those that lead to another machine without TLS.
    pub(super) keys: Vec<&'static str>,
    /// Whether servers may be used so.
    pub(super) is_allowed: bool,
}

/// Finds such addresses. Outside the debug profile each is noted as a problem, unless
/// `ALLOW_PLAINTEXT` is true. The issuer has a check of its own, which that setting does not lift:
/// OpenID Connect requires TLS.
pub(super) fn read(read: &mut Reader, debug_profile: bool) -> Plaintext {
    let allowed = read.parsed("ALLOW_PLAINTEXT", "true or false", |text| text.parse::<bool>().ok());
    let is_allowed = debug_profile || allowed == Some(true);
    let mut found = Vec::new();
    let mut note = |key, is_plaintext: fn(&str) -> bool, secure: &str| {
        if !read.text(key).is_some_and(|address| is_plaintext(&address)) {
            return;
        }
        found.push(key);
        if !is_allowed {
            read.refuse(
                key,
                &format!(
                    "{secure}, because this address leads to another machine without TLS, or \
                     ALLOW_PLAINTEXT=true where the network between is trusted"
                ),
            );
        }
    };
    note("DATABASE_URL", database::is_plaintext, "sslmode=require");
    let redis =
        |address: &str| ["redis", "redis+sentinel"].iter().any(|scheme| is_remote(address, scheme));
    note("REDIS_URL", redis, "rediss:// or rediss+sentinel://");
    note("API_SERVER_URL", |address| is_remote(address, "http"), "https://");
    note("OIDC_DISCOVERY_URL", |address| is_remote(address, "http"), "https://");
    Plaintext { keys: found, is_allowed }
}

/// Whether an address with this scheme names a host that is not this machine. An address may name
/// several, separated by commas.
fn is_remote(address: &str, scheme: &str) -> bool {
    let rest = match address.split_once("://") {
        Some((found, rest)) if found.eq_ignore_ascii_case(scheme) => rest,
        _ => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    hosts.split(',').any(|host| {
        let name = match host.rfind(']') {
            Some(end) => &host[..=end],
            None => host.split(':').next().unwrap_or_default(),
        };
        !is_loopback(name)
    })
}

fn is_loopback(name: &str) -> bool {
    match Host::parse(name) {
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback(),
        Ok(Host::Domain(name)) => name == "localhost",
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Problem, Problems, Settings};

    const RELEASE: [(&str, &str); 4] = [
        ("ROCKET_PROFILE", "release"),
        ("ROCKET_SECRET_KEY", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="),
        ("OIDC_ISSUER_URL", "https://id.example"),
        ("OIDC_CLIENT_ID", "portico"),
    ];

    fn release(more: &[(&str, &str)]) -> Result<Settings, Problems> {
        Settings::from_pairs(RELEASE.iter().chain(more).copied())
    }

    fn only_problem(more: &[(&str, &str)]) -> Problem {
        let [problem] = <[Problem; 1]>::try_from(release(more).unwrap_err().0).unwrap();
        problem
    }

    const REDIS: (&str, &str) = ("SESSION_STORE", "redis");

    #[test]
    fn release_refuses_unencrypted_connections_to_other_machines() {
        for parameters in ["", "?sslmode=prefer", "?sslmode=disable", "?connect_timeout=3"] {
            let url = format!("postgres://jo:hunter2@db.example/portico{parameters}");
            let problem = only_problem(&[("DATABASE_URL", &url)]);
            assert_eq!(problem.key, "DATABASE_URL");
            let text = problem.to_string();
            assert!(text.contains("sslmode=require") && text.contains("ALLOW_PLAINTEXT=true"));
            assert!(text.contains("without TLS") && !text.contains("hunter2"), "{text}");
        }
        for address in [
            "postgres://127.0.0.1,db.example/portico",
            "postgres://jo@127.0.0.1:5432,10.0.0.1:5432/portico?target_session_attrs=read-write",
            "postgres://%2Frun%2Fpostgresql,db.example/portico?sslmode=prefer",
            "postgres:///portico?host=localhost,db.example",
            "postgres://localhost/portico?hostaddr=10.0.0.1",
        ] {
            assert_eq!(only_problem(&[("DATABASE_URL", address)]).key, "DATABASE_URL");
        }
        for (pairs, key) in [
            (vec![REDIS, ("REDIS_URL", "redis://cache.example")], "REDIS_URL"),
            (vec![REDIS, ("REDIS_URL", "redis://jo:p@ss@10.0.0.1:6379/1")], "REDIS_URL"),
            (vec![REDIS, ("REDIS_URL", "redis://127.0.0.1,cache.example:7001")], "REDIS_URL"),
            (vec![REDIS, ("REDIS_URL", "redis+sentinel://:p@a.example/main")], "REDIS_URL"),
            (vec![REDIS, ("REDIS_URL", "redis+sentinel://[::1],10.0.0.1/main")], "REDIS_URL"),
            (vec![("API_SERVER_URL", "http://api.example/v1")], "API_SERVER_URL"),
            (vec![("API_SERVER_URL", "http://[fd00::1]:6060")], "API_SERVER_URL"),
            (vec![("API_SERVER_URL", "http://localhost.example")], "API_SERVER_URL"),
            (vec![("API_SERVER_URL", "HTTP://api.example")], "API_SERVER_URL"),
            (vec![("OIDC_DISCOVERY_URL", "http://keycloak:8080/metadata")], "OIDC_DISCOVERY_URL"),
        ] {
            assert_eq!(only_problem(&pairs).key, key, "{pairs:?}");
        }
    }

    #[test]
    fn allow_plaintext_permits_unencrypted_connections() {
        let plain = [
            ("DATABASE_URL", "postgres://db.example/portico"),
            REDIS,
            ("REDIS_URL", "redis://cache.example"),
            ("API_SERVER_URL", "http://api.example"),
            ("OIDC_DISCOVERY_URL", "http://keycloak:8080/metadata"),
        ];
        assert_eq!(release(&plain).unwrap_err().0.len(), 4);
        let denied = [&plain[..], &[("ALLOW_PLAINTEXT", "false")]].concat();
        assert_eq!(release(&denied).unwrap_err().0.len(), 4);
        let allowed = [&plain[..], &[("ALLOW_PLAINTEXT", "true")]].concat();
        let keys = ["DATABASE_URL", "REDIS_URL", "API_SERVER_URL", "OIDC_DISCOVERY_URL"];
        assert_eq!(release(&allowed).unwrap().plaintext, keys);
        // The debug profile only warns.
        let debug = [&plain[..], &RELEASE[2..], &[("ROCKET_PROFILE", "debug")]].concat();
        assert_eq!(Settings::from_pairs(debug).unwrap().plaintext, keys);
        assert_eq!(only_problem(&[("ALLOW_PLAINTEXT", "perhaps")]).key, "ALLOW_PLAINTEXT");
    }

    #[test]
    fn encrypted_and_local_connections_need_no_permission() {
        for address in [
            "sqlite://portico.db",
            "postgres://db.example/portico?sslmode=require",
            "postgres://db.example/portico?sslmode=verify-full",
            "postgres://jo@127.0.0.1/portico",
            "postgres://localhost:5433/portico?sslmode=disable",
            "postgres://jo@%2Fvar%2Frun%2Fpostgresql/portico",
            "postgres://127.0.0.1:1,localhost:2,[::1]:3/portico?target_session_attrs=read-write",
            "postgres://one.example,two.example/portico?sslmode=verify-full",
        ] {
            assert!(release(&[("DATABASE_URL", address)]).is_ok(), "{address}");
        }
        for address in [
            "rediss://cache.example",
            "rediss://cache.example,cache2.example",
            "rediss+sentinel://cache.example/main",
            "redis://127.0.0.1:6380/2",
            "redis://u:p@[::1]",
            "redis://127.0.0.1:7001,localhost:7002",
            "redis+sentinel://127.0.0.1:5000,[::1]:5000/main",
        ] {
            assert!(release(&[REDIS, ("REDIS_URL", address)]).is_ok(), "{address}");
        }
        for address in ["https://api.example", "http://localhost:6060", "http://127.9.9.9"] {
            assert!(release(&[("API_SERVER_URL", address)]).is_ok(), "{address}");
            assert!(release(&[("OIDC_DISCOVERY_URL", address)]).is_ok(), "{address}");
        }
    }
}
