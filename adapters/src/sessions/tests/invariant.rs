//! What has ended stays ended, for the whole absolute lifetime; a session that has not ended stays:
//! with two instances, while statements of the database fail in three ways.

mod faulty;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use portico_contracts::{fakes::ManualClock, fixtures, sessions::FixedRenewal};
use portico_domain::{
    model::{Lifetimes, RefreshedTokens, Revocation, Session, SessionChange, SessionId, Subject},
    ports::{Clock, Renewal, SessionRegistry, SessionStore},
};
use proptest::{
    collection::vec,
    option, prop_oneof,
    strategy::{Just, Strategy},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use rocket::http::Cookie;
use tokio::runtime::Builder;

use self::faulty::{Fault, Faults, Faulty};
use super::{
    super::{SessionStores, diesel::tables},
    CookieLoginAttempts, CookieSessions, CookieSettings, KEY, ServerSideSessions, Shared,
    SystemRandomness, settings,
};
use crate::testing::{Browser, Stores};

/// An instance may accept a session so long after another one has ended it.
const PROPAGATION: TimeDelta = TimeDelta::seconds(30);

const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::days(2), absolute: TimeDelta::days(7) };

const USERS: usize = 2;
const SCHEDULES: u32 = 40;
const STEPS: usize = 30;

#[derive(Clone, Copy, Debug)]
enum Action {
    LogIn,
    Visit,
    Refresh,
    LogOut,
    EndOthers,
    EndOne,
    DeleteUser,
    LogOutAtProvider,
    Sweep,
}

/// An action with a session, at an instance, after a pause. A fault befalls one of its statements.
#[derive(Clone, Debug)]
struct Step {
    action: Action,
    session: usize,
    instance: usize,
    pause: i64,
    fault: Option<(usize, Fault)>,
    /// The session is used at the other instance at the same time.
    has_visit_elsewhere: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        3 => Just(Action::LogIn),
        6 => Just(Action::Visit),
        3 => Just(Action::Refresh),
        2 => Just(Action::LogOut),
        1 => Just(Action::EndOthers),
        1 => Just(Action::EndOne),
        1 => Just(Action::DeleteUser),
        1 => Just(Action::LogOutAtProvider),
        1 => Just(Action::Sweep),
    ];
    let fault = prop_oneof![Just(Fault::NotDone), Just(Fault::NotAcknowledged), Just(Fault::Slow)];
    let pause = prop_oneof![4 => 1_i64..10, 2 => 20_i64..40, 1 => 3_600_i64..40_000];
    let step = (action, 0_usize..8, 0_usize..2, pause, option::of((0_usize..4, fault)), 0_u8..4);
    let step = step.prop_map(|(action, session, instance, pause, fault, chance)| Step {
        action,
        session,
        instance,
        pause,
        fault,
        has_visit_elsewhere: chance == 0,
    });
    vec(step, STEPS)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Alive,
    /// It was tried to end it, and the answer was an error.
    Unknown,
    Ended,
}

/// What the test knows of a session.
struct Known {
    session: Session,
    state: State,
    ended_at: DateTime<Utc>,
    /// The instance that ended it.
    ended_by: usize,
    /// The newest cookies, as a thief would have them.
    cookies: BTreeMap<String, Cookie<'static>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cookies,
    ServerSide,
}

struct Instance {
    browser: Browser,
    registry: Arc<dyn SessionRegistry>,
    sweep: Arc<Faulty>,
}

struct Model {
    kind: Kind,
    clock: Arc<ManualClock>,
    faults: Arc<Faults>,
    instances: [Instance; 2],
    sessions: Vec<Known>,
    _shared: Shared,
}

impl Model {
    async fn new(kind: Kind) -> Self {
        let shared = Shared::new().await;
        let (clock, faults) = (shared.clock.clone(), Arc::<Faults>::default());
        let first = Instance::new(kind, &shared, &faults).await;
        let second = Instance::new(kind, &shared, &faults).await;
        let instances = [first, second];
        Self { kind, clock, faults, instances, sessions: Vec::new(), _shared: shared }
    }

    async fn run(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.clock.advance(TimeDelta::seconds(step.pause));
        if let Action::LogIn = step.action {
            return self.log_in(step).await;
        }
        let instance = &self.instances[step.instance];
        if let Action::Sweep = step.action {
            let _ = instance.sweep.sweep(self.clock.now()).await;
            return Ok(());
        }
        if self.sessions.is_empty() {
            return Ok(());
        }
        let number = step.session % self.sessions.len();
        match step.action {
            Action::Visit | Action::Refresh => self.visit(number, step).await,
            _ => self.end(number, step).await,
        }
    }

    async fn log_in(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let number = self.sessions.len();
        let id = [u8::try_from(number).map_err(|_| TestCaseError::reject("too many"))?; 32];
        let mut session = fixtures::session_at(self.clock.now());
        session.id = SessionId::new(id);
        session.identity.subject =
            Subject::new(fixtures::ISSUER, format!("user-{}", step.session % USERS));
        session.identity.provider_session_id = Some(format!("sid-{number}"));
        let browser = &self.instances[step.instance].browser;
        browser.put_back(BTreeMap::new());
        self.faults.plan(step.fault);
        let started = browser.start(&session).await;
        self.faults.clear();
        if started.is_ok() {
            let cookies = browser.copy();
            let ended_at = self.clock.now();
            self.sessions.push(Known {
                session,
                state: State::Alive,
                ended_at,
                ended_by: 0,
                cookies,
            });
        }
        Ok(())
    }

    async fn visit(&mut self, number: usize, step: &Step) -> Result<(), TestCaseError> {
        let known = &self.sessions[number];
        let browser = &self.instances[step.instance].browser;
        browser.put_back(known.cookies.clone());
        self.faults.plan(step.fault);
        let result = match step.action {
            Action::Refresh => {
                let tokens = fixtures::identity().tokens;
                let tokens = RefreshedTokens { tokens, claims: None, permissions: None };
                let renewal = FixedRenewal(Renewal::Refreshed(tokens));
                browser.refresh(&known.session, &renewal).await.map_err(|error| error.to_string())
            }
            _ => match browser.current().await {
                Ok(Some(_)) => {
                    let seen = SessionChange::Seen(self.clock.now());
                    browser.update(&seen).await.map_err(|error| error.to_string())
                }
                other => other.map_err(|error| error.to_string()),
            },
        };
        self.faults.clear();
        self.judge(number, step.instance, step.fault.is_some(), &result)?;
        if let Ok(Some(session)) = result {
            let cookies = self.instances[step.instance].browser.copy();
            let known = &mut self.sessions[number];
            (known.session, known.cookies) = (session, cookies);
        }
        Ok(())
    }

    /// Compares a result with what is known.
    fn judge(
        &self,
        number: usize,
        instance: usize,
        has_fault: bool,
        result: &Result<Option<Session>, String>,
    ) -> Result<(), TestCaseError> {
        let known = &self.sessions[number];
        let is_allowed = LIFETIMES.allow(&known.session, self.clock.now());
        let age = self.clock.now() - known.ended_at;
        let may_lag =
            self.kind == Kind::Cookies && instance != known.ended_by && age <= PROPAGATION;
        match (known.state, result) {
            (State::Ended, Ok(Some(_))) if !may_lag => {
                Err(TestCaseError::fail(format!("session {number} has ended, and is accepted")))
            }
            (_, Ok(Some(_))) if !is_allowed => {
                Err(TestCaseError::fail(format!("session {number} has expired, and is accepted")))
            }
            (State::Alive, Ok(None)) if is_allowed => {
                Err(TestCaseError::fail(format!("session {number} has not ended, and is gone")))
            }
            (State::Alive, Err(error)) if is_allowed && !has_fault => {
                Err(TestCaseError::fail(format!("session {number} without a fault: {error}")))
            }
            _ => Ok(()),
        }
    }

    async fn end(&mut self, number: usize, step: &Step) -> Result<(), TestCaseError> {
        let known = &self.sessions[number];
        let (subject, id) = (known.session.subject().clone(), known.session.id);
        let revocation = match step.action {
            Action::LogOut => None,
            Action::EndOthers => Some(Revocation::User { subject, except: Some(id) }),
            Action::EndOne => Some(Revocation::Session { subject, id }),
            Action::DeleteUser => Some(Revocation::User { subject, except: None }),
            _ => Some(Revocation::ProviderSession {
                issuer: fixtures::ISSUER.into(),
                sid: known.session.identity.provider_session_id.clone().unwrap_or_default(),
                subject: None,
            }),
        };
        // A browser that has no session any more ends none.
        let usable =
            known.state != State::Ended && LIFETIMES.allow(&known.session, self.clock.now());
        if revocation.is_none() && !usable {
            return Ok(());
        }
        let here = &self.instances[step.instance];
        let elsewhere = &self.instances[1 - step.instance];
        here.browser.put_back(known.cookies.clone());
        elsewhere.browser.put_back(known.cookies.clone());
        self.faults.plan(step.fault);
        let ending = async {
            match &revocation {
                None => here.browser.end().await,
                Some(revocation) => here.registry.revoke(revocation).await.map(drop),
            }
        };
        let visiting = async {
            if step.has_visit_elsewhere {
                let _ = elsewhere.browser.update(&SessionChange::Seen(self.clock.now())).await;
            }
        };
        let (ended, ()) = tokio::join!(ending, visiting);
        self.faults.clear();
        let state = if ended.is_ok() { State::Ended } else { State::Unknown };
        let (now, thief) = (self.clock.now(), elsewhere.browser.copy());
        for (other, known) in self.sessions.iter_mut().enumerate() {
            let is_covered = match &revocation {
                None => other == number,
                Some(revocation) => revocation.covers(&known.session),
            };
            if is_covered && known.state != State::Ended {
                (known.state, known.ended_at, known.ended_by) = (state, now, step.instance);
            }
        }
        if step.has_visit_elsewhere && !thief.is_empty() {
            self.sessions[number].cookies = thief;
        }
        Ok(())
    }

    /// Looks at all sessions at both instances, once everything works and has propagated.
    async fn check(&mut self) -> Result<(), TestCaseError> {
        self.clock.advance(PROPAGATION + TimeDelta::seconds(1));
        for number in 0..self.sessions.len() {
            for instance in 0..2 {
                let browser = &self.instances[instance].browser;
                browser.put_back(self.sessions[number].cookies.clone());
                let result = browser.current().await.map_err(|error| error.to_string());
                self.judge(number, instance, false, &result)?;
            }
        }
        Ok(())
    }
}

impl Instance {
    async fn new(kind: Kind, shared: &Shared, faults: &Arc<Faults>) -> Self {
        let table = Arc::new(Faulty::new(tables(&shared.database), faults.clone()));
        let settings = CookieSettings { lifetimes: LIFETIMES, ..settings(false, KEY) };
        let (clock, randomness) = (shared.clock.clone(), Arc::new(SystemRandomness));
        let (stores, registry, guard): (Arc<dyn SessionStores>, Arc<dyn SessionRegistry>, _) =
            match kind {
                Kind::Cookies => {
                    let sessions = CookieSessions::over(
                        settings.clone(),
                        table.clone(),
                        clock.clone(),
                        randomness,
                    );
                    let sessions = Arc::new(sessions);
                    (sessions.clone(), sessions.clone(), sessions.replay_guard())
                }
                Kind::ServerSide => {
                    let sessions = ServerSideSessions::over(
                        settings.clone(),
                        table.clone(),
                        clock.clone(),
                        randomness,
                    );
                    let sessions = Arc::new(sessions);
                    (sessions.clone(), sessions.clone(), sessions.replay_guard())
                }
            };
        let attempts = Arc::new(CookieLoginAttempts::new(settings, guard, clock));
        let browser = Browser::at(Stores { sessions: stores, attempts }, KEY).await;
        Self { browser, registry, sweep: table }
    }
}

fn holds_with(kind: Kind) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: SCHEDULES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let property = |steps: Vec<Step>| {
        runtime.block_on(async {
            let mut model = Model::new(kind).await;
            for step in &steps {
                model.run(step).await?;
            }
            model.check().await
        })
    };
    TestRunner::new_with_rng(config, rng).run(&steps(), property).unwrap();
}

#[test]
fn ended_sessions_stay_ended_and_others_stay_with_cookies() {
    holds_with(Kind::Cookies);
}

#[test]
fn ended_sessions_stay_ended_and_others_stay_with_server_side_sessions() {
    holds_with(Kind::ServerSide);
}
