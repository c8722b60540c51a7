use std::{borrow::Cow, fmt, path::Path, str::FromStr};

use percent_encoding::percent_decode_str;
use portico_domain::ports::SessionsUnavailable;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    TlsCertificates, TlsMode,
    cluster::{ClusterClient, ClusterClientBuilder},
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use url::{Url, form_urlencoded};

use super::{
    super::super::unavailable,
    connection::{LIVENESS_TIMEOUT, tcp_settings},
    plaintext::LoopbackOnly,
};
use crate::tls;

/// Where a Sentinel listens unless the address says otherwise.
const SENTINEL_PORT: u16 = 26_379;

/// Attempts of the cluster client at one command: it follows redirections, and waits in between
/// while a replica takes over. The time limit of the request ends them.
const CLUSTER_RETRIES: u32 = 12;
/// Milliseconds between two of these attempts.
const CLUSTER_RETRY_WAIT: (u64, u64) = (20, 400);

/// The address of Redis, or of a server with the same protocol; `Debug` hides it, because it may
/// hold a password.
///
/// - `redis://[user:password@]host[:port][/number]`: one server. The only parameter is
///   `?protocol=resp3`.
/// - `redis://[user:password@]host[:port],host[:port]…`: a Redis Cluster, with some of its nodes.
/// - `redis+sentinel://[user:password@]host[:port],…/service[/number]`: the master of a service
///   that these Sentinels watch. `?sentinel_username=…&sentinel_password=…` are for the Sentinels,
///   user and password before the host for the servers.
///
/// `rediss` instead of `redis` means TLS, in all three, also to the Sentinels.
#[derive(Clone)]
pub struct RedisAddress {
    tls: bool,
    /// Whether servers on other machines may be used without TLS.
    allows_plaintext: bool,
    servers: Servers,
}

/// No address of Redis. The text never contains a part of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is malformed: {0}")]
pub struct InvalidRedisAddress(&'static str);

#[derive(Clone)]
enum Servers {
    One(ConnectionInfo),
    Cluster(Vec<ConnectionInfo>),
    Sentinels {
        addresses: Vec<ConnectionAddr>,
        /// User and password for the Sentinels.
        login: Login,
        service: String,
        /// User, password and number of the database.
        master: RedisConnectionInfo,
    },
}

#[derive(Clone, Default)]
struct Login {
    user: Option<String>,
    password: Option<String>,
}

/// What opens connections.
pub(super) enum Target {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
    /// Finds the current master whenever a connection is opened.
    Sentinel {
        client: Box<SentinelClient>,
        /// The service, where its master must be on this machine.
        local_service: Option<String>,
    },
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redis://…")
    }
}

impl FromStr for RedisAddress {
    type Err = InvalidRedisAddress;

    fn from_str(text: &str) -> Result<Self, InvalidRedisAddress> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (tls, sentinel) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => return Err(InvalidRedisAddress("redis://…, rediss://… is expected")),
        };
        if rest.contains('#') {
            return Err(InvalidRedisAddress("the check of certificates cannot be turned off"));
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (login, hosts) = match authority.rfind('@') {
            Some(end) => authority.split_at(end + 1),
            None => ("", authority),
        };
        let parts = Parts { scheme: if tls { "rediss" } else { "redis" }, login, tail };
        let hosts: Vec<&str> = hosts.split(',').collect();
        let servers = match (sentinel, &hosts[..]) {
            (true, hosts) => parts.sentinels(hosts)?,
            (false, [host]) => Servers::One(parts.server(host, tail)?),
            (false, hosts) => parts.cluster(hosts)?,
        };
        Ok(Self { tls, allows_plaintext: true, servers })
    }
}

/// An address without its hosts.
struct Parts<'a> {
    scheme: &'static str,
    /// Ends with `@` unless it is empty.
    login: &'a str,
    tail: &'a str,
}

impl Parts<'_> {
    fn server(&self, host: &str, tail: &str) -> Result<ConnectionInfo, InvalidRedisAddress> {
        let malformed = |_| InvalidRedisAddress("[user:password@]host[:port] is expected");
        if host.is_empty() {
            return Err(InvalidRedisAddress("a host is missing"));
        }
        // The client itself takes `-1`, and ignores parameters that it does not know.
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        if !path.strip_prefix('/').unwrap_or(path).bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidRedisAddress("the database is a number: /number"));
        }
        if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name != "protocol") {
            return Err(InvalidRedisAddress("a parameter is unknown"));
        }
        let info = format!("{}://{}{host}{tail}", self.scheme, self.login).into_connection_info();
        Ok(info.map_err(malformed)?.set_tcp_settings(tcp_settings()))
    }

    fn cluster(&self, hosts: &[&str]) -> Result<Servers, InvalidRedisAddress> {
        let nodes = hosts.iter().map(|host| self.server(host, self.tail));
        let nodes: Vec<_> = nodes.collect::<Result<_, _>>()?;
        if nodes.iter().any(|node| node.redis_settings().db() != 0) {
            return Err(InvalidRedisAddress("a Redis Cluster has no numbered databases"));
        }
        Ok(Servers::Cluster(nodes))
    }

    fn sentinels(&self, hosts: &[&str]) -> Result<Servers, InvalidRedisAddress> {
        let (path, query) = self.tail.split_once('?').unwrap_or((self.tail, ""));
        let mut segments = path.trim_start_matches('/').split('/');
        let service = segments.next().filter(|service| !service.is_empty());
        let service = service.map(|service| percent_decode_str(service).decode_utf8());
        let Some(Ok(service)) = service.map(|it| it.map(Cow::into_owned)) else {
            return Err(InvalidRedisAddress("the name of the service is missing: /service"));
        };
        let number = segments.next().unwrap_or_default();
        if segments.next().is_some() {
            return Err(InvalidRedisAddress("/service or /service/number is expected"));
        }
        let mut login = Login::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sentinel_username" => login.user = Some(value.into_owned()),
                "sentinel_password" => login.password = Some(value.into_owned()),
                _ => return Err(InvalidRedisAddress("a parameter is unknown")),
            }
        }
        let master = self.server("localhost", &format!("/{number}"))?;
        let addresses = hosts.iter().map(|host| self.sentinel(host));
        Ok(Servers::Sentinels {
            addresses: addresses.collect::<Result<_, _>>()?,
            login,
            service,
            master: master.redis_settings().clone(),
        })
    }

    fn sentinel(&self, host: &str) -> Result<ConnectionAddr, InvalidRedisAddress> {
        let url = Url::parse(&format!("{}://{host}", self.scheme));
        let has_port = url.is_ok_and(|url| url.port().is_some());
        let port = if has_port { String::new() } else { format!(":{SENTINEL_PORT}") };
        let sentinel = Parts { login: "", ..*self }.server(&format!("{host}{port}"), "")?;
        Ok(sentinel.addr().clone())
    }
}

impl RedisAddress {
    /// The same address, with which servers on other machines are refused where the scheme means no
    /// TLS, also those that a Sentinel or a cluster names.
    #[must_use]
    pub fn without_plaintext(mut self) -> Self {
        self.allows_plaintext = false;
        self
    }

    /// Whether the address is that of a Redis Cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Does not wait for a server.
    pub(super) fn open(&self, extra_roots: Option<&Path>) -> Result<Target, SessionsUnavailable> {
        let root_cert =
            self.tls.then(|| tls::trusted_as_pem(extra_roots)).transpose().map_err(unavailable)?;
        let certificates =
            root_cert.map(|root| TlsCertificates { client_tls: None, root_cert: Some(root) });
        // The client's error may quote a part of the address, and with it the password.
        self.target(certificates).map_err(|_| unavailable("the address cannot be used"))
    }

    fn target(&self, certificates: Option<TlsCertificates>) -> RedisResult<Target> {
        let is_local = !self.tls && !self.allows_plaintext;
        Ok(match (&self.servers, certificates) {
            (Servers::One(info), None) => Target::Server(Box::new(Client::open(info.clone())?)),
            (Servers::One(info), Some(certificates)) => {
                Target::Server(Box::new(Client::build_with_tls(info.clone(), certificates)?))
            }
            (Servers::Cluster(nodes), certificates) => {
                let (shortest, longest) = CLUSTER_RETRY_WAIT;
                let mut builder = ClusterClientBuilder::new(nodes.clone())
                    .tcp_settings(tcp_settings())
                    .connection_timeout(LIVENESS_TIMEOUT)
                    .response_timeout(LIVENESS_TIMEOUT)
                    .retries(CLUSTER_RETRIES)
                    .min_retry_wait(shortest)
                    .max_retry_wait(longest);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                if is_local {
                    builder = builder.async_dns_resolver(LoopbackOnly);
                }
                Target::Cluster(Box::new(builder.build()?))
            }
            (Servers::Sentinels { addresses, login, service, master }, certificates) => {
                let builder = SentinelClientBuilder::new(
                    addresses.iter().cloned(),
                    service,
                    SentinelServerType::Master,
                )?;
                let builder = for_sentinels(builder, login, tcp_settings());
                let mut builder = for_master(builder, master, tcp_settings());
                if let Some(certificates) = certificates {
                    builder = builder
                        .set_client_to_redis_tls_mode(TlsMode::Secure)
                        .set_client_to_redis_certificates(certificates.clone())
                        .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                        .set_client_to_sentinel_certificates(certificates);
                }
                Target::Sentinel {
                    client: Box::new(builder.build()?),
                    local_service: is_local.then(|| service.clone()),
                }
            }
        })
    }
}

fn for_sentinels(
    mut builder: SentinelClientBuilder,
    login: &Login,
    tcp: TcpSettings,
) -> SentinelClientBuilder {
    if let Some(user) = &login.user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &login.password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    builder.set_client_to_sentinel_tcp_settings(tcp)
}

fn for_master(
    mut builder: SentinelClientBuilder,
    settings: &RedisConnectionInfo,
    tcp: TcpSettings,
) -> SentinelClientBuilder {
    if let Some(user) = settings.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    builder.set_client_to_redis_db(settings.db()).set_client_to_redis_tcp_settings(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Servers {
        text.parse::<RedisAddress>().unwrap().servers
    }

    #[test]
    fn one_host_is_a_server_and_several_are_a_cluster() {
        assert!(matches!(servers("redis://u:p@[::1]:6379/3"), Servers::One(info)
            if info.redis_settings().db() == 3 && info.redis_settings().password() == Some("p")));
        let Servers::Cluster(nodes) = servers("rediss://u:p%40@a:7000,b,[::1]:7002") else {
            panic!("a cluster");
        };
        let addresses: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(addresses, ["a:7000", "b:6379", "::1:7002"]);
        assert!(nodes.iter().all(|node| node.redis_settings().password() == Some("p@")));
    }

    #[test]
    fn sentinels_have_a_service_and_credentials_of_their_own() {
        let address = "redis+sentinel://u:p@a,b:5000,[::1]/main%20one/2?sentinel_password=s%26t";
        let Servers::Sentinels { addresses, login, service, master } = servers(address) else {
            panic!("sentinels");
        };
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["a:26379", "b:5000", "::1:26379"]);
        assert_eq!((service.as_str(), master.db()), ("main one", 2));
        assert_eq!((master.username(), master.password()), (Some("u"), Some("p")));
        assert_eq!((login.user, login.password.as_deref()), (None, Some("s&t")));
    }

    #[test]
    fn opens_each_kind_with_and_without_tls() {
        for scheme in ["redis", "rediss"] {
            for rest in ["://:p@a/1", "://:p@a,b", "+sentinel://:p@a,b/main?sentinel_username=x"] {
                let address: RedisAddress = format!("{scheme}{rest}").parse().unwrap();
                assert!(address.open(None).is_ok(), "{scheme}{rest}");
            }
        }
    }

    #[test]
    fn refuses_anything_else() {
        for address in [
            "",
            "a.example:6379",
            "http://a.example",
            "redis:///2",
            "redis://a/two",
            "redis://a/-1",
            "redis://a/+1",
            "redis://a/0?password=hunter2",
            "redis://a,b?x=y",
            "redis://a,",
            "redis://a,b/1",
            "redis://:hunter2@a,b:port",
            "rediss://:hunter2@a/#insecure",
            "redis+sentinel://a,b",
            "redis+sentinel://a,b/",
            "redis+sentinel://a/main/two",
            "redis+sentinel://a/main/1/2",
            "redis+sentinel://a/main?password=hunter2",
        ] {
            let error = address.parse::<RedisAddress>().unwrap_err();
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
    }
}
