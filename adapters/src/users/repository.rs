use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{dsl::case_when, prelude::*, upsert::excluded};
use diesel_async::{RunQueryDsl, pooled_connection::deadpool::Pool};
use portico_domain::{
    model::{Profile, User},
    ports::{UserRepository, UsersUnavailable},
};

use super::rows::{ProfileRow, UserRow, users};
use crate::database::{PostgresConnection, SqliteConnection, connection, in_time};

/// The longest issuer and subject, in bytes: PostgreSQL's index takes about 2,700 for both. A
/// subject has 255 at most (OpenID Connect Core, section 2).
const LONGEST_KEY: usize = 1_000;

/// People in a table, over a pool of connections of one kind.
pub(crate) struct DieselUsers<P>(P);

impl<P> DieselUsers<P> {
    pub(crate) fn new(pool: P) -> Self {
        Self(pool)
    }
}

/// Whether a record can exist under this key. Both databases answer alike, although only
/// PostgreSQL refuses NUL characters and long keys.
fn can_be_kept(issuer: &str, subject: &str) -> bool {
    [issuer, subject].iter().all(|key| key.len() <= LONGEST_KEY && !key.contains('\0'))
}

// The bodies are the same for both databases, but bounds that say so to the compiler would be
// longer than the bodies.
macro_rules! user_repository_on {
    ($connection:ty) => {
        #[async_trait]
        impl UserRepository for DieselUsers<Pool<$connection>> {
            async fn record_login(
                &self,
                issuer: &str,
                subject: &str,
                profile: &Profile,
                now: DateTime<Utc>,
            ) -> Result<User, UsersUnavailable> {
                if !can_be_kept(issuer, subject) {
                    let why = "issuer or subject is too long or holds a NUL character";
                    return Err(UsersUnavailable(why.into()));
                }
                let profile = ProfileRow::from(profile);
                let latest = case_when(
                    excluded(users::last_login).gt(users::last_login),
                    excluded(users::last_login),
                )
                .otherwise(users::last_login);
                let admitted = diesel::insert_into(users::table)
                    .values(UserRow::first(issuer, subject, profile.clone(), now))
                    .on_conflict((users::issuer, users::subject))
                    .do_update()
                    .set((
                        profile,
                        users::last_login.eq(latest),
                        users::logins.eq(users::logins + 1),
                    ))
                    .returning(UserRow::as_returning());
                let mut connection = connection(self.0.get()).await?;
                Ok(in_time(admitted.get_result(&mut connection)).await?.into())
            }

            async fn find(
                &self,
                issuer: &str,
                subject: &str,
            ) -> Result<Option<User>, UsersUnavailable> {
                if !can_be_kept(issuer, subject) {
                    return Ok(None);
                }
                let person = users::table.find((issuer, subject)).select(UserRow::as_select());
                let mut connection = connection(self.0.get()).await?;
                let found =
                    in_time(async { person.first(&mut connection).await.optional() }).await?;
                Ok(found.map(User::from))
            }

            async fn list(&self, limit: u32) -> Result<Vec<User>, UsersUnavailable> {
                let latest = users::table
                    .select(UserRow::as_select())
                    .order((users::last_login.desc(), users::issuer, users::subject))
                    .limit(i64::from(limit));
                let mut connection = connection(self.0.get()).await?;
                let rows: Vec<UserRow> = in_time(latest.load(&mut connection)).await?;
                Ok(rows.into_iter().map(User::from).collect())
            }

            async fn delete(&self, issuer: &str, subject: &str) -> Result<bool, UsersUnavailable> {
                if !can_be_kept(issuer, subject) {
                    return Ok(false);
                }
                let person = diesel::delete(users::table.find((issuer, subject)));
                let mut connection = connection(self.0.get()).await?;
                Ok(in_time(person.execute(&mut connection)).await? > 0)
            }

            async fn check(&self) -> Result<(), UsersUnavailable> {
                let mut connection = connection(self.0.get()).await?;
                let question = diesel::sql_query("select 1");
                in_time(question.execute(&mut connection)).await?;
                Ok(())
            }
        }
    };
}

user_repository_on!(SqliteConnection);
user_repository_on!(PostgresConnection);
