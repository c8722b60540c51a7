use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{every_clause_bites, fails};
use crate::{
    fakes::{InMemorySite, ManualClock},
    fixtures,
    sessions::{Cookies, Instance, LIFETIMES, Site, Visitor},
};
use portico_domain::{
    model::{
        Change, Claims, IdToken, Lifetimes, LoginAttempt, Revocation, Session, SessionSummary,
        State, Tokens,
    },
    ports::{SessionRegistry, SessionStore, SessionsUnavailable, Turn},
};

/// What it does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    KnowsEverybody,
    IsReadOnce,
    EndsNothing,
    FailsToEndForStrangers,
    KeepsNoChange,
    BringsBackByUpdate,
    RollsASecondLonger,
    LastsASecondLonger,
    KeepsTheFirst,
    HandsOutTwice,
    IgnoresCaseOfStates,
    RefusesTheSixth,
    ForgetsTheOthersWhenOneIsTaken,
    ForgetsAttemptsAtTheEnd,
    CutsLongTokens,
    LeavesClaimsBehind,
    CutsAtNul,
    BelievesAnyCookie,
    KeepsToItself,
    ReadsAndThenWrites,
    WritesWhatItReadBefore,
    GivesEverybodyTheTurn,
    ReadsAndThenTakes,
    SparesNobody,
    RevokesAtOneInstance,
    RevokesForEver,
    TakesAValueTwice,
    IsNeverThere,
    TakesAnOutageForAStranger,
}

#[derive(Clone)]
struct WrongSite {
    way: Wrong,
    right: InMemorySite,
    noted: Arc<Mutex<Noted>>,
}

/// What the wrong site remembers where it should not.
#[derive(Default)]
struct Noted {
    states: Vec<State>,
    last: Option<Session>,
    revoked: Vec<Revocation>,
}

fn wrong(way: Wrong) -> Arc<dyn Site> {
    Arc::new(WrongSite::new(way))
}

impl WrongSite {
    fn new(way: Wrong) -> Self {
        let second = TimeDelta::seconds(1);
        let lifetimes = match way {
            Wrong::RollsASecondLonger => {
                Lifetimes { rolling: LIFETIMES.rolling + second, ..LIFETIMES }
            }
            Wrong::LastsASecondLonger => {
                Lifetimes { absolute: LIFETIMES.absolute + second, ..LIFETIMES }
            }
            _ => LIFETIMES,
        };
        Self { way, right: InMemorySite::lasting(lifetimes), noted: Arc::default() }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Site for WrongSite {
    fn clock(&self) -> Arc<ManualClock> {
        self.right.clock()
    }

    fn instance(&self) -> Box<dyn Instance> {
        let mut instance = self.clone();
        match self.way {
            Wrong::KeepsToItself => instance.right = InMemorySite::default(),
            Wrong::RevokesAtOneInstance => instance.noted = Arc::default(),
            _ => {}
        }
        Box::new(instance)
    }

    async fn pause(&self) {
        self.right.pause().await;
    }
}

#[async_trait]
impl Instance for WrongSite {
    fn registry(&self) -> Arc<dyn SessionRegistry> {
        Arc::new(self.clone())
    }

    async fn visitor(&self, cookies: Cookies) -> Box<dyn Visitor> {
        let mut cookies = cookies;
        if self.way == Wrong::BelievesAnyCookie {
            // Every browser is the first one.
            cookies.insert("visitor".into(), "1".into());
        }
        let right = self.right.instance().visitor(cookies).await;
        let read = right.current().await.ok().flatten();
        Box::new(WrongVisitor { site: self.clone(), right, read, visits: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl SessionRegistry for WrongSite {
    async fn list(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Vec<SessionSummary>>, SessionsUnavailable> {
        self.right.list(issuer, subject).await
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), SessionsUnavailable> {
        match (self.way, revocation.clone()) {
            (Wrong::SparesNobody, Revocation::Person { issuer, subject, .. }) => {
                self.right.revoke(&Revocation::Person { issuer, subject, except: None }).await
            }
            (Wrong::RevokesAtOneInstance | Wrong::RevokesForEver, revocation) => {
                self.noted().revoked.push(revocation);
                Ok(())
            }
            (_, revocation) => self.right.revoke(&revocation).await,
        }
    }

    async fn first_use(
        &self,
        value: &str,
        until: DateTime<Utc>,
    ) -> Result<bool, SessionsUnavailable> {
        let is_first = self.right.first_use(value, until).await?;
        Ok(is_first || self.way == Wrong::TakesAValueTwice)
    }

    async fn check(&self) -> Result<(), SessionsUnavailable> {
        match self.way {
            Wrong::IsNeverThere => Err(SessionsUnavailable("never".into())),
            _ => self.right.check().await,
        }
    }
}

struct WrongVisitor {
    site: WrongSite,
    right: Box<dyn Visitor>,
    /// The session at the time when the browser was opened.
    read: Option<Session>,
    visits: AtomicUsize,
}

impl Visitor for WrongVisitor {
    fn cookies(&self) -> Cookies {
        self.right.cookies()
    }
}

#[async_trait]
impl SessionStore for WrongVisitor {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        let current = match (self.site.way, self.right.current().await) {
            (Wrong::TakesAnOutageForAStranger, Err(_)) => None,
            (_, current) => current?,
        };
        if self.site.way == Wrong::IsReadOnce {
            self.right.end().await?;
        }
        let is_revoked = |session: &Session| {
            self.site.noted().revoked.iter().any(|revocation| revocation.covers(session))
        };
        Ok(match self.site.way {
            Wrong::KnowsEverybody => Some(current.unwrap_or_else(fixtures::session)),
            _ => current.filter(|session| !is_revoked(session)),
        })
    }

    async fn start(&self, session: &Session) -> Result<(), SessionsUnavailable> {
        let before = self.right.current().await?;
        let mut session = session.clone();
        match (self.site.way, before) {
            (Wrong::KeepsTheFirst, Some(_)) => return Ok(()),
            (Wrong::CutsLongTokens, _) => {
                let cut: String = session.tokens.id_token.expose().chars().take(4_096).collect();
                session.tokens = Tokens { id_token: IdToken::new(cut), ..session.tokens };
            }
            (Wrong::LeavesClaimsBehind, Some(before)) => {
                let mut claims = before.claims.to_map();
                claims.extend(session.claims.to_map());
                session.claims = Claims::new(&claims);
            }
            (Wrong::CutsAtNul, _) => {
                session.device = session.device.split('\0').next().unwrap_or_default().into();
            }
            _ => {}
        }
        self.site.noted().last = Some(session.clone());
        self.right.start(&session).await
    }

    async fn update(&self, change: &Change) -> Result<Option<Session>, SessionsUnavailable> {
        let current = self.right.current().await?;
        let last = self.site.noted().last.clone();
        let written = match self.site.way {
            Wrong::KeepsNoChange => return Ok(current.map(|now| now.with(change.clone()))),
            Wrong::BringsBackByUpdate => current.or(last),
            Wrong::WritesWhatItReadBefore => self.read.clone().or(current),
            Wrong::ReadsAndThenWrites => {
                self.site.pause().await;
                current
            }
            _ => return self.right.update(change).await,
        };
        let written = written.map(|session| session.with(change.clone()));
        if let Some(session) = &written {
            self.right.start(session).await?;
        }
        Ok(written)
    }

    async fn take_turn(&self) -> Result<Turn, SessionsUnavailable> {
        match (self.site.way, self.right.current().await?) {
            (Wrong::GivesEverybodyTheTurn, Some(session)) => Ok(Turn::Yours(session)),
            _ => self.right.take_turn().await,
        }
    }

    async fn end_turn(&self) -> Result<(), SessionsUnavailable> {
        self.right.end_turn().await
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let is_stranger = self.right.current().await?.is_none();
        match self.site.way {
            Wrong::EndsNothing => return Ok(()),
            Wrong::FailsToEndForStrangers if is_stranger => {
                return Err(SessionsUnavailable("no row".into()));
            }
            Wrong::ForgetsAttemptsAtTheEnd => self.forget_attempts().await?,
            _ => {}
        }
        self.right.end().await
    }

    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let is_sixth = self.visits.fetch_add(1, Ordering::SeqCst) == LoginAttempt::MAX_OPEN;
        if self.site.way == Wrong::RefusesTheSixth && is_sixth {
            return Ok(());
        }
        self.site.noted().states.push(attempt.state.clone());
        self.right.remember(attempt).await
    }

    async fn take_attempt(
        &self,
        state: &State,
    ) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        if self.site.way == Wrong::IgnoresCaseOfStates {
            let state = State::new(state.expose().to_lowercase());
            return self.right.take_attempt(&state).await;
        }
        let taken = self.right.take_attempt(state).await?;
        match (self.site.way, &taken) {
            (Wrong::HandsOutTwice, Some(attempt)) => self.right.remember(attempt).await?,
            (Wrong::ForgetsTheOthersWhenOneIsTaken, Some(_)) => self.forget_attempts().await?,
            (Wrong::ReadsAndThenTakes, Some(attempt)) => {
                self.right.remember(attempt).await?;
                self.site.pause().await;
                self.right.take_attempt(state).await?;
            }
            _ => {}
        }
        Ok(taken)
    }
}

impl WrongVisitor {
    async fn forget_attempts(&self) -> Result<(), SessionsUnavailable> {
        let states = self.site.noted().states.clone();
        for state in states {
            self.right.take_attempt(&state).await?;
        }
        Ok(())
    }
}

every_clause_bites! {
    sessions, wrong;
    a_stranger_has_no_session: KnowsEverybody,
    a_session_that_was_started_is_there: IsReadOnce,
    a_session_that_was_ended_is_gone: EndsNothing,
    ending_twice_is_no_error: FailsToEndForStrangers,
    a_session_changes_while_it_exists: KeepsNoChange,
    a_session_that_was_ended_stays_ended: BringsBackByUpdate,
    a_session_ends_when_nobody_comes: RollsASecondLonger,
    a_visit_keeps_a_session_going: KeepsNoChange,
    a_session_ends_when_it_is_old: LastsASecondLonger,
    starting_replaces_the_session: KeepsTheFirst,
    an_attempt_is_good_once: HandsOutTwice,
    an_unknown_state_has_no_attempt: IgnoresCaseOfStates,
    the_oldest_attempt_makes_room_for_the_sixth: RefusesTheSixth,
    attempts_are_taken_in_any_order: ForgetsTheOthersWhenOneIsTaken,
    signing_in_leaves_other_attempts_alone: ForgetsAttemptsAtTheEnd,
    a_large_session_is_kept_whole: CutsLongTokens,
    a_small_session_replaces_a_large_one: LeavesClaimsBehind,
    hostile_values_come_back_to_the_byte: CutsAtNul,
    hostile_cookies_make_a_stranger: BelievesAnyCookie,
    what_one_instance_starts_another_knows_and_either_ends_it: KeepsToItself,
    a_change_under_way_brings_no_ended_session_back: ReadsAndThenWrites,
    a_visit_and_a_refresh_at_once_undo_nothing: WritesWhatItReadBefore,
    who_waits_for_the_turn_gets_what_the_one_before_left: GivesEverybodyTheTurn,
    of_two_takers_one_gets_the_attempt: ReadsAndThenTakes,
    only_the_sessions_that_are_meant_end: SparesNobody,
    the_providers_session_ends_what_came_of_it_everywhere: RevokesAtOneInstance,
    revocations_outlast_a_restart: RevokesAtOneInstance,
    who_signs_in_after_a_revocation_stays: RevokesForEver,
    a_value_is_good_once_until_it_is_forgotten: TakesAValueTwice,
    the_store_answers: IsNeverThere,
}

#[tokio::test]
async fn an_outage_is_said_and_makes_nobody_a_stranger() {
    let wrong = WrongSite::new(Wrong::TakesAnOutageForAStranger);
    let clause = async move {
        let mut server = wrong.right.clone();
        let site = Arc::new(wrong);
        crate::sessions::an_outage_is_said_and_makes_nobody_a_stranger(site, &mut server).await;
    };
    assert!(fails(clause).await);
}
