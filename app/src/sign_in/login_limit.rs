//! The limit on log-ins begun by one address: each one costs a request at the provider, or a page there.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
};

use crate::{
    metrics::Metrics,
    web::{Failure, client_address::ClientAddress},
};

/// Log-ins that one address may begin at once.
const BURST: u32 = 60;

/// Time until an address may begin one more.
const INTERVAL: Duration = Duration::from_secs(1);

/// Slots that may hold one address.
const SLOTS: usize = 8;

/// Sets of slots in the table: 32,768 addresses in 512 KiB.
const SETS: usize = 4_096;

/// Counts log-ins by address with the generic cell rate algorithm, in a table of a fixed size. Where
/// more addresses come than it holds, those that have begun the fewest are forgotten first, so that an
/// address that is refused stays refused.
pub(crate) struct LoginLimit {
    table: Mutex<Box<[[Slot; SLOTS]]>>,
    /// Random, so that nobody can choose addresses that share a set.
    hashes: RandomState,
    start: Instant,
}

/// An address, as its hash, and when its allowance is complete again, since the start of the table.
#[derive(Clone, Copy, Default)]
struct Slot {
    address: u64,
    complete_at: u64,
}

impl Default for LoginLimit {
    fn default() -> Self {
        Self {
            table: Mutex::new(vec![[Slot::default(); SLOTS]; SETS].into_boxed_slice()),
            hashes: RandomState::new(),
            start: Instant::now(),
        }
    }
}

impl LoginLimit {
    /// Counts a log-in of this address.
    ///
    /// # Errors
    /// The time to wait where the address has begun too many. Such a log-in is not counted.
    fn count(&self, address: ClientAddress, now: Instant) -> Result<(), Duration> {
        let now = millis(now.saturating_duration_since(self.start));
        let hash = self.hashes.hash_one(network(address));
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let set = usize::try_from(hash % SETS as u64).unwrap_or_default();
        let slots = &mut table[set];
        let index = match slots.iter().position(|slot| slot.address == hash) {
            Some(index) => index,
            None => {
                let oldest = slots.iter().enumerate().min_by_key(|(_, slot)| slot.complete_at);
                let index = oldest.map_or(0, |(index, _)| index);
                slots[index] = Slot { address: hash, complete_at: now };
                index
            }
        };
        let slot = &mut slots[index];
        let complete_at = slot.complete_at.max(now) + millis(INTERVAL);
        match complete_at.saturating_sub(now + millis(INTERVAL * BURST)) {
            0 => {
                slot.complete_at = complete_at;
                Ok(())
            }
            wait => Err(Duration::from_millis(wait)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What one subscriber has: an IPv4 address, or 64 bits of an IPv6 address (RFC 6177).
fn network(address: ClientAddress) -> IpAddr {
    match address.ip() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
        address => address,
    }
}

/// A request that begins a log-in, counted for its client's address.
pub(super) struct CountedLogin(Result<(), TooMany>);

struct TooMany {
    address: ClientAddress,
    wait: Duration,
}

impl CountedLogin {
    /// # Errors
    /// The page with status 429 where the address has begun too many log-ins.
    #[expect(clippy::result_large_err, reason = "a page is made for a refused log-in only")]
    pub(super) fn allow(self, metrics: &Metrics) -> Result<(), Failure> {
        self.0.map_err(|TooMany { address, wait }| {
            metrics.login_limited();
            Failure::new(
                Status::TooManyRequests,
                "Too many log-ins",
                "Too many log-ins were begun from your network within a minute.",
                "Wait a few seconds, then log in again. If it happens again, contact the operators of this site and give them the reference.",
            )
            .with_action("Home page", "/")
            .with_retry_after(wait)
            .caused_by(format_args!(
                "{address} began more than {BURST} log-ins in a minute; if it is a proxy, add it to TRUSTED_PROXIES"
            ))
        })
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for CountedLogin {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let Some(limit) = request.rocket().state::<LoginLimit>() else {
            return Outcome::Error((Status::InternalServerError, ()));
        };
        // Only a request that did not come over a network has none.
        let Some(address) = ClientAddress::of(request) else {
            return Outcome::Success(Self(Ok(())));
        };
        let counted = limit.count(address, Instant::now());
        Outcome::Success(Self(counted.map_err(|wait| TooMany { address, wait })))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn of(address: &str) -> ClientAddress {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn allows_a_burst_and_then_one_a_second() {
        let limit = LoginLimit::default();
        let (address, start) = (of("203.0.113.7"), limit.start);
        for _ in 0..BURST {
            assert_eq!(limit.count(address, start), Ok(()));
        }
        for _ in 0..3 {
            assert_eq!(limit.count(address, start), Err(INTERVAL), "a refused one costs nothing");
        }
        assert_eq!(limit.count(of("203.0.113.8"), start), Ok(()));
        assert_eq!(limit.count(address, start + INTERVAL / 2), Err(INTERVAL / 2));
        assert_eq!(limit.count(address, start + INTERVAL), Ok(()));
        assert_eq!(limit.count(address, start + INTERVAL), Err(INTERVAL));
        let later = start + INTERVAL * (BURST + 10);
        for _ in 0..BURST {
            assert_eq!(limit.count(address, later), Ok(()));
        }
        assert_eq!(limit.count(address, later), Err(INTERVAL), "no more than a burst is saved up");
    }

    #[test]
    fn counts_64_bits_of_an_ipv6_address() {
        let limit = LoginLimit::default();
        for number in 0..u64::from(BURST) {
            let address = IpAddr::V6(Ipv6Addr::from((0x2001_0db8_u128 << 96) | u128::from(number)));
            assert_eq!(limit.count(address.into(), limit.start), Ok(()));
        }
        assert!(limit.count(of("2001:db8::ffff:0:0:1"), limit.start).is_err());
        assert!(limit.count(of("2001:db8:0:1::1"), limit.start).is_ok());
    }

    #[test]
    fn many_addresses_need_no_more_memory_and_free_no_refused_one() {
        let limit = LoginLimit::default();
        let (refused, start) = (of("203.0.113.7"), limit.start);
        while limit.count(refused, start).is_ok() {}
        let size = || limit.table.lock().unwrap().len();
        let before = size();
        for number in 0..4 * (SETS * SLOTS) as u32 {
            let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number));
            assert_eq!(limit.count(address.into(), start), Ok(()));
        }
        assert_eq!(size(), before);
        assert!(limit.count(refused, start).is_err());
    }
}
