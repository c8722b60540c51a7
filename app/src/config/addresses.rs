//! Addresses among the settings. Lenient parsers make something of nearly any text: a host out of
//! `https:a.example`, a file called `portico.db?mode=ro`. What is written in another way than it is
//! read would go elsewhere than the operator meant, and is refused.

use std::path::PathBuf;

use url::{Host, Url};

/// The database. `Debug` shows the kind only.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.sqlite_file().is_some() { &self.0 } else { "postgres://…" })
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self("sqlite://portico.db".into())
    }
}

impl DatabaseUrl {
    pub(super) const EXPECTED: &str = "sqlite://<file>, without host and parameters, or \
         postgres://user:password@host:port/database, with %40, %2F, %3F and %25 for @, /, ? and % \
         in a name or password";

    pub(super) fn parse(text: &str) -> Option<Self> {
        let valid = match text.strip_prefix("sqlite://") {
            Some(file) => is_sqlite_file(file),
            None => ["postgres://", "postgresql://"]
                .iter()
                .find_map(|scheme| text.strip_prefix(scheme))
                .is_some_and(is_postgres_server),
        };
        (valid && !text.contains(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The address itself, with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The file, where the database is one.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        self.0.strip_prefix("sqlite://").map(PathBuf::from)
    }
}

/// `sqlite://` has no host: what looks like one would become a folder. SQLite itself takes a name
/// that begins with `file:` for an address.
fn is_sqlite_file(file: &str) -> bool {
    if file == ":memory:" {
        return true;
    }
    let (first, more) = file.split_once('/').map_or((file, false), |(first, _)| (first, true));
    let is_host = more && (first == "localhost" || first.parse::<std::net::IpAddr>().is_ok());
    let is_folder = file.is_empty() || file.ends_with('/');
    !is_folder && !is_host && !first.contains(['@', ':', '[']) && !file.contains(['?', '#', '%'])
}

/// `tokio-postgres` takes whatever stands before the first `@` for user and password, also in a
/// path or a parameter, and takes a `%` literally where no code follows.
fn is_postgres_server(rest: &str) -> bool {
    let (authority, more) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (_, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let has_port = |host: &str| {
        // An IPv6 address has colons within its brackets.
        let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
        let port = behind.split_once(':').map_or("", |(_, port)| port);
        port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let has_host = |host: &str| !host.is_empty() && !host.starts_with(':');
    let names_host = if hosts.is_empty() {
        more.contains("?host=") || more.contains("&host=")
    } else {
        hosts.split(',').all(|host| has_host(host) && has_port(host))
    };
    let escaped = |text: &str| {
        text.split('%').skip(1).all(|after| {
            after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit)
        })
    };
    authority.matches('@').count() <= 1 && !more.contains('@') && names_host && escaped(rest)
}

/// An `http` or `https` address whose host is the one that is written, without user and password.
/// `None` for any other text.
pub(super) fn web_address(text: &str) -> Option<Url> {
    let (authority, _) = split(text)?;
    let url = Url::parse(text).ok()?;
    let host = match authority.rsplit_once(':') {
        // Not a colon of an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    let as_written = match url.host()? {
        // Not `127.1` or `0x7f000001`.
        Host::Ipv4(ip) => host == ip.to_string(),
        Host::Ipv6(_) => true,
        Host::Domain(_) => !host.contains('%'),
    };
    (as_written && url.port() != Some(0)).then_some(url)
}

/// Authority and what follows it. `None` for what the parser would repair.
fn split(text: &str) -> Option<(&str, &str)> {
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    (is_web && !authority.is_empty() && !authority.contains('@')).then_some((authority, rest))
}

/// `PUBLIC_URL`: an origin.
pub(super) fn public_url(text: &str) -> Option<Url> {
    let (_, rest) = split(text)?;
    web_address(text).filter(|_| matches!(rest, "" | "/"))
}

/// `API_SERVER_URL`: paths are appended to it, so that it has neither query nor fragment; nor segments
/// that lead upwards, which the parser removes.
pub(super) fn api_address(text: &str) -> Option<String> {
    let (_, path) = split(text)?;
    let is_dots = |segment: &str| {
        matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
    };
    let url = web_address(text).filter(|_| !path.split('/').any(is_dots))?;
    let extendable = url.query().is_none() && url.fragment().is_none();
    extendable.then(|| url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_is_named_by_address() {
        for taken in [
            "sqlite://portico.db",
            "sqlite://data/portico.db",
            "sqlite://./a:b@c.db",
            "sqlite:///var/lib/portico.db",
            "sqlite://:memory:",
            "postgres://db",
            "postgres://u:p@db:5432/portico",
            "postgresql://u:p%40%2f%3F%25@[::1]:5432/portico?sslmode=require",
            "postgres://u:p#1$@one.example:1,two.example:2/portico?target_session_attrs=read-write",
            "postgres://%2Frun%2Fpostgresql/portico",
            "postgres:///portico?user=u&host=/run/postgresql",
        ] {
            let url = DatabaseUrl::parse(taken);
            assert_eq!(url.as_ref().map(DatabaseUrl::expose), Some(taken));
        }
        for refused in [
            "",
            "portico.db",
            "sqlite:portico.db",
            "sqlite:/portico.db",
            "sqlite://",
            "sqlite:///",
            "sqlite://data/",
            "SQLite://portico.db",
            "sqlite3://portico.db",
            "sqlite://portico.db?mode=ro",
            "sqlite://portico.db#main",
            "sqlite://my%20portico.db",
            "sqlite://localhost/portico.db",
            "sqlite://127.0.0.1/portico.db",
            "sqlite://user@db.example/portico.db",
            "sqlite://db.example:5432/portico.db",
            "sqlite://file:portico.db",
            "sqlite://sqlite://portico.db",
            "sqlite://a\nb.db",
            "mysql://db/portico",
            "postgres:db",
            "postgres:/db",
            "postgres://",
            "postgres:///portico",
            "postgres://u:p@/portico",
            "postgres://:5432/portico",
            "postgres://db:70000/portico",
            "postgres://db:0/portico",
            "postgres://db:54x32/portico",
            "postgres://[::1]:x/portico",
            "postgres://one:1,two:x/portico",
            "postgres://one,,two/portico",
            "postgres://u:p@ss@db/portico",
            "postgres://u:p/w@db/portico",
            "postgres://u:p?w@db/portico",
            "postgres://db/portico@other",
            "postgres://db/portico?application_name=a@b",
            "postgres://u:50%off@db/portico",
            "postgres://u:100%@db/portico",
            "postgres://u:%é@db/portico",
        ] {
            assert!(DatabaseUrl::parse(refused).is_none(), "{refused}");
        }
    }

    #[test]
    fn public_url_is_an_origin_as_written() {
        for (text, origin) in [
            ("https://a.example", "https://a.example/"),
            ("https://A.example:443/", "https://a.example/"),
            ("HTTPS://a.example", "https://a.example/"),
            ("http://127.0.0.1:4040", "http://127.0.0.1:4040/"),
            ("http://[::1]:4040", "http://[::1]:4040/"),
            ("http://[::1]", "http://[::1]/"),
            ("https://bücher.example", "https://xn--bcher-kva.example/"),
        ] {
            assert_eq!(public_url(text).as_ref().map(Url::as_str), Some(origin), "{text}");
        }
        for refused in [
            "",
            "a.example",
            "a.example:443",
            "ftp://a.example",
            "https:a.example",
            "https:/a.example",
            "https:///a.example",
            "https:\\\\a.example",
            "https://a.example\\b",
            "https://a.exa\tmple",
            "https://a .example",
            "https://a%2Eexample",
            "https://user@a.example",
            "https://@a.example",
            "https://:@a.example",
            "https://u:p@a.example",
            "https://127.1",
            "https://2130706433",
            "https://0x7f.0.0.1",
            "https://1.2.3.4.5",
            "https://[::1",
            "https://a.example:70000",
            "https://a.example:0",
            "https://a.example:x",
            "https://a.example/path",
            "https://a.example/.",
            "https://a.example/x/..",
            "https://a.example//",
            "https://a.example/?q",
            "https://a.example?",
            "https://a.example#",
        ] {
            assert_eq!(public_url(refused), None, "{refused}");
        }
    }

    #[test]
    fn api_address_can_be_extended() {
        for (text, address) in [
            ("http://127.0.0.1:6060", "http://127.0.0.1:6060"),
            ("http://api.example/", "http://api.example"),
            ("https://api.example/v1/", "https://api.example/v1"),
            ("https://bücher.example/é", "https://xn--bcher-kva.example/%C3%A9"),
        ] {
            assert_eq!(api_address(text).as_deref(), Some(address));
        }
        for refused in [
            "api.example",
            "http:api.example",
            "http://api.example/?v=1",
            "http://api.example/#v1",
            "http://u:p@api.example",
            "http://api.example/v1/../v2",
            "http://api.example/v1/%2e%2E/v2",
            "http://api.example/.%2e",
            "http://api.example/./v1",
            "unix:/run/api.sock",
        ] {
            assert_eq!(api_address(refused), None, "{refused}");
        }
    }
}
