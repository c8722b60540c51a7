//! The contract of [`UserRepository`]. Each clause gets an empty repository.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{OUTAGE_TIMEOUT, ReadOnly, Server, fixtures::ISSUER};
use futures_util::future::join_all;
use portico_domain::{
    model::{ClaimSource, Grant, Permission, Permissions, Profile, Subject, User},
    ports::UserRepository,
};

type Users = Arc<dyn UserRepository>;

/// Makes a test of each clause. Takes a future of `(Arc<dyn UserRepository>, T)`: an empty
/// repository, and a value to keep alive during the test; then attributes for all tests, if any.
#[macro_export]
macro_rules! user_repository_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments users:
            first_login_creates_record
            later_login_updates_and_counts
            compares_issuer_and_subject_byte_by_byte
            counts_simultaneous_logins
            last_login_never_moves_back
            keeps_hostile_values
            never_confuses_users_because_of_nul
            keeps_absent_values_absent
            later_permissions_replace_earlier_ones
            login_leaves_permissions
            permissions_create_no_record
            lists_by_latest_login_up_to_limit
            deletes_user
            finds_nothing_for_unknown_user
            check_succeeds
        }
    };
    ($($arguments:tt)+) => {
        $crate::user_repository_contract!(@clauses contract_tests [$($arguments)+]);
    };
}

/// The names of the clauses.
pub const CLAUSES: &[&str] = user_repository_contract!(@clauses contract_names []);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn user(subject: &str) -> Subject {
    Subject::new(ISSUER, subject)
}

fn named(name: &str) -> Profile {
    Profile { name: Some(name.into()), ..Profile::default() }
}

/// The first log-in creates the record, which can then be found.
pub async fn first_login_creates_record(users: Users) {
    let profile = Profile {
        name: Some("Jo Example".into()),
        nickname: Some("jo".into()),
        picture: Some("https://example.com/jo.png".into()),
        email: Some("jo@example.com".into()),
        email_verified: Some(true),
    };
    let expected = User {
        subject: user("auth0|1"),
        profile: profile.clone(),
        permissions: None,
        first_seen: at(1_700_000_000),
        last_login: at(1_700_000_000),
        logins: 1,
    };
    let recorded = users.record_login(&user("auth0|1"), &profile, at(1_700_000_000)).await;
    assert_eq!(recorded, Ok(expected.clone()));
    assert_eq!(users.find(&user("auth0|1")).await, Ok(Some(expected)));
}

/// A later log-in updates the profile and the time and is counted; the time of the first one stays.
pub async fn later_login_updates_and_counts(users: Users) {
    users.record_login(&user("1"), &named("Before"), at(10)).await.unwrap();
    let record = users.record_login(&user("1"), &named("After"), at(20)).await.unwrap();
    assert_eq!((record.first_seen, record.last_login, record.logins), (at(10), at(20), 2));
    assert_eq!(record.profile, named("After"));
    assert_eq!(users.find(&user("1")).await, Ok(Some(record)));
}

/// Keys that look alike belong to different users.
pub async fn compares_issuer_and_subject_byte_by_byte(users: Users) {
    let subjects = [
        (ISSUER, "a|b"),
        (ISSUER, "a_b"),
        (ISSUER, "A|b"),
        (ISSUER, "a|b "),
        (ISSUER, " a|b"),
        (ISSUER, "e\u{301}"),
        (ISSUER, "\u{e9}"),
        (ISSUER, "a%b"),
        ("https://id.example", "a|b"),
        ("https://ID.example/", "a|b"),
        ("https://id.example/a", "b"),
        ("https://id.example/", "ab"),
    ];
    for (issuer, subject) in subjects {
        let name = named(&format!("{issuer} {subject}"));
        let record =
            users.record_login(&Subject::new(issuer, subject), &name, at(0)).await.unwrap();
        assert_eq!(record.logins, 1, "{issuer} {subject:?}");
    }
    for (issuer, subject) in subjects {
        let record = users.find(&Subject::new(issuer, subject)).await.unwrap().unwrap();
        assert_eq!(record.subject, Subject::new(issuer, subject));
        assert_eq!(record.profile, named(&format!("{issuer} {subject}")));
    }
}

/// Fifty simultaneous log-ins of one user make one record that counts fifty.
pub async fn counts_simultaneous_logins(users: Users) {
    let profile = named("Jo");
    let subject = user("1");
    let logins = (0..50).map(|_| users.record_login(&subject, &profile, at(7)));
    let mut counts: Vec<i64> =
        join_all(logins).await.into_iter().map(|record| record.unwrap().logins).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<i64>>());
    assert_eq!(users.list(10).await.unwrap().len(), 1);
}

/// A log-in that is recorded late, or by a slow clock, is counted and does not move `last_login` back.
pub async fn last_login_never_moves_back(users: Users) {
    users.record_login(&user("1"), &named("Jo"), at(100)).await.unwrap();
    let record = users.record_login(&user("1"), &named("Jo"), at(50)).await.unwrap();
    assert_eq!((record.last_login, record.logins), (at(100), 2));
}

/// Text is kept to the byte, whatever it contains and however long it is.
pub async fn keeps_hostile_values(users: Users) {
    let subject = "'; drop table users; --\"$1?\\%_\u{202e}\u{1f600}";
    let profile = Profile {
        name: Some("Robert'); drop table users;--".into()),
        nickname: Some("\u{202e}\u{1f600} e\u{301} \\ % _ ? $1 \t\r\n\"".into()),
        picture: Some(format!("https://example.com/{}", "\u{e4}".repeat(5_000))),
        email: Some(String::new()),
        email_verified: Some(false),
    };
    let record = users.record_login(&user(subject), &profile, at(0)).await.unwrap();
    assert_eq!((&*record.subject.subject, &record.profile), (subject, &profile));
    assert_eq!(users.find(&user(subject)).await, Ok(Some(record)));
}

/// Not every storage can hold a NUL. It may be left out of a profile, and a key that contains one may
/// be refused. Nothing else is lost, and no user becomes another one.
pub async fn never_confuses_users_because_of_nul(users: Users) {
    let record = users.record_login(&user("1"), &named("J\0o"), at(0)).await.unwrap();
    let name = record.profile.name.as_deref();
    assert!(matches!(name, Some("J\0o" | "Jo")), "{name:?}");
    assert_eq!(users.find(&user("1")).await, Ok(Some(record)));
    for subject in ["1\0", "\x001", "1\x002"] {
        if let Ok(record) = users.record_login(&user(subject), &named("Nul"), at(1)).await {
            assert_eq!((&*record.subject.subject, record.logins), (subject, 1));
        }
    }
    assert_eq!(users.find(&user("1")).await.unwrap().unwrap().logins, 1);
    assert_eq!(users.find(&user("12")).await, Ok(None));
}

/// An absent value stays absent, also where an earlier log-in had a value.
pub async fn keeps_absent_values_absent(users: Users) {
    let nothing = Profile::default();
    let record = users.record_login(&user("1"), &nothing, at(0)).await.unwrap();
    assert_eq!(record.profile, nothing);
    let full = Profile { email_verified: Some(true), ..named("Jo") };
    users.record_login(&user("1"), &full, at(1)).await.unwrap();
    let record = users.record_login(&user("1"), &nothing, at(2)).await.unwrap();
    assert_eq!(record.profile, nothing);
}

fn granting(names: &[&str]) -> Permissions {
    let permissions = names.iter().copied().map(Permission::new).collect();
    let grant = Grant { source: ClaimSource::AccessToken, claim: "a.\u{e4}'".into(), permissions };
    Permissions::new(vec![grant], vec!["groups".into()])
}

/// What was recorded last counts, to the byte; nothing is united.
pub async fn later_permissions_replace_earlier_ones(users: Users) {
    users.record_login(&user("1"), &named("Jo"), at(0)).await.unwrap();
    users.record_login(&user("2"), &named("Jo"), at(0)).await.unwrap();
    let hostile = granting(&["'; drop table users; --", "\0\u{202e}\n\"\\", &"x".repeat(3_000)]);
    for permissions in [granting(&["read", "write"]), hostile, Permissions::default()] {
        users.record_permissions(&user("1"), &permissions).await.unwrap();
        let record = users.find(&user("1")).await.unwrap().unwrap();
        assert_eq!(record.permissions.as_ref(), Some(&permissions));
        assert_eq!((record.profile, record.logins), (named("Jo"), 1));
    }
    assert_eq!(users.find(&user("2")).await.unwrap().unwrap().permissions, None);
}

/// A log-in by itself leaves the recorded permissions as they are.
pub async fn login_leaves_permissions(users: Users) {
    users.record_login(&user("1"), &named("Jo"), at(0)).await.unwrap();
    users.record_permissions(&user("1"), &granting(&["read"])).await.unwrap();
    let record = users.record_login(&user("1"), &named("Jo"), at(1)).await.unwrap();
    assert_eq!(record.permissions, Some(granting(&["read"])));
    assert_eq!(users.find(&user("1")).await, Ok(Some(record)));
}

/// Permissions of a user without a record, such as one who was deleted meanwhile, create none.
pub async fn permissions_create_no_record(users: Users) {
    let long = "x".repeat(10_000);
    for subject in ["1", "\0", &long] {
        assert_eq!(users.record_permissions(&user(subject), &granting(&["read"])).await, Ok(()));
        assert_eq!(users.find(&user(subject)).await, Ok(None));
    }
    assert_eq!(users.list(1).await, Ok(Vec::new()));
}

/// The latest log-in comes first; of equal ones, the lower issuer and subject.
pub async fn lists_by_latest_login_up_to_limit(users: Users) {
    assert_eq!(users.list(5).await, Ok(Vec::new()));
    for (subject, login) in [("early", 1), ("late", 3), ("b", 2), ("a", 2), ("B", 2)] {
        users.record_login(&user(subject), &named(subject), at(login)).await.unwrap();
    }
    let listed_subjects = async |limit| {
        let listed = users.list(limit).await.unwrap();
        listed.into_iter().map(|record| record.subject.subject).collect::<Vec<_>>()
    };
    assert_eq!(listed_subjects(u32::MAX).await, ["late", "B", "a", "b", "early"]);
    assert_eq!(listed_subjects(2).await, ["late", "B"]);
    assert_eq!(listed_subjects(0).await, [""; 0]);
    users.record_login(&user("early"), &named("early"), at(4)).await.unwrap();
    assert_eq!(listed_subjects(1).await, ["early"]);
}

/// One record is deleted, once, and starts anew at the next log-in. The others stay.
pub async fn deletes_user(users: Users) {
    for subject in ["1", "2"] {
        users.record_login(&user(subject), &named("Jo"), at(0)).await.unwrap();
    }
    assert_eq!(users.delete(&user("1")).await, Ok(true));
    assert_eq!(users.delete(&user("1")).await, Ok(false));
    assert_eq!(users.find(&user("1")).await, Ok(None));
    assert!(users.find(&user("2")).await.unwrap().is_some());
    let record = users.record_login(&user("1"), &named("Jo"), at(9)).await.unwrap();
    assert_eq!((record.first_seen, record.logins), (at(9), 1));
}

/// An unknown user is an answer, not an error, whatever the key.
pub async fn finds_nothing_for_unknown_user(users: Users) {
    users.record_login(&user("1"), &named("Jo"), at(0)).await.unwrap();
    let long = "x".repeat(10_000);
    for subject in ["", "2", "1 ", "%", "\u{0}", &long] {
        assert_eq!(users.find(&user(subject)).await, Ok(None), "{subject:?}");
        assert_eq!(users.delete(&user(subject)).await, Ok(false), "{subject:?}");
    }
}

/// The check of a running storage succeeds.
pub async fn check_succeeds(users: Users) {
    assert_eq!(users.check().await, Ok(()));
}

/// The check notices a storage that answers and cannot be written, and that it can be written again.
pub async fn check_notices_storage_that_cannot_be_written(
    users: Users,
    storage: &mut dyn ReadOnly,
) {
    assert_eq!(users.check().await, Ok(()));
    storage.refuse_writes().await;
    assert!(users.check().await.is_err());
    assert!(users.check().await.is_err());
    if storage.accept_writes().await {
        assert_eq!(users.check().await, Ok(()));
        // It leaves no user behind.
        assert_eq!(users.list(1).await, Ok(Vec::new()));
    }
}

/// While the server is down, each call reports the outage in time, no user is reported as unknown,
/// and nothing is recorded. Afterwards everything works. For a storage with a server behind it.
pub async fn reports_outage_and_loses_nothing(users: Users, server: &mut dyn Server) {
    let profile = named("Jo");
    users.record_login(&user("1"), &profile, at(1)).await.unwrap();
    server.stop().await;
    let start = Instant::now();
    for _ in 0..2 {
        assert!(users.record_login(&user("1"), &profile, at(2)).await.is_err());
        assert!(users.record_permissions(&user("1"), &granting(&["read"])).await.is_err());
        assert!(users.find(&user("1")).await.is_err());
        assert!(users.list(1).await.is_err());
        assert!(users.delete(&user("1")).await.is_err());
        assert!(users.check().await.is_err());
    }
    assert!(start.elapsed() < OUTAGE_TIMEOUT, "{:?}", start.elapsed());
    server.start_again().await;
    assert_eq!(users.check().await, Ok(()));
    let record = users.record_login(&user("1"), &profile, at(3)).await.unwrap();
    assert_eq!((record.first_seen, record.last_login, record.logins), (at(1), at(3), 2));
}
