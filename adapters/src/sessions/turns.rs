//! Whose turn it is to refresh a session that is kept in cookies, within this process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::model::{AccessToken, Change, RefreshedTokens, Session, SessionId};
use tokio::{sync::watch, time::timeout};

/// Requests wait so long for the one that has the turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

/// A turn that nobody gives back ends after this.
pub(super) const TURN: TimeDelta = TimeDelta::seconds(30);

/// A browser may come with the cookies from before a refresh for so long: requests that were under
/// way, and an answer that overtook another.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// More sessions than this are not refreshed within [`OVERLAP`] by one process in earnest; the
/// rest go without the help.
const MOST: usize = 10_000;

/// So many earlier tokens of a session are remembered, for access tokens that last a minute.
const REPLACED: usize = 10;

#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<SessionId, Slot>>);

struct Slot {
    /// Until when somebody has the turn. Its end is the end of the sender.
    turn: Option<(watch::Sender<()>, DateTime<Utc>)>,
    /// Which access tokens were replaced, and by what in the end.
    refreshed: Option<(Vec<AccessToken>, RefreshedTokens)>,
    touched_at: DateTime<Utc>,
}

impl Turns {
    fn slots(&self) -> MutexGuard<'_, HashMap<SessionId, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True for the one whose turn it is; false for all others, once it is over.
    pub(super) async fn take(&self, id: SessionId, now: DateTime<Utc>) -> bool {
        let mut over = {
            let mut slots = self.slots();
            if slots.len() >= MOST {
                slots.retain(|_, slot| now - slot.touched_at < OVERLAP);
            }
            let slot =
                slots.entry(id).or_insert(Slot { turn: None, refreshed: None, touched_at: now });
            match &slot.turn {
                Some((turn, until)) if *until > now => turn.subscribe(),
                _ => {
                    slot.turn = Some((watch::Sender::new(()), now + TURN));
                    slot.touched_at = now;
                    return true;
                }
            }
        };
        // The sender never sends: this ends when it does, or when patience does.
        let _ = timeout(PATIENCE, over.changed()).await;
        false
    }

    pub(super) fn end(&self, id: SessionId) {
        if let Some(slot) = self.slots().get_mut(&id) {
            slot.turn = None;
        }
    }

    /// Remembers what a refresh made of the session.
    pub(super) fn note(&self, before: &Session, refreshed: &RefreshedTokens, now: DateTime<Utc>) {
        let mut slots = self.slots();
        if slots.len() >= MOST && !slots.contains_key(&before.id) {
            return;
        }
        let slot =
            slots.entry(before.id).or_insert(Slot { turn: None, refreshed: None, touched_at: now });
        let mut replaced = slot.refreshed.take().map(|(replaced, _)| replaced).unwrap_or_default();
        replaced.push(before.tokens.access_token.clone());
        replaced.drain(..replaced.len().saturating_sub(REPLACED));
        slot.refreshed = Some((replaced, refreshed.clone()));
        slot.touched_at = now;
    }

    /// The session after the refresh, where the browser brought it from before; `None` where it is
    /// as it should be.
    pub(super) fn newer(&self, session: &Session, now: DateTime<Utc>) -> Option<Session> {
        let slots = self.slots();
        let slot = slots.get(&session.id).filter(|slot| now - slot.touched_at < OVERLAP)?;
        let (replaced, refreshed) = slot.refreshed.as_ref()?;
        replaced
            .contains(&session.tokens.access_token)
            .then(|| session.clone().with(Change::RefreshedTokens(refreshed.clone())))
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

    #[tokio::test]
    async fn one_at_a_time_has_the_turn_and_the_others_wait_until_it_is_over() {
        let (turns, id) = (Turns::default(), fixtures::session().id);
        assert!(turns.take(id, START).await);
        let (mut one, mut two) = (pin!(turns.take(id, START)), pin!(turns.take(id, START)));
        assert!(one.as_mut().now_or_never().is_none() && two.as_mut().now_or_never().is_none());
        assert!(turns.take(SessionId::new([9; 32]), START).await, "another session's is its own");

        turns.end(id);
        assert_eq!((one.await, two.await), (false, false));
        assert!(turns.take(id, START).await);
    }

    #[tokio::test]
    async fn a_turn_that_nobody_gives_back_ends_by_itself() {
        let (turns, id) = (Turns::default(), fixtures::session().id);
        assert!(turns.take(id, START).await);
        assert!(turns.take(id, START + TURN).await);
        assert_eq!(turns.take(id, START + TURN).now_or_never(), None);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_session_that_has_ended() {
        let (turns, id) = (Turns::default(), fixtures::session().id);
        assert!(turns.take(id, START).await);
        let mut waiting = pin!(turns.take(id, START));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        turns.forget(id);
        assert!(!waiting.await);
    }

    #[test]
    fn a_session_from_before_a_refresh_is_known_for_ten_minutes() {
        let (turns, before) = (Turns::default(), fixtures::session());
        let mut tokens = before.tokens.clone();
        tokens.access_token = AccessToken::new("newer");
        let refreshed = RefreshedTokens { tokens, permissions: None };
        turns.note(&before, &refreshed, START);
        let after = before.clone().with(Change::RefreshedTokens(refreshed));
        let almost = START + OVERLAP - TimeDelta::seconds(1);
        assert_eq!(turns.newer(&before, almost), Some(after.clone()));
        assert_eq!(turns.newer(&before, START + OVERLAP), None);
        assert_eq!(turns.newer(&after, START), None);

        let mut tokens = after.tokens.clone();
        tokens.access_token = AccessToken::new("newest");
        turns.note(&after, &RefreshedTokens { tokens: tokens.clone(), permissions: None }, START);
        for earlier in [&before, &after] {
            let newest = turns.newer(earlier, START).map(|session| session.tokens);
            assert_eq!(newest, Some(tokens.clone()));
        }
    }
}
