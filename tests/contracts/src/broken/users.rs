use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{fails, refuses_broken_adapters};
use crate::fakes::InMemoryUsers;
use portico_domain::{
    model::{Permissions, Profile, Subject, User},
    ports::{UserRepository, UsersUnavailable},
};

/// What the adapter does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    CountsFromZero,
    KeepsFirstProfile,
    IgnoresCase,
    LosesSimultaneousLogins,
    MovesLastLoginBack,
    TruncatesText,
    TruncatesAtNul,
    KeepsRemovedValues,
    UnitesPermissions,
    ForgetsPermissionsAtLogin,
    CreatesRecordForPermissions,
    IgnoresLimit,
    NeverDeletes,
    FailsForUnknownUser,
    FailsCheck,
    ReportsOutageAsAbsence,
    ChecksByReading,
}

struct BrokenUsers {
    fault: Fault,
    inner: Arc<InMemoryUsers>,
}

fn broken(fault: Fault) -> Arc<dyn UserRepository> {
    Arc::new(BrokenUsers { fault, inner: Arc::default() })
}

impl BrokenUsers {
    /// The key, unless the fault confuses keys.
    fn key(&self, subject: &Subject) -> Subject {
        let Subject { issuer, subject } = subject.clone();
        Subject::new(
            issuer,
            match self.fault {
                Fault::IgnoresCase => subject.to_lowercase(),
                Fault::TruncatesAtNul => subject.split('\0').next().unwrap_or_default().into(),
                _ => subject,
            },
        )
    }
}

#[async_trait]
impl UserRepository for BrokenUsers {
    async fn record_login(
        &self,
        subject: &Subject,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable> {
        let subject = self.key(subject);
        let mut profile = profile.clone();
        let before = self.inner.find(&subject).await?;
        match (self.fault, &before) {
            (Fault::KeepsFirstProfile, Some(before)) => profile = before.profile.clone(),
            (Fault::KeepsRemovedValues, Some(before)) => {
                profile.name = profile.name.or_else(|| before.profile.name.clone());
            }
            (Fault::TruncatesText, _) => {
                profile.picture = profile.picture.map(|text| text.chars().take(255).collect());
            }
            (Fault::LosesSimultaneousLogins, before) => {
                // The count is read before the write.
                let logins = before.as_ref().map_or(0, |user| user.logins);
                tokio::task::yield_now().await;
                let user = self.inner.record_login(&subject, &profile, now).await?;
                return Ok(User { logins: logins + 1, ..user });
            }
            _ => {}
        }
        let mut user = self.inner.record_login(&subject, &profile, now).await?;
        match self.fault {
            Fault::ForgetsPermissionsAtLogin => {
                user.permissions = None;
                self.inner.record_permissions(&subject, &Permissions::default()).await?;
            }
            Fault::CountsFromZero => user.logins -= 1,
            Fault::MovesLastLoginBack => user.last_login = now,
            _ => {}
        }
        Ok(user)
    }

    async fn record_permissions(
        &self,
        subject: &Subject,
        permissions: &Permissions,
    ) -> Result<(), UsersUnavailable> {
        let subject = self.key(subject);
        let mut permissions = permissions.clone();
        let before = self.inner.find(&subject).await?;
        match (self.fault, before) {
            (Fault::CreatesRecordForPermissions, None) => {
                let (profile, now) = (Profile::default(), DateTime::UNIX_EPOCH);
                self.inner.record_login(&subject, &profile, now).await?;
            }
            (Fault::UnitesPermissions, Some(User { permissions: Some(earlier), .. })) => {
                let grants = [earlier.grants(), permissions.grants()].concat();
                permissions = Permissions::new(grants, permissions.only_referred().to_vec());
            }
            _ => {}
        }
        self.inner.record_permissions(&subject, &permissions).await
    }

    async fn find(&self, subject: &Subject) -> Result<Option<User>, UsersUnavailable> {
        let found = self.inner.find(&self.key(subject)).await;
        match (self.fault, found) {
            (Fault::FailsForUnknownUser, Ok(None)) => Err(UsersUnavailable("no row".into())),
            (Fault::ReportsOutageAsAbsence, Err(_)) => Ok(None),
            (_, found) => found,
        }
    }

    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
        let limit = if self.fault == Fault::IgnoresLimit { u32::MAX } else { limit };
        self.inner.list(limit).await
    }

    async fn delete(&self, subject: &Subject) -> Result<bool, UsersUnavailable> {
        if self.fault == Fault::NeverDeletes {
            return Ok(self.inner.find(subject).await?.is_some());
        }
        self.inner.delete(&self.key(subject)).await
    }

    async fn check(&self) -> Result<(), UsersUnavailable> {
        match self.fault {
            Fault::FailsCheck => Err(UsersUnavailable("always".into())),
            Fault::ChecksByReading => self.inner.list(1).await.map(drop),
            _ => self.inner.check().await,
        }
    }
}

refuses_broken_adapters! {
    users, broken;
    first_login_creates_record: CountsFromZero,
    later_login_updates_and_counts: KeepsFirstProfile,
    compares_issuer_and_subject_byte_by_byte: IgnoresCase,
    counts_simultaneous_logins: LosesSimultaneousLogins,
    last_login_never_moves_back: MovesLastLoginBack,
    keeps_hostile_values: TruncatesText,
    never_confuses_users_because_of_nul: TruncatesAtNul,
    keeps_absent_values_absent: KeepsRemovedValues,
    later_permissions_replace_earlier_ones: UnitesPermissions,
    login_leaves_permissions: ForgetsPermissionsAtLogin,
    permissions_create_no_record: CreatesRecordForPermissions,
    lists_by_latest_login_up_to_limit: IgnoresLimit,
    deletes_user: NeverDeletes,
    finds_nothing_for_unknown_user: FailsForUnknownUser,
    check_succeeds: FailsCheck,
}

#[tokio::test]
async fn reports_outage_and_loses_nothing() {
    let mut server: Arc<InMemoryUsers> = Arc::default();
    let broken = BrokenUsers { fault: Fault::ReportsOutageAsAbsence, inner: server.clone() };
    let clause = async move {
        crate::users::reports_outage_and_loses_nothing(Arc::new(broken), &mut server).await;
    };
    assert!(fails(clause).await);
}

#[tokio::test]
async fn check_notices_storage_that_cannot_be_written() {
    let mut storage: Arc<InMemoryUsers> = Arc::default();
    let broken = BrokenUsers { fault: Fault::ChecksByReading, inner: storage.clone() };
    let clause = async move {
        crate::users::check_notices_storage_that_cannot_be_written(Arc::new(broken), &mut storage)
            .await;
    };
    assert!(fails(clause).await);
}
