//! The contract of [`SessionStore`] with [`LoginAttempts`], [`SessionRegistry`] and [`ReplayGuard`]
//! beside it. Each clause gets an empty [`Site`] and starts as many instances of it as it needs. A
//! store whose values live for one request makes each call of a [`Browser`] a request of its own,
//! so that everything it keeps has gone through the browser.

mod instances;
mod one_browser;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::TimeDelta;
use portico_domain::{
    model::{Lifetimes, LoginAttempt, RefreshedTokens, Session, Subject},
    ports::{
        Clock, LoginAttempts, Renewal, ReplayGuard, SessionRegistry, SessionStore, TokenRenewal,
    },
};

pub use self::{instances::*, one_browser::*};
use crate::{
    fakes::ManualClock,
    fixtures::{self, ISSUER},
};

/// The lifetimes of sessions in the stores under test.
pub const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::seconds(100), absolute: TimeDelta::seconds(250) };

/// What all instances of a site share, and the way to start one.
#[async_trait]
pub trait Site: Send + Sync {
    /// The clock of all instances.
    fn clock(&self) -> Arc<ManualClock>;

    /// Starts one more process of the site, with connections of its own.
    fn instance(&self) -> Box<dyn Instance>;

    /// Waits some milliseconds, between two checks of something that takes a while.
    async fn pause(&self);
}

/// One process of a site.
#[async_trait]
pub trait Instance: Send + Sync {
    /// Its registry.
    fn registry(&self) -> Arc<dyn SessionRegistry>;

    /// Its replay guard.
    fn replay_guard(&self) -> Arc<dyn ReplayGuard>;

    /// A browser with these cookies that uses this instance. It may outlive `self`.
    async fn browser(&self, cookies: Cookies) -> Box<dyn Browser>;
}

/// A browser, each call of which is one request.
pub trait Browser: SessionStore + LoginAttempts {
    /// Its cookies as they are now. A copy of them is another tab, or stolen.
    fn cookies(&self) -> Cookies;
}

/// Values by name.
pub type Cookies = BTreeMap<String, String>;

type TestSite = Arc<dyn Site>;

/// Makes a test of each clause. Takes a future of `(Arc<dyn Site>, T)`: a [`Site`] whose sessions
/// last as long as [`LIFETIMES`] say, and a value to keep alive during the test; then attributes
/// for all tests, if any.
///
/// With `@in_one_test` before the future it calls one clause after the other instead, for a server
/// that takes long to start.
///
/// [`Site`]: crate::sessions::Site
/// [`LIFETIMES`]: crate::sessions::LIFETIMES
#[macro_export]
macro_rules! session_store_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments sessions:
            new_browser_has_no_session
            returns_started_session
            ended_session_is_gone
            ending_twice_is_no_error
            keeps_changes
            update_never_revives_ended_session
            session_expires_without_visits
            visit_extends_session
            session_expires_at_absolute_lifetime
            start_replaces_session
            attempt_is_returned_once
            unknown_state_has_no_attempt
            oldest_attempt_makes_room
            attempts_are_taken_in_any_order
            sessions_leave_attempts_alone
            remembers_login_loop_guard
            keeps_large_session_whole
            small_session_replaces_large_one
            keeps_hostile_values
            refuses_hostile_cookies
            instances_share_sessions
            simultaneous_update_never_revives_ended_session
            simultaneous_changes_are_both_kept
            one_of_simultaneous_refreshes_renews
            refresh_leaves_newer_tokens_alone
            failed_refresh_leaves_session_unlocked
            refresh_can_end_session
            refresh_never_revives_ended_session
            failed_refresh_reports_ended_session
            one_of_simultaneous_takers_gets_the_attempt
            revocation_ends_only_what_it_covers
            provider_session_ends_everywhere
            revocations_survive_restart
            login_after_revocation_stays
            replay_guard_accepts_value_once
            check_succeeds
        }
    };
    (@in_one_test $adapter:expr) => {
        $crate::session_store_contract!(@clauses contract_calls [$adapter]);
    };
    ($($arguments:tt)+) => {
        $crate::session_store_contract!(@clauses contract_tests [$($arguments)+]);
    };
}

/// The names of the clauses.
pub const CLAUSES: &[&str] = session_store_contract!(@clauses contract_names []);

/// A browser that was never at the site.
async fn new_browser(site: &dyn Site) -> Box<dyn Browser> {
    site.instance().browser(Cookies::new()).await
}

fn session_of(subject: &str, clock: &ManualClock) -> Session {
    let mut session = fixtures::session_at(clock.now());
    session.identity.subject = Subject::new(ISSUER, subject);
    session
}

fn attempt_of(state: &str, clock: &ManualClock) -> LoginAttempt {
    LoginAttempt { started_at: clock.now(), ..fixtures::attempt(state, "/protected?a=b") }
}

/// A renewal with this result.
pub struct FixedRenewal(pub Renewal);

#[async_trait]
impl TokenRenewal for FixedRenewal {
    async fn renew(&self, _: &Session) -> Renewal {
        self.0.clone()
    }
}

/// The tokens of the example session with this access token.
fn tokens_with(access_token: &str) -> RefreshedTokens {
    let mut tokens = fixtures::identity().tokens;
    tokens.access_token = portico_domain::model::AccessToken::new(access_token);
    RefreshedTokens { tokens, claims: None, permissions: None }
}
