use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{ReadOnly, Server};
use portico_domain::{
    model::{Permissions, Profile, Subject, User},
    ports::{UserRepository, UsersUnavailable},
};

/// Users in memory, which can be down or refuse writes: see [`Server`] and [`ReadOnly`].
#[derive(Debug, Default)]
pub struct InMemoryUsers {
    users: Mutex<Users>,
    down: AtomicBool,
    read_only: AtomicBool,
}

type Users = BTreeMap<(String, String), User>;

impl InMemoryUsers {
    fn lock(&self) -> Result<MutexGuard<'_, Users>, UsersUnavailable> {
        if self.down.load(Ordering::SeqCst) {
            return Err(UsersUnavailable("stopped by the test".into()));
        }
        Ok(self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_to_write(&self) -> Result<MutexGuard<'_, Users>, UsersUnavailable> {
        if self.read_only.load(Ordering::SeqCst) {
            return Err(UsersUnavailable("made read-only by the test".into()));
        }
        self.lock()
    }
}

#[async_trait]
impl ReadOnly for Arc<InMemoryUsers> {
    async fn refuse_writes(&mut self) {
        self.read_only.store(true, Ordering::SeqCst);
    }

    async fn accept_writes(&mut self) -> bool {
        self.read_only.store(false, Ordering::SeqCst);
        true
    }
}

#[async_trait]
impl Server for Arc<InMemoryUsers> {
    async fn stop(&mut self) {
        self.down.store(true, Ordering::SeqCst);
    }

    async fn start_again(&mut self) {
        self.down.store(false, Ordering::SeqCst);
    }
}

/// In the order in which equal log-ins are listed.
fn key(subject: &Subject) -> (String, String) {
    (subject.issuer.clone(), subject.subject.clone())
}

#[async_trait]
impl UserRepository for InMemoryUsers {
    async fn record_login(
        &self,
        subject: &Subject,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable> {
        let mut users = self.lock_to_write()?;
        let user = users.entry(key(subject)).or_insert_with(|| User {
            subject: subject.clone(),
            profile: profile.clone(),
            permissions: None,
            first_seen: now,
            last_login: now,
            logins: 0,
        });
        user.profile = profile.clone();
        user.last_login = user.last_login.max(now);
        user.logins += 1;
        Ok(user.clone())
    }

    async fn record_permissions(
        &self,
        subject: &Subject,
        permissions: &Permissions,
    ) -> Result<(), UsersUnavailable> {
        if let Some(user) = self.lock_to_write()?.get_mut(&key(subject)) {
            user.permissions = Some(permissions.clone());
        }
        Ok(())
    }

    async fn find(&self, subject: &Subject) -> Result<Option<User>, UsersUnavailable> {
        Ok(self.lock()?.get(&key(subject)).cloned())
    }

    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
        let mut users: Vec<_> = self.lock()?.values().cloned().collect();
        users.sort_by_key(|user| std::cmp::Reverse(user.last_login));
        users.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(users)
    }

    async fn delete(&self, subject: &Subject) -> Result<bool, UsersUnavailable> {
        Ok(self.lock_to_write()?.remove(&key(subject)).is_some())
    }

    async fn check(&self) -> Result<(), UsersUnavailable> {
        self.lock_to_write().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_repository_contract;

    async fn users() -> (Arc<dyn UserRepository>, ()) {
        (Arc::new(InMemoryUsers::default()), ())
    }

    user_repository_contract!(users());

    #[tokio::test]
    async fn reports_outage_and_loses_nothing() {
        let mut users = Arc::new(InMemoryUsers::default());
        crate::users::reports_outage_and_loses_nothing(users.clone(), &mut users).await;
    }

    #[tokio::test]
    async fn check_notices_storage_that_cannot_be_written() {
        let mut users = Arc::new(InMemoryUsers::default());
        crate::users::check_notices_storage_that_cannot_be_written(users.clone(), &mut users).await;
    }
}
