//! Locks for refreshing sessions that are kept in cookies, within this process, and the tokens that
//! recent refreshes replaced.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::model::{AccessToken, RefreshedTokens, Session, SessionChange, SessionId};
use tokio::{sync::watch, time::timeout};

/// How long to wait for another request's refresh.
pub(in crate::sessions) const LOCK_TIMEOUT: Duration = Duration::from_secs(12);

/// A lock that is not released expires after this time.
pub(in crate::sessions) const LOCK_LIFETIME: TimeDelta = TimeDelta::seconds(30);

/// For this time after a refresh a browser may send the cookies from before it: requests that were
/// under way, and responses that overtook each other.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// Number of sessions that one process remembers. Beyond it, requests with the cookies from before
/// a refresh are not helped.
const MAX_SESSIONS: usize = 10_000;

/// Number of replaced access tokens that are remembered for a session.
const MAX_REPLACED_TOKENS: usize = 10;

#[derive(Default)]
pub(super) struct RefreshLocks(Mutex<HashMap<SessionId, Slot>>);

struct Slot {
    /// Dropping the sender releases the lock; it also expires at this time.
    lock: Option<(watch::Sender<()>, DateTime<Utc>)>,
    /// The access tokens that were replaced, and the newest tokens.
    refreshed: Option<(Vec<AccessToken>, RefreshedTokens)>,
    used_at: DateTime<Utc>,
}

impl RefreshLocks {
    fn slots(&self) -> MutexGuard<'_, HashMap<SessionId, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True for the request that gets the lock; false for every other one, once it was released.
    pub(super) async fn acquire(&self, id: SessionId, now: DateTime<Utc>) -> bool {
        let mut released = {
            let mut slots = self.slots();
            if slots.len() >= MAX_SESSIONS {
                slots.retain(|_, slot| now - slot.used_at < OVERLAP);
            }
            let slot =
                slots.entry(id).or_insert(Slot { lock: None, refreshed: None, used_at: now });
            match &slot.lock {
                Some((lock, expires_at)) if *expires_at > now => lock.subscribe(),
                _ => {
                    slot.lock = Some((watch::Sender::new(()), now + LOCK_LIFETIME));
                    slot.used_at = now;
                    return true;
                }
            }
        };
        // The sender never sends: this ends when it is dropped, or with the timeout.
        let _ = timeout(LOCK_TIMEOUT, released.changed()).await;
        false
    }

    pub(super) fn release(&self, id: SessionId) {
        if let Some(slot) = self.slots().get_mut(&id) {
            slot.lock = None;
        }
    }

    /// Remembers the result of a refresh.
    pub(super) fn record(&self, before: &Session, refreshed: &RefreshedTokens, now: DateTime<Utc>) {
        let mut slots = self.slots();
        if slots.len() >= MAX_SESSIONS && !slots.contains_key(&before.id) {
            return;
        }
        let slot =
            slots.entry(before.id).or_insert(Slot { lock: None, refreshed: None, used_at: now });
        let mut replaced = slot.refreshed.take().map(|(replaced, _)| replaced).unwrap_or_default();
        replaced.push(before.tokens().access_token.clone());
        replaced.drain(..replaced.len().saturating_sub(MAX_REPLACED_TOKENS));
        slot.refreshed = Some((replaced, refreshed.clone()));
        slot.used_at = now;
    }

    /// The session after the refresh, if the browser sent it as it was before; `None` where it is
    /// up to date.
    pub(super) fn newer(&self, session: &Session, now: DateTime<Utc>) -> Option<Session> {
        let slots = self.slots();
        let slot = slots.get(&session.id).filter(|slot| now - slot.used_at < OVERLAP)?;
        let (replaced, refreshed) = slot.refreshed.as_ref()?;
        replaced
            .contains(&session.tokens().access_token)
            .then(|| session.clone().with(SessionChange::Refreshed(refreshed.clone())))
    }

    /// Forgets a session that has ended.
    pub(super) fn forget(&self, id: SessionId) {
        self.slots().remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use portico_contracts::fixtures;
    use rocket::futures::FutureExt;

    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn tokens(access_token: &str) -> RefreshedTokens {
        let mut tokens = fixtures::identity().tokens;
        tokens.access_token = AccessToken::new(access_token);
        RefreshedTokens { tokens, claims: None, permissions: None }
    }

    #[tokio::test]
    async fn one_request_gets_the_lock_and_others_wait_for_its_release() {
        let (locks, id) = (RefreshLocks::default(), fixtures::session().id);
        assert!(locks.acquire(id, START).await);
        let (mut one, mut two) = (pin!(locks.acquire(id, START)), pin!(locks.acquire(id, START)));
        assert!(one.as_mut().now_or_never().is_none() && two.as_mut().now_or_never().is_none());
        assert!(locks.acquire(SessionId::new([9; 32]), START).await, "of another session");

        locks.release(id);
        assert_eq!((one.await, two.await), (false, false));
        assert!(locks.acquire(id, START).await);
    }

    #[tokio::test]
    async fn unreleased_lock_expires() {
        let (locks, id) = (RefreshLocks::default(), fixtures::session().id);
        assert!(locks.acquire(id, START).await);
        assert!(locks.acquire(id, START + LOCK_LIFETIME).await);
        assert_eq!(locks.acquire(id, START + LOCK_LIFETIME).now_or_never(), None);
    }

    #[tokio::test]
    async fn ended_session_releases_waiting_requests() {
        let (locks, id) = (RefreshLocks::default(), fixtures::session().id);
        assert!(locks.acquire(id, START).await);
        let mut waiting = pin!(locks.acquire(id, START));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        locks.forget(id);
        assert!(!waiting.await);
    }

    #[test]
    fn replaced_tokens_are_recognised_for_ten_minutes() {
        let (locks, before) = (RefreshLocks::default(), fixtures::session());
        locks.record(&before, &tokens("newer"), START);
        let after = before.clone().with(SessionChange::Refreshed(tokens("newer")));
        let almost = START + OVERLAP - TimeDelta::seconds(1);
        assert_eq!(locks.newer(&before, almost), Some(after.clone()));
        assert_eq!(locks.newer(&before, START + OVERLAP), None);
        assert_eq!(locks.newer(&after, START), None);

        locks.record(&after, &tokens("newest"), START);
        for earlier in [&before, &after] {
            let newest = locks.newer(earlier, START).map(|session| session.identity.tokens);
            assert_eq!(newest, Some(tokens("newest").tokens));
        }
    }
}
