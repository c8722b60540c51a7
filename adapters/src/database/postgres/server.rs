use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use rustls::ClientConfig;
use tokio::time::timeout;
use tokio_postgres::{
    Config,
    config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    super::{CONNECT_TIMEOUT, DatabaseUnavailable},
    LIVENESS_TIMEOUT,
};

/// Silence after which the system probes a connection, and time that sent data may stay
/// unacknowledged.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The hosts of an address, and its TLS settings.
pub(super) struct Server {
    /// One for each host, in the order of the address.
    hosts: Vec<Config>,
    /// Time for one host to accept a session.
    timeout: Duration,
    /// The host that is tried first where the order of the address does not decide.
    first: AtomicUsize,
    tls: MakeRustlsConnect,
}

impl Server {
    pub(super) fn new(url: &str, tls: ClientConfig) -> Result<Self, DatabaseUnavailable> {
        // The parser's error may quote a part of the address, and with it the password.
        let malformed = || {
            let why = "the PostgreSQL address is malformed or holds an unknown parameter";
            DatabaseUnavailable(why.into())
        };
        let mut config: Config = with_known_sslmode(url).parse().map_err(|_| malformed())?;
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let fits = |length: usize, any: usize| length == count || length <= any;
        let one_each = fits(config.get_hosts().len(), 0)
            && fits(config.get_hostaddrs().len(), 0)
            && fits(config.get_ports().len(), 1);
        let Some(share) = u32::try_from(count).ok().filter(|share| one_each && *share > 0) else {
            return Err(malformed());
        };
        // All hosts must have been tried before a request gives up, which may already have spent
        // time on a silent connection of the pool.
        let limit = match share {
            1 => CONNECT_TIMEOUT,
            _ => CONNECT_TIMEOUT.saturating_sub(LIVENESS_TIMEOUT) / share,
        };
        let timeout = config.get_connect_timeout().copied().unwrap_or(limit);
        config.connect_timeout(timeout);
        // The default of two hours is no protection; an address that says otherwise is obeyed.
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(KEEP_ALIVE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(KEEP_ALIVE);
        }
        Ok(Self {
            hosts: (0..count).map(|number| only_host(&config, number)).collect(),
            timeout,
            first: AtomicUsize::new(0),
            tls: MakeRustlsConnect::new(tls),
        })
    }

    /// A session with the first host that accepts one. `tokio-postgres` itself would limit only the
    /// time of the TCP handshake, so that a host that hangs could hide the others.
    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let count = self.hosts.len();
        let is_chosen_by_role = self.hosts.iter().any(|host| {
            host.get_target_session_attrs() == TargetSessionAttrs::ReadWrite && count > 1
        });
        let is_balanced =
            self.hosts.iter().any(|host| host.get_load_balance_hosts() == LoadBalanceHosts::Random);
        let first = if is_chosen_by_role {
            self.first.load(Ordering::Relaxed)
        } else if is_balanced {
            self.first.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        };
        let mut errors = Vec::new();
        for number in (0..count).map(|offset| first.wrapping_add(offset) % count) {
            let attempt = timeout(self.timeout, self.connect_to(&self.hosts[number])).await;
            let error = match attempt {
                Ok(Ok(connection)) => {
                    // Its successors would otherwise wait for a dead host each time.
                    if is_chosen_by_role && self.first.swap(number, Ordering::Relaxed) != number {
                        log::warn!("postgresql: host {} of {count} accepts writes now", number + 1);
                    }
                    return Ok(connection);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".into(),
            };
            errors.push(if count == 1 { error } else { format!("host {}: {error}", number + 1) });
        }
        Err(ConnectionError::BadConnection(errors.join("; ")))
    }

    async fn connect_to(&self, host: &Config) -> ConnectionResult<AsyncPgConnection> {
        let bad = |error: tokio_postgres::Error| {
            // The text names only the kind; the cause is the source.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            ConnectionError::BadConnection(format!("{error}{}", cause.unwrap_or_default()))
        };
        let (client, mut connection) = host.connect(self.tls.clone()).await.map_err(bad)?;
        // Diesel prepares the statements that set the connection up. In one transaction a pooler
        // sends them to one server process.
        tokio::select! {
            begin = client.batch_execute("begin") => begin.map_err(bad)?,
            ended = &mut connection => {
                ended.map_err(bad)?;
                return Err(ConnectionError::BadConnection("the connection was closed".into()));
            }
        }
        let mut connection =
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
        connection
            .batch_execute("commit")
            .await
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }
}

/// The settings with one of their hosts.
fn only_host(all: &Config, number: usize) -> Config {
    let mut config = Config::new();
    match all.get_hosts().get(number) {
        Some(Host::Tcp(name)) => drop(config.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => drop(config.host_path(folder)),
        None => {}
    }
    all.get_hostaddrs().get(number).map(|address| config.hostaddr(*address));
    let ports = all.get_ports();
    ports.get(number).or(ports.first()).map(|port| config.port(*port));
    all.get_user().map(|user| config.user(user));
    all.get_password().map(|password| config.password(password));
    all.get_dbname().map(|name| config.dbname(name));
    all.get_options().map(|options| config.options(options));
    all.get_application_name().map(|name| config.application_name(name));
    all.get_connect_timeout().map(|time| config.connect_timeout(*time));
    all.get_tcp_user_timeout().map(|time| config.tcp_user_timeout(*time));
    all.get_keepalives_interval().map(|time| config.keepalives_interval(time));
    all.get_keepalives_retries().map(|count| config.keepalives_retries(count));
    config
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding())
        .load_balance_hosts(all.get_load_balance_hosts())
        .clone()
}

/// See [`super::super::is_plaintext`].
pub(crate) fn is_plaintext(url: &str) -> bool {
    let Ok(config) = with_known_sslmode(url).parse::<Config>() else { return false };
    let is_local = |name: &str| {
        name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    };
    let addresses = config.get_hostaddrs();
    let is_remote = if addresses.is_empty() {
        // A socket in the file system is no name.
        config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if !is_local(name)))
    } else {
        addresses.iter().any(|address| !address.is_loopback())
    };
    is_remote && config.get_ssl_mode() != SslMode::Require
}

/// `tokio-postgres` does not know the values `verify-ca` and `verify-full` of libpq. They mean the
/// same as `require` here, because certificates are always verified.
fn with_known_sslmode(url: &str) -> String {
    let Some((address, parameters)) = url.split_once('?') else {
        return url.into();
    };
    let parse = |parameter| match parameter {
        "sslmode=verify-ca" | "sslmode=verify-full" => "sslmode=require",
        other => other,
    };
    let parameters: Vec<_> = parameters.split('&').map(parse).collect();
    format!("{address}?{}", parameters.join("&"))
}
