//! An adapter that is not in the product: people in a JSON file, as `docs/swap-an-adapter.md` tells.
//! For one process, and for as many people as are written in a moment.
//!
//! `cargo run -p portico-adapters --example users_in_a_json_file people.json` lists who is in it.

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
    model::{Profile, User},
    ports::{UserRepository, UsersUnavailable},
};
use serde::{Deserialize, Serialize};

/// People in a file, which its owner alone can read.
pub struct UsersInAJsonFile(Arc<Mutex<PathBuf>>);

/// How a person is written.
#[derive(Serialize, Deserialize)]
struct Record {
    issuer: String,
    subject: String,
    profile: Profile,
    first_seen: DateTime<Utc>,
    last_login: DateTime<Utc>,
    logins: i64,
}

impl UsersInAJsonFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        // From now on a file that is missing is an outage, and not an empty one.
        match private(OpenOptions::new().write(true).create_new(true)).open(path) {
            Ok(mut file) => file.write_all(b"[]")?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self(Arc::new(Mutex::new(path.to_owned()))))
    }

    /// Reads the file and lets `change` change what is in it; writes it where that says so. One at
    /// a time, and away from the threads that answer requests.
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

/// Its owner alone can read the file that is made.
fn private(options: &mut OpenOptions) -> &OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Whoever reads the file finds it as it was or as it will be, even after a crash.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file =
        private(OpenOptions::new().write(true).create(true).truncate(true)).open(&next)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(next, path)
}

impl Record {
    fn is(&self, issuer: &str, subject: &str) -> bool {
        self.issuer == issuer && self.subject == subject
    }

    fn user(&self) -> User {
        User {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            profile: self.profile.clone(),
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
        issuer: &str,
        subject: &str,
        profile: &Profile,
        now: DateTime<Utc>,
    ) -> Result<User, UsersUnavailable> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        let profile = profile.clone();
        self.with(move |records| {
            let known = records.iter().position(|record| record.is(&issuer, &subject));
            let at = known.unwrap_or(records.len());
            if known.is_none() {
                let (first_seen, last_login, logins) = (now, now, 0);
                let profile = Profile::default();
                records.push(Record { issuer, subject, profile, first_seen, last_login, logins });
            }
            let record = &mut records[at];
            record.profile = profile;
            record.last_login = record.last_login.max(now);
            record.logins += 1;
            (record.user(), true)
        })
        .await
    }

    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>, UsersUnavailable> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.with(move |records| {
            let found = records.iter().find(|record| record.is(&issuer, &subject));
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

    async fn delete(&self, issuer: &str, subject: &str) -> Result<bool, UsersUnavailable> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.with(move |records| {
            let before = records.len();
            records.retain(|record| !record.is(&issuer, &subject));
            let is_changed = records.len() < before;
            (is_changed, is_changed)
        })
        .await
    }

    async fn check(&self) -> Result<(), UsersUnavailable> {
        self.with(|_| ((), false)).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("which file?")?;
    let users = UsersInAJsonFile::open(Path::new(&path))?;
    for user in users.list(u32::MAX).await? {
        let User { subject, issuer, logins, .. } = user;
        writeln!(io::stdout(), "{subject:?} at {issuer:?}, logins: {logins}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portico_contracts::{
        Server, user_repository_contract, users::an_outage_is_said_and_loses_nothing,
    };
    use tempfile::TempDir;

    use super::*;

    async fn fresh() -> (Arc<dyn UserRepository>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let users = UsersInAJsonFile::open(&folder.path().join("people.json")).unwrap();
        (Arc::new(users), folder)
    }

    user_repository_contract!(fresh());

    /// A disk that can be taken out.
    struct Disk(PathBuf);

    impl Disk {
        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.0.join(from), self.0.join(to)).unwrap();
        }
    }

    #[async_trait]
    impl Server for Disk {
        async fn stop(&mut self) {
            self.rename("people.json", "elsewhere");
        }

        async fn start_again(&mut self) {
            self.rename("elsewhere", "people.json");
        }
    }

    #[tokio::test]
    async fn an_outage() {
        let (users, folder) = fresh().await;
        let mut disk = Disk(folder.path().to_owned());
        an_outage_is_said_and_loses_nothing(users, &mut disk).await;
    }
}
