use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use portico_domain::{
    model::{
        AccessToken, Claims, Lifetimes, LoginAttempt, LoginLoopGuard, RefreshToken, Revocation,
        Session, SessionChange, SessionSummary, State, Subject,
    },
    ports::{
        LoginAttempts, Renewal, ReplayGuard, SaveSessionError, SessionRegistry, SessionStore,
        SessionsUnavailable, TokenRenewal,
    },
};

use super::{fails, refuses_broken_adapters};
use crate::{
    fakes::{InMemorySite, ManualClock},
    fixtures,
    sessions::{Browser, Cookies, FixedRenewal, Instance, LIFETIMES, Site},
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
        let inner = self.inner.instance().browser(cookies).await;
        let initial = inner.current().await.ok().flatten();
        Box::new(BrokenBrowser {
            site: self.clone(),
            inner,
            initial,
            remembered: AtomicUsize::new(0),
            is_locked: AtomicBool::new(false),
        })
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

struct BrokenBrowser {
    site: BrokenSite,
    inner: Box<dyn Browser>,
    /// The session when the browser was opened.
    initial: Option<Session>,
    remembered: AtomicUsize,
    is_locked: AtomicBool,
}

impl Browser for BrokenBrowser {
    fn cookies(&self) -> Cookies {
        self.inner.cookies()
    }
}

#[async_trait]
impl SessionStore for BrokenBrowser {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        let current = match (self.site.fault, self.inner.current().await) {
            (Fault::ReportsOutageAsAbsence, Err(_)) => None,
            (_, current) => current?,
        };
        if self.site.fault == Fault::ReturnsSessionOnce {
            self.inner.end().await?;
        }
        let is_revoked = |session: &Session| {
            self.site.recorded().revoked.iter().any(|revocation| revocation.covers(session))
        };
        Ok(match self.site.fault {
            Fault::InventsSession => Some(current.unwrap_or_else(fixtures::session)),
            _ => current.filter(|session| !is_revoked(session)),
        })
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        let before = self.inner.current().await?;
        let mut session = session.clone();
        match (self.site.fault, before) {
            (Fault::KeepsFirstSession, Some(_)) => return Ok(()),
            (Fault::TruncatesTokens, _) => {
                let token = session.tokens().access_token.expose();
                let short: String = token.chars().take(4_096).collect();
                session.identity.tokens.access_token = AccessToken::new(short);
            }
            (Fault::MixesClaims, Some(before)) => {
                let mut claims = before.identity.claims.to_map();
                claims.extend(session.identity.claims.to_map());
                session.identity.claims = Claims::new(&claims);
            }
            (Fault::TruncatesAtNul, _) => {
                session.device = session.device.split('\0').next().unwrap_or_default().into();
            }
            _ => {}
        }
        self.site.recorded().last = Some(session.clone());
        self.inner.start(&session).await
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        let current = self.inner.current().await?;
        let last = self.site.recorded().last.clone();
        let written = match self.site.fault {
            Fault::LosesChanges => return Ok(current.map(|now| now.with(change.clone()))),
            Fault::RevivesByUpdate => current.or(last),
            Fault::WritesStaleSession => self.initial.clone().or(current),
            Fault::WritesAfterReading => {
                self.site.pause().await;
                current
            }
            _ => return self.inner.update(change).await,
        };
        let written = written.map(|session| session.with(change.clone()));
        if let Some(session) = &written {
            self.inner.start(session).await?;
        }
        Ok(written)
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        let Some(current) = self.inner.current().await? else { return Ok(None) };
        let renewal = match self.site.fault {
            Fault::RenewsWithoutLock | Fault::RenewsAlways | Fault::RevivesByUpdate => {
                match renewal.renew(&current).await {
                    Renewal::Refreshed(tokens) => {
                        return self.update(&SessionChange::Refreshed(tokens)).await;
                    }
                    other => &FixedRenewal(other),
                }
            }
            Fault::ReturnsStaleSession => match renewal.renew(&current).await {
                Renewal::Unchanged => return Ok(Some(current)),
                other => &FixedRenewal(other),
            },
            Fault::KeepsLockAfterFailure => {
                if self.is_locked.swap(true, Ordering::SeqCst) {
                    return Ok(Some(current));
                }
                renewal
            }
            Fault::IgnoresEndOfRenewal => match renewal.renew(&current).await {
                Renewal::End => &FixedRenewal(Renewal::Unchanged),
                other => &FixedRenewal(other),
            },
            _ => renewal,
        };
        self.inner.refresh(stale, renewal).await
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let has_no_session = self.inner.current().await?.is_none();
        match self.site.fault {
            Fault::IgnoresEnd => return Ok(()),
            Fault::FailsToEndTwice if has_no_session => {
                return Err(SessionsUnavailable("no row".into()));
            }
            Fault::LosesAttemptsAtEnd => self.lose_attempts().await?,
            _ => {}
        }
        self.inner.end().await
    }
}

#[async_trait]
impl LoginAttempts for BrokenBrowser {
    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let number = self.remembered.fetch_add(1, Ordering::SeqCst);
        if self.site.fault == Fault::RefusesLastAttempt && number == LoginAttempt::MAX_OPEN {
            return Ok(());
        }
        self.site.recorded().states.push(attempt.state.clone());
        self.inner.remember(attempt).await
    }

    async fn take(&self, state: &State) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        if self.site.fault == Fault::IgnoresCaseOfState {
            let state = State::new(state.expose().to_lowercase());
            return self.inner.take(&state).await;
        }
        let taken = self.inner.take(state).await?;
        match (self.site.fault, &taken) {
            (Fault::ReturnsAttemptTwice, Some(attempt)) => self.inner.remember(attempt).await?,
            (Fault::LosesOtherAttempts, Some(_)) => self.lose_attempts().await?,
            (Fault::TakesAfterReading, Some(attempt)) => {
                self.inner.remember(attempt).await?;
                self.site.pause().await;
                self.inner.take(state).await?;
            }
            _ => {}
        }
        Ok(taken)
    }

    async fn loop_guard(&self) -> LoginLoopGuard {
        self.inner.loop_guard().await
    }

    async fn set_loop_guard(&self, guard: &LoginLoopGuard) {
        if self.site.fault != Fault::LosesLoopGuard {
            self.inner.set_loop_guard(guard).await;
        }
    }
}

impl BrokenBrowser {
    async fn lose_attempts(&self) -> Result<(), SessionsUnavailable> {
        let states = self.site.recorded().states.clone();
        for state in states {
            self.inner.take(&state).await?;
        }
        Ok(())
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
