use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{every_clause_bites, fails};
use crate::fakes::InMemoryUsers;
use portico_domain::{
    model::{Profile, User},
    ports::{UserRepository, UsersUnavailable},
};

/// What it does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    CountsFromZero,
    KeepsTheFirstProfile,
    IgnoresCase,
    LosesLoginsAtTheSameInstant,
    BelievesAnyClock,
    CutsLongTexts,
    CutsAtNul,
    KeepsWhatIsNoMore,
    ListsEverybody,
    NeverForgets,
    FailsForStrangers,
    IsNeverThere,
    TakesAnOutageForNobody,
}

struct WrongUsers {
    way: Wrong,
    right: Arc<InMemoryUsers>,
}

fn wrong(way: Wrong) -> Arc<dyn UserRepository> {
    Arc::new(WrongUsers { way, right: Arc::default() })
}

impl WrongUsers {
    /// The key as it is, but for those that confuse keys.
    fn subject(&self, subject: &str) -> String {
        match self.way {
            Wrong::IgnoresCase => subject.to_lowercase(),
            Wrong::CutsAtNul => subject.split('\0').next().unwrap_or_default().into(),
            _ => subject.into(),
        }
    }
}

#[async_trait]
impl UserRepository for WrongUsers {
    async fn record_login(
        &self,
        issuer: &str,
        subject: &str,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable> {
        let subject = self.subject(subject);
        let mut profile = profile.clone();
        let before = self.right.find(issuer, &subject).await?;
        match (self.way, &before) {
            (Wrong::KeepsTheFirstProfile, Some(before)) => profile = before.profile.clone(),
            (Wrong::KeepsWhatIsNoMore, Some(before)) => {
                profile.name = profile.name.or_else(|| before.profile.name.clone());
            }
            (Wrong::CutsLongTexts, _) => {
                profile.picture = profile.picture.map(|text| text.chars().take(255).collect());
            }
            (Wrong::LosesLoginsAtTheSameInstant, before) => {
                // Reads here, and writes there.
                let logins = before.as_ref().map_or(0, |user| user.logins);
                tokio::task::yield_now().await;
                let user = self.right.record_login(issuer, &subject, &profile, now).await?;
                return Ok(User { logins: logins + 1, ..user });
            }
            _ => {}
        }
        let mut user = self.right.record_login(issuer, &subject, &profile, now).await?;
        match self.way {
            Wrong::CountsFromZero => user.logins -= 1,
            Wrong::BelievesAnyClock => user.last_login = now,
            _ => {}
        }
        Ok(user)
    }

    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>, UsersUnavailable> {
        let found = self.right.find(issuer, &self.subject(subject)).await;
        match (self.way, found) {
            (Wrong::FailsForStrangers, Ok(None)) => Err(UsersUnavailable("no row".into())),
            (Wrong::TakesAnOutageForNobody, Err(_)) => Ok(None),
            (_, found) => found,
        }
    }

    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
        let limit = if self.way == Wrong::ListsEverybody { u32::MAX } else { limit };
        self.right.list(limit).await
    }

    async fn delete(&self, issuer: &str, subject: &str) -> Result<bool, UsersUnavailable> {
        if self.way == Wrong::NeverForgets {
            return Ok(self.right.find(issuer, subject).await?.is_some());
        }
        self.right.delete(issuer, &self.subject(subject)).await
    }

    async fn check(&self) -> Result<(), UsersUnavailable> {
        match self.way {
            Wrong::IsNeverThere => Err(UsersUnavailable("never".into())),
            _ => self.right.check().await,
        }
    }
}

every_clause_bites! {
    users, wrong;
    the_first_login_makes_a_record: CountsFromZero,
    a_later_login_refreshes_and_counts: KeepsTheFirstProfile,
    people_are_told_apart_by_issuer_and_subject_verbatim: IgnoresCase,
    of_logins_at_the_same_instant_each_counts: LosesLoginsAtTheSameInstant,
    the_last_login_never_goes_back: BelievesAnyClock,
    hostile_values_come_back_as_they_went: CutsLongTexts,
    a_nul_is_kept_left_out_or_refused_and_mixes_nobody_up: CutsAtNul,
    what_is_absent_stays_absent: KeepsWhatIsNoMore,
    people_are_listed_by_latest_login_up_to_the_limit: ListsEverybody,
    a_person_can_be_forgotten: NeverForgets,
    nobody_is_found_where_nobody_signed_in: FailsForStrangers,
    the_storage_answers: IsNeverThere,
}

#[tokio::test]
async fn an_outage_is_said_and_loses_nothing() {
    let right: Arc<InMemoryUsers> = Arc::default();
    let wrong = WrongUsers { way: Wrong::TakesAnOutageForNobody, right: right.clone() };
    let clause = async move {
        let mut server = right;
        crate::users::an_outage_is_said_and_loses_nothing(Arc::new(wrong), &mut server).await;
    };
    assert!(fails(clause).await);
}
