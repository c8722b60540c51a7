//! The rows of the table of users, private to this folder.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use portico_domain::model::{Permissions, Profile, Subject, User};

diesel::table! {
    /// Times are whole seconds since the epoch: SQLite has no type for them, and with numbers one
    /// schema serves both databases.
    users (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        name -> Nullable<Text>,
        nickname -> Nullable<Text>,
        picture -> Nullable<Text>,
        email -> Nullable<Text>,
        email_verified -> Nullable<Bool>,
        first_seen -> BigInt,
        last_login -> BigInt,
        logins -> BigInt,
        permissions -> Nullable<Text>,
    }
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct UserRow {
    issuer: String,
    subject: String,
    #[diesel(embed)]
    profile: ProfileRow,
    first_seen: i64,
    last_login: i64,
    logins: i64,
    permissions: Option<String>,
}

/// What each log-in updates. An absent value overwrites an earlier one.
#[derive(AsChangeset, Clone, Insertable, Queryable, Selectable)]
#[diesel(table_name = users, treat_none_as_null = true)]
pub(super) struct ProfileRow {
    name: Option<String>,
    nickname: Option<String>,
    picture: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
}

impl UserRow {
    /// The record after the first log-in.
    pub(super) fn first(subject: &Subject, profile: ProfileRow, now: DateTime<Utc>) -> Self {
        let now = now.timestamp();
        Self {
            issuer: subject.issuer.clone(),
            subject: subject.subject.clone(),
            profile,
            first_seen: now,
            last_login: now,
            logins: 1,
            permissions: None,
        }
    }
}

/// The permissions as the column holds them. JSON escapes NUL characters.
pub(super) fn permissions_column(permissions: &Permissions) -> serde_json::Result<String> {
    serde_json::to_string(permissions)
}

impl From<&Profile> for ProfileRow {
    /// Without NUL characters, which PostgreSQL cannot store.
    fn from(profile: &Profile) -> Self {
        let text = |value: &Option<String>| value.as_ref().map(|value| value.replace('\0', ""));
        Self {
            name: text(&profile.name),
            nickname: text(&profile.nickname),
            picture: text(&profile.picture),
            email: text(&profile.email),
            email_verified: profile.email_verified,
        }
    }
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        // Only a manual change of the table can make a time that is out of range.
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        Self {
            subject: Subject::new(row.issuer, row.subject),
            profile: Profile {
                name: row.profile.name,
                nickname: row.profile.nickname,
                picture: row.profile.picture,
                email: row.profile.email,
                email_verified: row.profile.email_verified,
            },
            first_seen: time(row.first_seen),
            last_login: time(row.last_login),
            logins: row.logins,
            // Only a manual change of the table, or a later version, can make another text.
            permissions: row.permissions.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}
