use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{dsl::case_when, prelude::*, upsert::excluded};
use diesel_async::{RunQueryDsl, pooled_connection::deadpool::Pool};
use portico_domain::{
    model::{Check, CheckStatus, Permissions, Profile, Subject, User},
    ports::{UserRepository, UsersUnavailable},
};

use super::rows::{ProfileRow, UserRow, permissions_column, users};
use crate::database::{
    AnyPool, Database, PostgresConnection, SqliteConnection, connection, with_timeout,
};

/// Size of issuer and subject each: PostgreSQL's index takes about 2,700 for both. A
/// subject has 255 at most (OpenID Connect Core, section 2).
const MAX_KEY_BYTES: usize = 1_000;

/// The users in this database.
pub fn diesel_users(database: &Database) -> Arc<dyn UserRepository> {
    match database.pool() {
        AnyPool::Sqlite(pool) => Arc::new(DieselUsers(pool, database.clone())),
        AnyPool::Postgres(pool) => Arc::new(DieselUsers(pool, database.clone())),
    }
}

/// The table of users, over the database's pool of connections of one kind.
struct DieselUsers<P>(P, Database);

/// Whether a record can exist under this key. The answer is the same for both databases, although
/// only PostgreSQL refuses NUL characters and long keys.
fn is_storable(subject: &Subject) -> bool {
    [&subject.issuer, &subject.subject]
        .iter()
        .all(|key| key.len() <= MAX_KEY_BYTES && !key.contains('\0'))
}

// The bodies are the same for both databases. Bounds that say so to the compiler would be longer
// than the bodies, and Diesel's MultiConnection does not support asynchronous connections.
macro_rules! user_repository_on {
    ($connection:ty) => {
        #[async_trait]
        impl UserRepository for DieselUsers<Pool<$connection>> {
            async fn record_login(
                &self,
                subject: &Subject,
                profile: &Profile,
                now: DateTime<Utc>,
            ) -> Result<User, UsersUnavailable> {
                if !is_storable(subject) {
                    let why = "issuer or subject is too long or contains a NUL character";
                    return Err(UsersUnavailable(why.into()));
                }
                let profile = ProfileRow::from(profile);
                let latest = case_when(
                    excluded(users::last_login).gt(users::last_login),
                    excluded(users::last_login),
                )
                .otherwise(users::last_login);
                let upsert = diesel::insert_into(users::table)
                    .values(UserRow::first(subject, profile.clone(), now))
                    .on_conflict((users::issuer, users::subject))
                    .do_update()
                    .set((
                        profile,
                        users::last_login.eq(latest),
                        users::logins.eq(users::logins + 1),
                    ))
                    .returning(UserRow::as_returning());
                let mut connection = connection(self.0.get()).await?;
                Ok(with_timeout(upsert.get_result(&mut connection)).await?.into())
            }

            async fn record_permissions(
                &self,
                subject: &Subject,
                permissions: &Permissions,
            ) -> Result<(), UsersUnavailable> {
                if !is_storable(subject) {
                    return Ok(());
                }
                let permissions = permissions_column(permissions)
                    .map_err(|cause| UsersUnavailable(cause.to_string()))?;
                let user = users::table.find((&subject.issuer, &subject.subject));
                let update = diesel::update(user).set(users::permissions.eq(permissions));
                let mut connection = connection(self.0.get()).await?;
                with_timeout(update.execute(&mut connection)).await?;
                Ok(())
            }

            async fn find(&self, subject: &Subject) -> Result<Option<User>, UsersUnavailable> {
                if !is_storable(subject) {
                    return Ok(None);
                }
                let user = users::table
                    .find((&subject.issuer, &subject.subject))
                    .select(UserRow::as_select());
                let mut connection = connection(self.0.get()).await?;
                let found =
                    with_timeout(async { user.first(&mut connection).await.optional() }).await?;
                Ok(found.map(User::from))
            }

            async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
                let latest = users::table
                    .select(UserRow::as_select())
                    .order((users::last_login.desc(), users::issuer, users::subject))
                    .limit(i64::from(limit));
                let mut connection = connection(self.0.get()).await?;
                let rows: Vec<UserRow> = with_timeout(latest.load(&mut connection)).await?;
                Ok(rows.into_iter().map(User::from).collect())
            }

            async fn delete(&self, subject: &Subject) -> Result<bool, UsersUnavailable> {
                if !is_storable(subject) {
                    return Ok(false);
                }
                let user = diesel::delete(users::table.find((&subject.issuer, &subject.subject)));
                let mut connection = connection(self.0.get()).await?;
                Ok(with_timeout(user.execute(&mut connection)).await? > 0)
            }

            async fn check(&self) -> Result<(), UsersUnavailable> {
                self.1.check_write().await?;
                // Changes no user, and fails without the table or the right to write it.
                let no_user = users::table.find(("", ""));
                let write = diesel::update(no_user).set(users::logins.eq(users::logins));
                let mut connection = connection(self.0.get()).await?;
                with_timeout(write.execute(&mut connection)).await?;
                Ok(())
            }

            async fn examine(&self) -> Vec<Check> {
                let mut checks = self.1.examine().await;
                if checks.iter().all(|check| check.status == CheckStatus::Passed) {
                    checks.push(Check::of("writable", "a row was written", self.check().await));
                } else {
                    checks.push(Check::skipped("writable", "not tried, because of the failure"));
                }
                checks
            }
        }
    };
}

user_repository_on!(SqliteConnection);
user_repository_on!(PostgresConnection);
