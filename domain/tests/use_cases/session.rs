use chrono::{DateTime, TimeDelta, Utc};
use portico_contracts::fixtures;
use portico_domain::model::{
    AccessToken, Claims, InvalidSessionId, Lifetimes, Permission, RefreshedTokens, Revocation,
    SessionChange, SessionId, Subject,
};
use serde_json::json;

const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::seconds(100), absolute: TimeDelta::seconds(250) };

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

#[test]
fn session_expires_without_visits_and_at_its_absolute_lifetime() {
    let session = fixtures::session();
    assert!(LIFETIMES.allow(&session, at(99)));
    assert!(!LIFETIMES.allow(&session, at(100)));

    let session = session.with(SessionChange::Seen(at(200)));
    assert!(LIFETIMES.allow(&session, at(249)));
    assert!(!LIFETIMES.allow(&session, at(250)));
}

#[test]
fn refuses_session_from_the_future() {
    let session = fixtures::session_at(at(3_600));
    assert!(!LIFETIMES.allow(&session, at(0)));
}

#[test]
fn visit_is_recorded_once_in_a_while() {
    let session = fixtures::session();
    assert!(!LIFETIMES.visit_is_due(&session, at(9)));
    assert!(LIFETIMES.visit_is_due(&session, at(10)));
}

#[test]
fn user_has_exactly_the_granted_permissions() {
    let session = fixtures::session();
    assert!(session.has(&Permission::new("read:messages")));
    assert!(!session.has(&Permission::new("read:admin-messages")));
    assert!(!session.has(&Permission::new("read")));
}

#[test]
fn earlier_visit_does_not_replace_later_one() {
    let session = fixtures::session();
    let session = session.with(SessionChange::Seen(at(9))).with(SessionChange::Seen(at(8)));
    assert_eq!(session.seen_at, at(9));
}

#[test]
fn refresh_replaces_tokens_and_permissions_if_given() {
    let mut expected = fixtures::session();
    expected.identity.tokens.access_token = AccessToken::new("newer");
    let refreshed = |permissions| {
        let tokens = expected.identity.tokens.clone();
        let refreshed = RefreshedTokens { tokens, permissions };
        fixtures::session().with(SessionChange::Refreshed(refreshed))
    };
    assert_eq!(refreshed(None), expected);
    assert!(refreshed(Some(Vec::new())).identity.permissions.is_empty());
}

#[test]
fn renewal_is_due_in_last_30_seconds_or_last_third_of_lifetime() {
    let mut tokens = fixtures::identity().tokens;
    assert!(!tokens.renewal_is_due(at(1_000_000)), "nobody knows when it expires");
    for (lifetime, due) in [(3_600, 3_570), (90, 60), (60, 40), (3, 2), (0, 0)] {
        tokens.access_token_expires_at = Some(at(lifetime));
        assert!(!tokens.renewal_is_due(at(due - 1)), "{lifetime} s");
        assert!(tokens.renewal_is_due(at(due)), "{lifetime} s");
        assert!(tokens.renewal_is_due(at(lifetime + 10)), "{lifetime} s");
    }
}

#[test]
fn authentication_is_recent_within_max_age_and_leeway() {
    let mut identity = fixtures::identity();
    assert!(!identity.authenticated_within(TimeDelta::days(1), at(0)), "it has no auth_time");
    for (auth_time, age, recent) in [
        (json!(1_000), 100 + 60, true),
        (json!(1_000), 100 + 61, false),
        (json!(1_000.5), 100 + 60, true),
        (json!(1_000), -10, true),
        (json!("1000"), 0, false),
        (json!(null), 0, false),
    ] {
        let claims = json!({ "auth_time": auth_time });
        identity.claims = Claims::new(claims.as_object().unwrap());
        let is_recent = identity.authenticated_within(TimeDelta::seconds(100), at(1_000 + age));
        assert_eq!(is_recent, recent, "{claims} {age}");
    }
}

#[test]
fn display_name_falls_back_to_the_subject() {
    let mut identity = fixtures::identity();
    for (claims, name) in [
        (json!({"name": "Jo", "preferred_username": "jo"}), "Jo"),
        (json!({"name": " ", "preferred_username": "jo", "email": "jo@example.com"}), "jo"),
        (json!({"name": 7, "nickname": "joe", "email": "jo@example.com"}), "joe"),
        (json!({"email": "jo@example.com"}), "jo@example.com"),
        (json!({}), "user-1"),
    ] {
        identity.claims = Claims::new(claims.as_object().unwrap());
        assert_eq!(identity.display_name(), name);
    }
}

#[test]
fn session_id_survives_text() {
    let id = SessionId::new([7; 32]);
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in ["", "a", "BwcHBwcHBwcHBwcHBwcHB", "BwcHBwcHBwcHBwcHBwcHBwc", "../../etc/passwd"] {
        assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text}");
    }
}

#[test]
fn revocation_covers_only_the_sessions_that_it_names() {
    let mut session = fixtures::session();
    let Subject { issuer, subject } = session.subject().clone();
    let sid = session.identity.provider_session_id.clone().unwrap();
    let (id, other_id) = (session.id, SessionId::new([9; 32]));
    let one = |issuer: &str, subject: &str, id| Revocation::Session {
        subject: Subject::new(issuer, subject),
        id,
    };
    let all = |issuer: &str, subject: &str, except| Revocation::User {
        subject: Subject::new(issuer, subject),
        except,
    };
    let of = |issuer: &str, sid: &str, subject: Option<&str>| Revocation::ProviderSession {
        issuer: issuer.into(),
        sid: sid.into(),
        subject: subject.map(str::to_owned),
    };
    for (revocation, covers) in [
        (one(&issuer, &subject, id), true),
        (one(&issuer, &subject, other_id), false),
        (one(&issuer, "another", id), false),
        (one("another", &subject, id), false),
        (all(&issuer, &subject, None), true),
        (all(&issuer, &subject, Some(other_id)), true),
        (all(&issuer, &subject, Some(id)), false),
        (all(&issuer, "another", None), false),
        (all("another", &subject, None), false),
        (of(&issuer, &sid, None), true),
        (of(&issuer, &sid, Some(&subject)), true),
        (of(&issuer, &sid, Some("another")), false),
        (of(&issuer, "another", None), false),
        (of("another", &sid, None), false),
    ] {
        assert_eq!(revocation.covers(&session), covers, "{revocation:?}");
    }
    session.identity.provider_session_id = None;
    assert!(!of(&issuer, &sid, None).covers(&session));
}
