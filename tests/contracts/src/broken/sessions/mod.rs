mod browser;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{Lifetimes, RefreshToken, Revocation, Session, SessionSummary, State, Subject},
    ports::{ReplayGuard, SessionRegistry, SessionsUnavailable},
};

use self::browser::BrokenBrowser;
use super::{fails, refuses_broken_adapters};
use crate::{
    fakes::{InMemorySite, ManualClock},
    sessions::{Browser, Cookies, Instance, LIFETIMES, Site},
};

/// What the adapter does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    InventsSession,
    ReturnsSessionOnce,
    IgnoresEnd,
    FailsToEndTwice,
    LosesChanges,
    RevivesByUpdate,
    ExpiresLate,
    LivesTooLong,
    KeepsFirstSession,
    ReturnsAttemptTwice,
    IgnoresCaseOfState,
    RefusesLastAttempt,
    LosesOtherAttempts,
    LosesAttemptsAtEnd,
    TruncatesTokens,
    MixesClaims,
    TruncatesAtNul,
    AcceptsAnyCookie,
    KeepsSessionsToInstance,
    WritesAfterReading,
    WritesStaleSession,
    RenewsWithoutLock,
    TakesAfterReading,
    IgnoresException,
    RevokesAtOneInstance,
    RevokesLaterSessions,
    AcceptsValueTwice,
    FailsCheck,
    ReportsOutageAsAbsence,
    LosesLoopGuard,
    RenewsAlways,
    KeepsLockAfterFailure,
    IgnoresEndOfRenewal,
    ReturnsStaleSession,
    ChecksByReading,
}

#[derive(Clone)]
struct BrokenSite {
    fault: Fault,
    inner: InMemorySite,
    recorded: Arc<Mutex<Recorded>>,
}

/// What some faults need to know of earlier calls.
#[derive(Default)]
struct Recorded {
    states: Vec<State>,
    last: Option<Session>,
    revoked: Vec<Revocation>,
}

fn broken(fault: Fault) -> Arc<dyn Site> {
    Arc::new(BrokenSite::new(fault))
}

impl BrokenSite {
    fn new(fault: Fault) -> Self {
        let second = TimeDelta::seconds(1);
        let lifetimes = match fault {
            Fault::ExpiresLate => Lifetimes { rolling: LIFETIMES.rolling + second, ..LIFETIMES },
            Fault::LivesTooLong => Lifetimes { absolute: LIFETIMES.absolute + second, ..LIFETIMES },
            _ => LIFETIMES,
        };
        Self { fault, inner: InMemorySite::with_lifetimes(lifetimes), recorded: Arc::default() }
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Site for BrokenSite {
    fn clock(&self) -> Arc<ManualClock> {
        self.inner.clock()
    }

    fn instance(&self) -> Box<dyn Instance> {
        let mut instance = self.clone();
        match self.fault {
            Fault::KeepsSessionsToInstance => instance.inner = InMemorySite::default(),
            Fault::RevokesAtOneInstance => instance.recorded = Arc::default(),
            _ => {}
        }
        Box::new(instance)
    }

    async fn pause(&self) {
        self.inner.pause().await;
    }
}

#[async_trait]
impl Instance for BrokenSite {
    fn registry(&self) -> Arc<dyn SessionRegistry> {
        Arc::new(self.clone())
    }

    fn replay_guard(&self) -> Arc<dyn ReplayGuard> {
        Arc::new(self.clone())
    }

    async fn browser(&self, cookies: Cookies) -> Box<dyn Browser> {
        let mut cookies = cookies;
        if self.fault == Fault::AcceptsAnyCookie {
            // Every browser is taken for the first one.
            cookies.insert("browser".into(), "1".into());
        }
        Box::new(BrokenBrowser::open(self.clone(), cookies).await)
    }
}

#[async_trait]
impl SessionRegistry for BrokenSite {
    async fn list(
        &self,
        subject: &Subject,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        self.inner.list(subject).await
    }

    async fn revoke(
        &self,
        revocation: &Revocation,
    ) -> Result<Vec<RefreshToken>, SessionsUnavailable> {
        match (self.fault, revocation.clone()) {
            (Fault::IgnoresException, Revocation::User { subject, .. }) => {
                self.inner.revoke(&Revocation::User { subject, except: None }).await
            }
            (Fault::RevokesAtOneInstance | Fault::RevokesLaterSessions, revocation) => {
                self.recorded().revoked.push(revocation);
                Ok(Vec::new())
            }
            (_, revocation) => self.inner.revoke(&revocation).await,
        }
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        match self.fault {
            Fault::FailsCheck => Err(SessionsUnavailable("always".into())),
            Fault::ChecksByReading => self.inner.was_used("").await.map(drop),
            _ => self.inner.check().await,
        }
    }
}

#[async_trait]
impl ReplayGuard for BrokenSite {
    async fn was_used(&self, value: &str) -> Result<bool, SessionsUnavailable> {
        self.inner.was_used(value).await
    }

    async fn is_first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let is_first = self.inner.is_first_use(value, until).await?;
        Ok(is_first || self.fault == Fault::AcceptsValueTwice)
    }
}

refuses_broken_adapters! {
    sessions, broken;
    new_browser_has_no_session: InventsSession,
    returns_started_session: ReturnsSessionOnce,
    ended_session_is_gone: IgnoresEnd,
    ending_twice_is_no_error: FailsToEndTwice,
    keeps_changes: LosesChanges,
    update_never_revives_ended_session: RevivesByUpdate,
    session_expires_without_visits: ExpiresLate,
    visit_extends_session: LosesChanges,
    session_expires_at_absolute_lifetime: LivesTooLong,
    start_replaces_session: KeepsFirstSession,
    attempt_is_returned_once: ReturnsAttemptTwice,
    unknown_state_has_no_attempt: IgnoresCaseOfState,
    oldest_attempt_makes_room: RefusesLastAttempt,
    attempts_are_taken_in_any_order: LosesOtherAttempts,
    sessions_leave_attempts_alone: LosesAttemptsAtEnd,
    remembers_login_loop_guard: LosesLoopGuard,
    keeps_large_session_whole: TruncatesTokens,
    small_session_replaces_large_one: MixesClaims,
    keeps_hostile_values: TruncatesAtNul,
    refuses_hostile_cookies: AcceptsAnyCookie,
    instances_share_sessions: KeepsSessionsToInstance,
    simultaneous_update_never_revives_ended_session: WritesAfterReading,
    simultaneous_changes_are_both_kept: WritesStaleSession,
    one_of_simultaneous_refreshes_renews: RenewsWithoutLock,
    refresh_leaves_newer_tokens_alone: RenewsAlways,
    failed_refresh_leaves_session_unlocked: KeepsLockAfterFailure,
    refresh_can_end_session: IgnoresEndOfRenewal,
    refresh_never_revives_ended_session: RevivesByUpdate,
    failed_refresh_reports_ended_session: ReturnsStaleSession,
    one_of_simultaneous_takers_gets_the_attempt: TakesAfterReading,
    revocation_ends_only_what_it_covers: IgnoresException,
    provider_session_ends_everywhere: RevokesAtOneInstance,
    revocations_survive_restart: RevokesAtOneInstance,
    login_after_revocation_stays: RevokesLaterSessions,
    replay_guard_accepts_value_once: AcceptsValueTwice,
    check_succeeds: FailsCheck,
}

#[tokio::test]
async fn reports_outage_without_ending_sessions() {
    let broken = BrokenSite::new(Fault::ReportsOutageAsAbsence);
    let clause = async move {
        let mut server = broken.inner.clone();
        let site = Arc::new(broken);
        crate::sessions::reports_outage_without_ending_sessions(site, &mut server).await;
    };
    assert!(fails(clause).await);
}

#[tokio::test]
async fn check_notices_store_that_cannot_be_written() {
    let broken = BrokenSite::new(Fault::ChecksByReading);
    let clause = async move {
        let mut store = broken.inner.clone();
        let site = Arc::new(broken);
        crate::sessions::check_notices_store_that_cannot_be_written(site, &mut store).await;
    };
    assert!(fails(clause).await);
}
