//! What every [`SessionStore`] promises, with the [`SessionRegistry`] beside it. Each clause gets a
//! [`Site`] that nobody has visited, and starts as many instances of it as it needs. A store whose
//! values live for one request makes each call of a [`Visitor`] a request of its own, so that what
//! a call leaves behind has gone through the browser.

mod instances;
mod one_visitor;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::TimeDelta;

pub use self::{instances::*, one_visitor::*};
use crate::{fakes::ManualClock, fixtures};
use portico_domain::{
    model::{Lifetimes, LoginAttempt, Session},
    ports::{Clock, SessionRegistry, SessionStore},
};

/// The lifetimes that the stores under test are given.
pub const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::seconds(100), absolute: TimeDelta::seconds(250) };

/// What all instances of a site share, and the way to start one.
#[async_trait]
pub trait Site: Send + Sync {
    /// The clock that all instances read.
    fn clock(&self) -> Arc<ManualClock>;

    /// One more process of this site, just started, with connections of its own.
    fn instance(&self) -> Box<dyn Instance>;

    /// Lets some milliseconds pass: between two looks at what takes a while.
    async fn pause(&self);
}

/// One process of a site.
#[async_trait]
pub trait Instance: Send + Sync {
    /// Its registry.
    fn registry(&self) -> Arc<dyn SessionRegistry>;

    /// A browser that has these cookies, and visits this instance. It may outlive `self`.
    async fn visitor(&self, cookies: Cookies) -> Box<dyn Visitor>;
}

/// A browser, each call of which is one request.
pub trait Visitor: SessionStore {
    /// Its cookies as they are now. A copy of them is another tab, or stolen.
    fn cookies(&self) -> Cookies;
}

/// Values by name.
pub type Cookies = BTreeMap<String, String>;

type Fresh = Arc<dyn Site>;

/// Makes a named test of each clause. Takes a future of `(Arc<dyn Site>, T)`: a [`Site`] whose
/// stores hold to [`LIFETIMES`], and whatever must live as long as it; then attributes for all the
/// tests, if any.
///
/// [`Site`]: crate::sessions::Site
/// [`LIFETIMES`]: crate::sessions::LIFETIMES
#[macro_export]
macro_rules! session_store_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments sessions:
            a_stranger_has_no_session
            a_session_that_was_started_is_there
            a_session_that_was_ended_is_gone
            ending_twice_is_no_error
            a_session_changes_while_it_exists
            a_session_that_was_ended_stays_ended
            a_session_ends_when_nobody_comes
            a_visit_keeps_a_session_going
            a_session_ends_when_it_is_old
            starting_replaces_the_session
            an_attempt_is_good_once
            an_unknown_state_has_no_attempt
            the_oldest_attempt_makes_room_for_the_sixth
            attempts_are_taken_in_any_order
            signing_in_leaves_other_attempts_alone
            a_large_session_is_kept_whole
            a_small_session_replaces_a_large_one
            hostile_values_come_back_to_the_byte
            hostile_cookies_make_a_stranger
            what_one_instance_starts_another_knows_and_either_ends_it
            a_change_under_way_brings_no_ended_session_back
            a_visit_and_a_refresh_at_once_undo_nothing
            who_waits_for_the_turn_gets_what_the_one_before_left
            of_two_takers_one_gets_the_attempt
            only_the_sessions_that_are_meant_end
            the_providers_session_ends_what_came_of_it_everywhere
            revocations_outlast_a_restart
            who_signs_in_after_a_revocation_stays
            a_value_is_good_once_until_it_is_forgotten
            the_store_answers
        }
    };
    ($($arguments:tt)+) => {
        $crate::session_store_contract!(@clauses contract_tests [$($arguments)+]);
    };
}

/// The names of the clauses.
pub const CLAUSES: &[&str] = session_store_contract!(@clauses contract_names []);

/// Someone who was never here.
async fn stranger(site: &dyn Site) -> Box<dyn Visitor> {
    site.instance().visitor(Cookies::new()).await
}

fn session_of(subject: &str, clock: &ManualClock) -> Session {
    Session { subject: subject.into(), ..fixtures::session_at(clock.now()) }
}

fn attempt_of(state: &str, clock: &ManualClock) -> LoginAttempt {
    LoginAttempt { started_at: clock.now(), ..fixtures::attempt(state, "/protected?a=b") }
}
