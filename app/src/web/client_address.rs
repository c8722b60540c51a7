//! The address of the client that sent a request, in one spelling, also behind proxies.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::{IpNet, Ipv4Net};
use rocket::Request;

use crate::About;

/// The header that proxies append the address of their client to. `Forwarded` (RFC 7239) is not
/// read: a proxy that writes one of the two passes the other on as the client sent it.
const HEADER: &str = "X-Forwarded-For";

/// The IP address of a client. An IPv4 address that is mapped into IPv6 (RFC 4291, section 2.5.5.2)
/// is the IPv4 address, so that equal clients compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ClientAddress {
    /// The address, IPv4 where it is one.
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// The address of the request's client. `None` where the connection has none.
    ///
    /// Each proxy appends the address of its client. Only entries of trusted proxies count, so the client
    /// is the last address that is no trusted proxy.
    pub fn of(request: &Request<'_>) -> Option<Self> {
        let peer = request.remote()?.ip();
        let none = TrustedProxies::default();
        let proxies =
            request.rocket().state::<About>().map_or(&none, |about| &about.trusted_proxies);
        let forwarded = request.headers().get(HEADER).collect::<Vec<_>>().join(",");
        Some(Self::behind(peer.into(), &forwarded, proxies))
    }

    fn behind(peer: Self, forwarded: &str, proxies: &TrustedProxies) -> Self {
        let mut client = peer;
        for part in forwarded.rsplit(',') {
            if !proxies.contains(client) {
                break;
            }
            match Self::parse(part.trim()) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }

    /// An address as proxies write it: `203.0.113.7`, `2001:db8::7`, `[2001:db8::7]`, the first and
    /// the last also with a port.
    fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let address = match bare {
            Some(bare) => IpAddr::V6(bare.parse().ok()?),
            None => text
                .parse()
                .or_else(|_| text.parse().map(|address: SocketAddr| address.ip()))
                .ok()?,
        };
        Some(address.into())
    }
}

/// `TRUSTED_PROXIES`: the networks of the proxies whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every address of IPv4 or IPv6 is trusted.
    pub(crate) fn include_everybody(&self) -> bool {
        self.0.iter().any(|network| network.prefix_len() == 0)
    }

    /// Networks (`10.0.0.0/8`) and single addresses, separated by commas. `None` where one of them is
    /// neither.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').map(|part| network(part.trim())).collect::<Option<_>>().map(Self)
    }

    /// Whether the address belongs to a trusted proxy.
    pub fn contains(&self, address: ClientAddress) -> bool {
        self.0.iter().any(|network| network.contains(&address.0))
    }
}

/// A network in the same spelling as the addresses: `::ffff:10.0.0.0/104` is `10.0.0.0/8`. A wider
/// IPv6 network holds IPv6 addresses only.
fn network(text: &str) -> Option<IpNet> {
    let network =
        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    let (IpAddr::V4(address), IpNet::V6(mapped)) = (network.addr().to_canonical(), network) else {
        return Some(network);
    };
    let Some(length) = mapped.prefix_len().checked_sub(96) else { return Some(network) };
    Ipv4Net::new(address, length).ok().map(IpNet::V4)
}

#[cfg(test)]
mod tests {
    use portico_domain::model::{AuthorizationParameters, LinkParameters};

    use super::*;

    fn ip(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn reads_forwarded_address_from_trusted_proxies_only() {
        let proxies = TrustedProxies::parse("10.0.0.0/8").unwrap();
        let client = |peer, forwarded| ClientAddress::behind(ip(peer), forwarded, &proxies);
        assert_eq!(client("203.0.113.9", "198.51.100.1"), ip("203.0.113.9"));
        assert_eq!(client("10.0.0.1", "198.51.100.1"), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2"), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.1", "6.6.6.6, 198.51.100.1:1, 10.0.0.2:2"), ip("198.51.100.1"));
        assert_eq!(client("::ffff:10.0.0.1", "::ffff:198.51.100.1"), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.1", "6.6.6.6, unknown, 10.0.0.2"), ip("10.0.0.2"));
        assert_eq!(client("10.0.0.1", "10.0.0.3"), ip("10.0.0.3"));
        assert_eq!(client("10.0.0.1", ""), ip("10.0.0.1"));
        assert_eq!(client("10.0.0.1", "nonsense"), ip("10.0.0.1"));
        let none = TrustedProxies::default();
        assert_eq!(ClientAddress::behind(ip("::1"), "6.6.6.6", &none), ip("::1"));
    }

    #[test]
    fn reads_all_headers_of_request_from_trusted_proxy_only() {
        let about = About {
            development: false,
            https: true,
            provider_origin: String::new(),
            trusted_proxies: TrustedProxies::parse("10.0.0.0/8").unwrap(),
            origin: String::new(),
            link_parameters: LinkParameters::default(),
            sign_up_parameters: AuthorizationParameters::default(),
        };
        let rocket = rocket::custom(rocket::Config::default()).manage(about);
        let client = rocket::local::blocking::Client::untracked(rocket).unwrap();
        let of = |peer: &str| {
            let mut request = client.get("/").remote(peer.parse().unwrap());
            for (name, value) in [
                ("X-Forwarded-For", "6.6.6.6, [2001:db8::7]:51008"),
                ("X-Forwarded-For", "10.0.0.2:80"),
                ("X-Real-IP", "6.6.6.6"),
                ("Forwarded", "for=6.6.6.6"),
            ] {
                request.add_header(rocket::http::Header::new(name, value));
            }
            ClientAddress::of(request.inner())
        };
        assert_eq!(of("10.0.0.1:1024"), Some(ip("2001:db8::7")));
        assert_eq!(of("[::ffff:10.0.0.1]:1024"), Some(ip("2001:db8::7")));
        assert_eq!(of("203.0.113.9:1024"), Some(ip("203.0.113.9")));
        assert_eq!(ClientAddress::of(client.get("/").inner()), None);
    }

    #[test]
    fn reads_addresses_as_proxies_write_them() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:51008", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("2001:DB8:0::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:51008", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:cb00:7107", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:51008", "203.0.113.7"),
        ] {
            let parsed = ClientAddress::parse(text).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), Some(address), "{text}");
        }
        for refused in [
            "",
            "unknown",
            "_hidden",
            "203.0.113.7:",
            "203.0.113.7:99999",
            "203.0.113.07",
            "[203.0.113.7]",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]51008",
            "[]",
            "for=203.0.113.7",
            "host.example",
        ] {
            assert_eq!(ClientAddress::parse(refused), None, "{refused}");
        }
    }

    #[test]
    fn networks_contain_addresses_in_each_spelling() {
        for (networks, held, other) in [
            ("10.0.0.0/8", "10.1.2.3", "11.0.0.1"),
            ("10.0.0.0/8, 192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("::ffff:0:0/96", "203.0.113.7", "2001:db8::7"),
            ("2001:db8::/32", "2001:db8::7", "2001:db9::7"),
            ("::/0", "2001:db8::7", "203.0.113.7"),
        ] {
            let proxies = TrustedProxies::parse(networks).unwrap();
            assert!(proxies.contains(ip(held)), "{networks}");
            assert!(!proxies.contains(ip(other)), "{networks}");
        }
        for refused in ["", "10.0.0.0/33", "10.0.0.0/8,", "proxy.example", "10.0.0.1:80"] {
            assert_eq!(TrustedProxies::parse(refused), None, "{refused}");
        }
    }
}
