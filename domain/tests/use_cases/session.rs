use chrono::{DateTime, TimeDelta};
use portico_contracts::fixtures;
use portico_domain::model::{
    AccessToken, Change, InvalidSessionId, Lifetimes, Permission, RefreshedTokens, Revocation,
    Session, SessionId, Tokens,
};

const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::seconds(100), absolute: TimeDelta::seconds(250) };

#[test]
fn a_session_ends_when_nobody_comes_or_when_it_is_old() {
    let start = DateTime::UNIX_EPOCH;
    let at = |seconds| start + TimeDelta::seconds(seconds);
    let session = fixtures::session();

    assert!(LIFETIMES.allow(&session, at(99)));
    assert!(!LIFETIMES.allow(&session, at(100)));

    let session = session.with(Change::Seen(at(200)));
    assert!(LIFETIMES.allow(&session, at(249)));
    assert!(!LIFETIMES.allow(&session, at(250)));
}

#[test]
fn a_session_from_the_future_is_refused() {
    let session = fixtures::session_at(DateTime::UNIX_EPOCH + TimeDelta::hours(1));
    assert!(!LIFETIMES.allow(&session, DateTime::UNIX_EPOCH));
}

#[test]
fn a_visit_is_noted_once_in_a_while() {
    let session = fixtures::session();
    let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
    assert!(!LIFETIMES.visit_is_due(&session, at(9)));
    assert!(LIFETIMES.visit_is_due(&session, at(10)));
}

#[test]
fn a_person_has_the_permissions_that_were_told_and_no_others() {
    let session = fixtures::session();
    assert!(session.has(&Permission::new("read:messages")));
    assert!(!session.has(&Permission::new("read:admin-messages")));
    assert!(!session.has(&Permission::new("read")));
}

#[test]
fn a_visit_is_never_undone_by_an_earlier_one() {
    let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
    let session = fixtures::session().with(Change::Seen(at(9))).with(Change::Seen(at(8)));
    assert_eq!(session.seen_at, at(9));
}

#[test]
fn a_refresh_changes_the_tokens_and_what_is_permitted_if_it_says_so() {
    let tokens = Tokens { access_token: AccessToken::new("newer"), ..fixtures::session().tokens };
    let refreshed = |permissions| {
        let refreshed = RefreshedTokens { tokens: tokens.clone(), permissions };
        fixtures::session().with(Change::RefreshedTokens(refreshed))
    };
    assert_eq!(refreshed(None), Session { tokens: tokens.clone(), ..fixtures::session() });
    assert!(refreshed(Some(Vec::new())).permissions.is_empty());
}

#[test]
fn tokens_end_when_they_say_so_and_else_when_nobody_knows() {
    let mut tokens = fixtures::session().tokens;
    let now = DateTime::UNIX_EPOCH;
    assert!(!tokens.expires_within(TimeDelta::days(1), now));
    tokens.access_token_expires_at = Some(now + TimeDelta::seconds(31));
    assert!(!tokens.expires_within(TimeDelta::seconds(30), now));
    assert!(tokens.expires_within(TimeDelta::seconds(31), now));
}

#[test]
fn an_id_is_read_as_it_was_written_and_nothing_else_is_one() {
    let id = SessionId::new([7; 32]);
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in ["", "a", "BwcHBwcHBwcHBwcHBwcHB", "BwcHBwcHBwcHBwcHBwcHBwc", "../../etc/passwd"] {
        assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text}");
    }
}

#[test]
fn a_revocation_means_the_sessions_that_it_names_and_no_others() {
    let session = fixtures::session();
    let Session { issuer, subject, id, .. } = session.clone();
    let sid = session.provider_session_id.clone().unwrap();
    let another = || "another".to_owned();
    let one = |issuer: &String, subject: &String, id| {
        let (issuer, subject) = (issuer.clone(), subject.clone());
        Revocation::Session { issuer, subject, id }
    };
    let all = |issuer: &String, subject: &String, except| {
        let (issuer, subject) = (issuer.clone(), subject.clone());
        Revocation::Person { issuer, subject, except }
    };
    let at = |issuer: &String, sid: &String, subject: Option<&String>| {
        let (issuer, sid) = (issuer.clone(), sid.clone());
        Revocation::ProviderSession { issuer, sid, subject: subject.cloned() }
    };
    let other_id = SessionId::new([9; 32]);
    for (revocation, covers) in [
        (one(&issuer, &subject, id), true),
        (one(&issuer, &subject, other_id), false),
        (one(&issuer, &another(), id), false),
        (one(&another(), &subject, id), false),
        (all(&issuer, &subject, None), true),
        (all(&issuer, &subject, Some(other_id)), true),
        (all(&issuer, &subject, Some(id)), false),
        (all(&issuer, &another(), None), false),
        (all(&another(), &subject, None), false),
        (at(&issuer, &sid, None), true),
        (at(&issuer, &sid, Some(&subject)), true),
        (at(&issuer, &sid, Some(&another())), false),
        (at(&issuer, &another(), None), false),
        (at(&another(), &sid, None), false),
    ] {
        assert_eq!(revocation.covers(&session), covers, "{revocation:?}");
    }
    let without_sid = Session { provider_session_id: None, ..session };
    assert!(!at(&issuer, &sid, None).covers(&without_sid));
}
