use crate::{
    model::{Change, Lifetimes, Session},
    ports::{Clock, SessionStore, SessionsUnavailable},
};

/// Tells who is behind a request, and notes that the person was here.
pub struct WhoIsVisiting<'a> {
    /// Says when now is.
    pub clock: &'a dyn Clock,
    /// Say when a session ends.
    pub lifetimes: Lifetimes,
}

impl WhoIsVisiting<'_> {
    /// The visitor's session; `None` for a stranger.
    ///
    /// # Errors
    /// [`SessionsUnavailable`] when the store cannot say. That the visit could not be noted is no
    /// error: the person is signed in all the same. A session that ended meanwhile is none.
    pub async fn run(
        &self,
        sessions: &dyn SessionStore,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        let now = self.clock.now();
        let Some(session) = sessions.current().await? else {
            return Ok(None);
        };
        if !self.lifetimes.call_for_renewal(&session, now) {
            return Ok(Some(session));
        }
        match sessions.update(&Change::Seen(now)).await {
            Ok(session) => Ok(session),
            Err(_) => Ok(Some(session)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ports::MockSessionStore,
        testing::{self, SetClock},
    };
    use chrono::TimeDelta;

    const LIFETIMES: Lifetimes =
        Lifetimes { rolling: TimeDelta::days(1), absolute: TimeDelta::days(7) };

    async fn run(
        clock: &SetClock,
        sessions: &MockSessionStore,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        WhoIsVisiting { clock, lifetimes: LIFETIMES }.run(sessions).await
    }

    #[tokio::test]
    async fn a_stranger_is_nobody() {
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(|| Ok(None));
        assert_eq!(run(&SetClock::default(), &sessions).await, Ok(None));
    }

    #[tokio::test]
    async fn a_person_who_was_just_here_is_known_without_writing() {
        let clock = SetClock::default();
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(|| Ok(Some(testing::session())));
        clock.advance(TimeDelta::seconds(59));
        assert_eq!(run(&clock, &sessions).await, Ok(Some(testing::session())));
    }

    #[tokio::test]
    async fn a_person_who_comes_back_is_noted() {
        let clock = SetClock::default();
        clock.advance(TimeDelta::seconds(60));
        let change = Change::Seen(clock.now());
        let expected = testing::session().with(change.clone());
        let answer = expected.clone();
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(|| Ok(Some(testing::session())));
        sessions
            .expect_update()
            .once()
            .withf(move |given| *given == change)
            .returning(move |_| Ok(Some(answer.clone())));
        assert_eq!(run(&clock, &sessions).await, Ok(Some(expected)));
    }

    #[tokio::test]
    async fn a_session_that_ended_meanwhile_is_no_session() {
        let clock = SetClock::default();
        clock.advance(TimeDelta::hours(1));
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(|| Ok(Some(testing::session())));
        sessions.expect_update().returning(|_| Ok(None));

        assert_eq!(run(&clock, &sessions).await, Ok(None));
    }

    #[tokio::test]
    async fn a_visit_that_cannot_be_noted_is_a_visit_all_the_same() {
        let clock = SetClock::default();
        clock.advance(TimeDelta::hours(1));
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(|| Ok(Some(testing::session())));
        sessions.expect_update().returning(|_| Err(SessionsUnavailable("gone".into())));
        assert!(run(&clock, &sessions).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_store_that_is_down_is_said_so() {
        let down = SessionsUnavailable("gone".into());
        let answer = down.clone();
        let mut sessions = MockSessionStore::new();
        sessions.expect_current().returning(move || Err(answer.clone()));
        assert_eq!(run(&SetClock::default(), &sessions).await, Err(down));
    }
}
