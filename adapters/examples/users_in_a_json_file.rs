//! An example adapter: users in a JSON file, as described in `docs/swap-an-adapter.md`. For one
//! process and few users: each log-in writes the whole file.
//!
//! `cargo run -p portico-adapters --example users_in_a_json_file users.json` lists the users.

use std::{
    cmp::Reverse,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portico_domain::{
    model::{Permissions, Profile, Subject, User},
    ports::{UserRepository, UsersUnavailable},
};
use serde::{Deserialize, Serialize};

/// Users in a file that only its owner can read.
pub struct UsersInAJsonFile(Arc<Mutex<PathBuf>>);

/// A user in the file.
#[derive(Serialize, Deserialize)]
struct Record {
    issuer: String,
    subject: String,
    profile: Profile,
    permissions: Option<Permissions>,
    first_seen: DateTime<Utc>,
    last_login: DateTime<Utc>,
    logins: i64,
}

impl UsersInAJsonFile {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A file that is missing later is an outage, not an empty list.
        match private(OpenOptions::new().write(true).create_new(true)).open(path) {
            Ok(mut file) => file.write_all(b"[]")?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self(Arc::new(Mutex::new(path.to_owned()))))
    }

    /// Reads the file, applies `change`, and writes the file if `change` says so. One call at a time,
    /// on a thread for blocking work.
    async fn with<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Vec<Record>) -> (T, bool) + Send + 'static,
    ) -> Result<T, UsersUnavailable> {
        let path = self.0.clone();
        let work = tokio::task::spawn_blocking(move || {
            let path = path.lock().unwrap_or_else(PoisonError::into_inner);
            let mut records = serde_json::from_slice(&fs::read(&*path)?)?;
            let (answer, is_changed) = change(&mut records);
            if is_changed {
                replace(&path, &serde_json::to_vec_pretty(&records)?)?;
            }
            Ok::<_, io::Error>(answer)
        });
        let done = work.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| UsersUnavailable(error.to_string()))
    }
}

/// A new file can be read by its owner only.
fn private(options: &mut OpenOptions) -> &OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A reader finds either the old or the new content, also after a crash.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file =
        private(OpenOptions::new().write(true).create(true).truncate(true)).open(&next)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(next, path)
}

impl Record {
    fn subject(&self) -> Subject {
        Subject::new(&self.issuer, &self.subject)
    }

    fn user(&self) -> User {
        User {
            subject: self.subject(),
            profile: self.profile.clone(),
            permissions: self.permissions.clone(),
            first_seen: self.first_seen,
            last_login: self.last_login,
            logins: self.logins,
        }
    }
}

#[async_trait]
impl UserRepository for UsersInAJsonFile {
    async fn record_login(
        &self,
        subject: &Subject,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable> {
        let subject = subject.clone();
        let profile = profile.clone();
        self.with(move |records| {
            let found = records.iter().position(|record| record.subject() == subject);
            let index = found.unwrap_or(records.len());
            if found.is_none() {
                let (first_seen, last_login, logins) = (now, now, 0);
                let profile = Profile::default();
                let Subject { issuer, subject } = subject;
                records.push(Record {
                    issuer,
                    subject,
                    profile,
                    permissions: None,
                    first_seen,
                    last_login,
                    logins,
                });
            }
            let record = &mut records[index];
            record.profile = profile;
            record.last_login = record.last_login.max(now);
            record.logins += 1;
            (record.user(), true)
        })
        .await
    }

    async fn record_permissions(
        &self,
        subject: &Subject,
        permissions: &Permissions,
    ) -> Result<(), UsersUnavailable> {
        let subject = subject.clone();
        let permissions = permissions.clone();
        self.with(move |records| {
            let record = records.iter_mut().find(|record| record.subject() == subject);
            let is_changed = record.map(|it| it.permissions = Some(permissions)).is_some();
            ((), is_changed)
        })
        .await
    }

    async fn find(&self, subject: &Subject) -> Result<Option<User>, UsersUnavailable> {
        let subject = subject.clone();
        self.with(move |records| {
            let found = records.iter().find(|record| record.subject() == subject);
            (found.map(Record::user), false)
        })
        .await
    }

    async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
        self.with(move |records| {
            records.sort_by(|a, b| {
                let key = |record: &Record| Reverse(record.last_login);
                let name = |record: &Record| (record.issuer.clone(), record.subject.clone());
                key(a).cmp(&key(b)).then_with(|| name(a).cmp(&name(b)))
            });
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            (records.iter().take(limit).map(Record::user).collect(), false)
        })
        .await
    }

    async fn delete(&self, subject: &Subject) -> Result<bool, UsersUnavailable> {
        let subject = subject.clone();
        self.with(move |records| {
            let before = records.len();
            records.retain(|record| record.subject() != subject);
            let is_changed = records.len() < before;
            (is_changed, is_changed)
        })
        .await
    }

    async fn check(&self) -> Result<(), UsersUnavailable> {
        // Writes the file as it is.
        self.with(|_| ((), true)).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: users_in_a_json_file FILE")?;
    let users = UsersInAJsonFile::open(Path::new(&path))?;
    for user in users.list(u32::MAX).await? {
        let User { subject: Subject { issuer, subject }, logins, .. } = user;
        writeln!(io::stdout(), "{subject:?} at {issuer:?}, logins: {logins}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portico_contracts::{
        Server, user_repository_contract, users::reports_outage_and_loses_nothing,
    };
    use tempfile::TempDir;

    use super::*;

    async fn fresh() -> (Arc<dyn UserRepository>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let users = UsersInAJsonFile::open(&folder.path().join("users.json")).unwrap();
        (Arc::new(users), folder)
    }

    user_repository_contract!(fresh());

    /// A disk that can be removed.
    struct Disk(PathBuf);

    impl Disk {
        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.0.join(from), self.0.join(to)).unwrap();
        }
    }

    #[async_trait]
    impl Server for Disk {
        async fn stop(&mut self) {
            self.rename("users.json", "elsewhere");
        }

        async fn start_again(&mut self) {
            self.rename("elsewhere", "users.json");
        }
    }

    #[tokio::test]
    async fn reports_outage() {
        let (users, folder) = fresh().await;
        let mut disk = Disk(folder.path().to_owned());
        reports_outage_and_loses_nothing(users, &mut disk).await;
    }
}
