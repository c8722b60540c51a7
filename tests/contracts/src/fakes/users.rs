use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::Server;
use portico_domain::{
    model::{Profile, User},
    ports::{UserRepository, UsersUnavailable},
};

/// Users in memory, which may be out of reach: see [`Server`].
#[derive(Debug, Default)]
pub struct InMemoryUsers {
    users: Mutex<People>,
    away: AtomicBool,
}

/// By issuer and subject.
type People = BTreeMap<(String, String), User>;

impl InMemoryUsers {
    fn lock(&self) -> Result<MutexGuard<'_, People>, UsersUnavailable> {
        if self.away.load(Ordering::SeqCst) {
            return Err(UsersUnavailable("the test says so".into()));
        }
        Ok(self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Server for Arc<InMemoryUsers> {
    async fn stop(&mut self) {
        self.away.store(true, Ordering::SeqCst);
    }

    async fn start_again(&mut self) {
        self.away.store(false, Ordering::SeqCst);
    }
}

fn key(issuer: &str, subject: &str) -> (String, String) {
    (issuer.to_owned(), subject.to_owned())
}

#[async_trait]
impl UserRepository for InMemoryUsers {
    async fn record_login(
        &self,
        issuer: &str,
        subject: &str,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable> {
        let mut users = self.lock()?;
        let user = users.entry(key(issuer, subject)).or_insert_with(|| User {
            issuer: issuer.into(),
            subject: subject.into(),
            profile: profile.clone(),
            first_seen: now,
            last_login: now,
            logins: 0,
        });
        user.profile = profile.clone();
        user.last_login = user.last_login.max(now);
        user.logins += 1;
        Ok(user.clone())
    }

    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>, UsersUnavailable> {
        Ok(self.lock()?.get(&key(issuer, subject)).cloned())
    }

    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
        let mut users: Vec<_> = self.lock()?.values().cloned().collect();
        users.sort_by_key(|user| std::cmp::Reverse(user.last_login));
        users.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(users)
    }

    async fn delete(&self, issuer: &str, subject: &str) -> Result<bool, UsersUnavailable> {
        Ok(self.lock()?.remove(&key(issuer, subject)).is_some())
    }

    async fn check(&self) -> Result<(), UsersUnavailable> {
        self.lock().map(drop)
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
    async fn an_outage_is_said_and_loses_nothing() {
        let mut users = Arc::new(InMemoryUsers::default());
        crate::users::an_outage_is_said_and_loses_nothing(users.clone(), &mut users).await;
    }
}
