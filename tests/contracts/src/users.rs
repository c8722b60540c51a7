//! What every [`UserRepository`] promises. Each clause gets an empty one.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{SOON, Server, fixtures::ISSUER};
use futures_util::future::join_all;
use portico_domain::{
    model::{Profile, User},
    ports::UserRepository,
};

type Users = Arc<dyn UserRepository>;

/// Makes a named test of each clause. Takes a future of `(Arc<dyn UserRepository>, T)`: an empty
/// repository, and whatever must live as long as it; then attributes for all the tests, if any.
#[macro_export]
macro_rules! user_repository_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments users:
            the_first_login_makes_a_record
            a_later_login_refreshes_and_counts
            people_are_told_apart_by_issuer_and_subject_verbatim
            of_logins_at_the_same_instant_each_counts
            the_last_login_never_goes_back
            hostile_values_come_back_as_they_went
            a_nul_is_kept_left_out_or_refused_and_mixes_nobody_up
            what_is_absent_stays_absent
            people_are_listed_by_latest_login_up_to_the_limit
            a_person_can_be_forgotten
            nobody_is_found_where_nobody_signed_in
            the_storage_answers
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

fn named(name: &str) -> Profile {
    Profile { name: Some(name.into()), ..Profile::default() }
}

/// The first login makes the record, which can then be found.
pub async fn the_first_login_makes_a_record(users: Users) {
    let profile = Profile {
        name: Some("Jo Example".into()),
        nickname: Some("jo".into()),
        picture: Some("https://example.com/jo.png".into()),
        email: Some("jo@example.com".into()),
        email_verified: Some(true),
    };
    let expected = User {
        issuer: ISSUER.into(),
        subject: "auth0|1".into(),
        profile: profile.clone(),
        first_seen: at(1_700_000_000),
        last_login: at(1_700_000_000),
        logins: 1,
    };
    let admitted = users.record_login(ISSUER, "auth0|1", &profile, at(1_700_000_000)).await;
    assert_eq!(admitted, Ok(expected.clone()));
    assert_eq!(users.find(ISSUER, "auth0|1").await, Ok(Some(expected)));
}

/// A later login refreshes the profile, notes the time and counts; the first login stays noted.
pub async fn a_later_login_refreshes_and_counts(users: Users) {
    users.record_login(ISSUER, "1", &named("Before"), at(10)).await.unwrap();
    let user = users.record_login(ISSUER, "1", &named("After"), at(20)).await.unwrap();
    assert_eq!((user.first_seen, user.last_login, user.logins), (at(10), at(20), 2));
    assert_eq!(user.profile, named("After"));
    assert_eq!(users.find(ISSUER, "1").await, Ok(Some(user)));
}

/// Keys that look alike belong to different people.
pub async fn people_are_told_apart_by_issuer_and_subject_verbatim(users: Users) {
    let people = [
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
    for (issuer, subject) in people {
        let name = named(&format!("{issuer} {subject}"));
        let user = users.record_login(issuer, subject, &name, at(0)).await.unwrap();
        assert_eq!(user.logins, 1, "{issuer} {subject:?}");
    }
    for (issuer, subject) in people {
        let user = users.find(issuer, subject).await.unwrap().unwrap();
        assert_eq!((&*user.issuer, &*user.subject), (issuer, subject));
        assert_eq!(user.profile, named(&format!("{issuer} {subject}")));
    }
}

/// Fifty logins of one person at the same instant make one record that counts fifty.
pub async fn of_logins_at_the_same_instant_each_counts(users: Users) {
    let profile = named("Jo");
    let logins = (0..50).map(|_| users.record_login(ISSUER, "1", &profile, at(7)));
    let mut counts: Vec<i64> =
        join_all(logins).await.into_iter().map(|user| user.unwrap().logins).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<i64>>());
    assert_eq!(users.list(10).await.unwrap().len(), 1);
}

/// A login that is noted late, or by a clock that is behind, counts but moves nothing back.
pub async fn the_last_login_never_goes_back(users: Users) {
    users.record_login(ISSUER, "1", &named("Jo"), at(100)).await.unwrap();
    let user = users.record_login(ISSUER, "1", &named("Jo"), at(50)).await.unwrap();
    assert_eq!((user.last_login, user.logins), (at(100), 2));
}

/// Text is kept to the letter, whatever it looks like, and long text too.
pub async fn hostile_values_come_back_as_they_went(users: Users) {
    let subject = "'; drop table users; --\"$1?\\%_\u{202e}\u{1f600}";
    let profile = Profile {
        name: Some("Robert'); drop table users;--".into()),
        nickname: Some("\u{202e}\u{1f600} e\u{301} \\ % _ ? $1 \t\r\n\"".into()),
        picture: Some(format!("https://example.com/{}", "\u{e4}".repeat(5_000))),
        email: Some(String::new()),
        email_verified: Some(false),
    };
    let user = users.record_login(ISSUER, subject, &profile, at(0)).await.unwrap();
    assert_eq!((&*user.subject, &user.profile), (subject, &profile));
    assert_eq!(users.find(ISSUER, subject).await, Ok(Some(user)));
}

/// Not every storage can hold a NUL. It may be left out of a profile, and a key that has one may be
/// refused; but nothing else is lost, and nobody becomes someone else.
pub async fn a_nul_is_kept_left_out_or_refused_and_mixes_nobody_up(users: Users) {
    let user = users.record_login(ISSUER, "1", &named("J\0o"), at(0)).await.unwrap();
    let name = user.profile.name.as_deref();
    assert!(matches!(name, Some("J\0o" | "Jo")), "{name:?}");
    assert_eq!(users.find(ISSUER, "1").await, Ok(Some(user)));
    for subject in ["1\0", "\x001", "1\x002"] {
        if let Ok(user) = users.record_login(ISSUER, subject, &named("Nul"), at(1)).await {
            assert_eq!((&*user.subject, user.logins), (subject, 1));
        }
    }
    assert_eq!(users.find(ISSUER, "1").await.unwrap().unwrap().logins, 1);
    assert_eq!(users.find(ISSUER, "12").await, Ok(None));
}

/// An absent value comes back absent, also where an earlier login had brought one.
pub async fn what_is_absent_stays_absent(users: Users) {
    let nothing = Profile::default();
    let user = users.record_login(ISSUER, "1", &nothing, at(0)).await.unwrap();
    assert_eq!(user.profile, nothing);
    let full = Profile { email_verified: Some(true), ..named("Jo") };
    users.record_login(ISSUER, "1", &full, at(1)).await.unwrap();
    let user = users.record_login(ISSUER, "1", &nothing, at(2)).await.unwrap();
    assert_eq!(user.profile, nothing);
}

/// The latest login comes first; of equal ones, the lower issuer and subject.
pub async fn people_are_listed_by_latest_login_up_to_the_limit(users: Users) {
    assert_eq!(users.list(5).await, Ok(Vec::new()));
    for (subject, login) in [("early", 1), ("late", 3), ("b", 2), ("a", 2), ("B", 2)] {
        users.record_login(ISSUER, subject, &named(subject), at(login)).await.unwrap();
    }
    let subjects = async |limit| {
        let listed = users.list(limit).await.unwrap();
        listed.into_iter().map(|user| user.subject).collect::<Vec<_>>()
    };
    assert_eq!(subjects(u32::MAX).await, ["late", "B", "a", "b", "early"]);
    assert_eq!(subjects(2).await, ["late", "B"]);
    assert_eq!(subjects(0).await, [""; 0]);
    users.record_login(ISSUER, "early", &named("early"), at(4)).await.unwrap();
    assert_eq!(subjects(1).await, ["early"]);
}

/// One person is forgotten, once, and begins anew at the next login. The others stay.
pub async fn a_person_can_be_forgotten(users: Users) {
    for subject in ["1", "2"] {
        users.record_login(ISSUER, subject, &named("Jo"), at(0)).await.unwrap();
    }
    assert_eq!(users.delete(ISSUER, "1").await, Ok(true));
    assert_eq!(users.delete(ISSUER, "1").await, Ok(false));
    assert_eq!(users.find(ISSUER, "1").await, Ok(None));
    assert!(users.find(ISSUER, "2").await.unwrap().is_some());
    let user = users.record_login(ISSUER, "1", &named("Jo"), at(9)).await.unwrap();
    assert_eq!((user.first_seen, user.logins), (at(9), 1));
}

/// Nobody is an answer, not an error, whatever is asked for.
pub async fn nobody_is_found_where_nobody_signed_in(users: Users) {
    users.record_login(ISSUER, "1", &named("Jo"), at(0)).await.unwrap();
    let long = "x".repeat(10_000);
    for subject in ["", "2", "1 ", "%", "\u{0}", &long] {
        assert_eq!(users.find(ISSUER, subject).await, Ok(None), "{subject:?}");
        assert_eq!(users.delete(ISSUER, subject).await, Ok(false), "{subject:?}");
    }
}

/// A storage that works says so.
pub async fn the_storage_answers(users: Users) {
    assert_eq!(users.check().await, Ok(()));
}

/// While the server is away each call says so and soon, nobody is taken for unknown, and nothing is
/// noted; afterwards all is as it was. For a storage that has a server which can be away.
pub async fn an_outage_is_said_and_loses_nothing(users: Users, server: &mut dyn Server) {
    let profile = named("Jo");
    users.record_login(ISSUER, "1", &profile, at(1)).await.unwrap();
    server.stop().await;
    let begun = Instant::now();
    for _ in 0..2 {
        assert!(users.record_login(ISSUER, "1", &profile, at(2)).await.is_err());
        assert!(users.find(ISSUER, "1").await.is_err());
        assert!(users.list(1).await.is_err());
        assert!(users.delete(ISSUER, "1").await.is_err());
        assert!(users.check().await.is_err());
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    server.start_again().await;
    assert_eq!(users.check().await, Ok(()));
    let user = users.record_login(ISSUER, "1", &profile, at(3)).await.unwrap();
    assert_eq!((user.first_seen, user.last_login, user.logins), (at(1), at(3), 2));
}
