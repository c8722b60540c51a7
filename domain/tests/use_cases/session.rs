use chrono::{DateTime, TimeDelta, Utc};
use portico_contracts::fixtures::{self, ISSUER};
use portico_domain::model::{
    AccessToken, Claims, Identity, InvalidSessionId, Lifetimes, Permission, Permissions,
    RefreshedTokens, Revocation, SessionChange, SessionId, Subject, Tokens,
};
use rstest::rstest;
use serde_json::{Value, json};

const LIFETIMES: Lifetimes =
    Lifetimes { rolling: TimeDelta::seconds(100), absolute: TimeDelta::seconds(250) };

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

#[test]
fn expires_without_visits_and_at_absolute_lifetime() {
    let session = fixtures::session();
    assert_eq!(LIFETIMES.expires_at(&session), at(100));
    assert!(LIFETIMES.allow(&session, at(99)));
    assert!(!LIFETIMES.allow(&session, at(100)));

    let session = session.with(SessionChange::Seen(at(200)));
    assert_eq!(LIFETIMES.expires_at(&session), at(250));
    assert!(LIFETIMES.allow(&session, at(249)));
    assert!(!LIFETIMES.allow(&session, at(250)));
}

#[test]
fn refuses_session_from_the_future() {
    let session = fixtures::session_at(at(301));
    assert!(!LIFETIMES.allow(&session, at(0)));
    // Clocks of two instances may differ a little.
    assert!(LIFETIMES.allow(&session, at(1)));
}

#[rstest]
#[case::short_lifetime(TimeDelta::seconds(100), 10)]
#[case::long_lifetime(TimeDelta::days(1), 60)]
fn records_visit_at_most_once_a_minute(#[case] rolling: TimeDelta, #[case] seconds: i64) {
    let lifetimes = Lifetimes { rolling, absolute: TimeDelta::days(7) };
    let session = fixtures::session();
    assert!(!lifetimes.visit_is_due(&session, at(seconds - 1)));
    assert!(lifetimes.visit_is_due(&session, at(seconds)));
}

#[test]
fn has_only_granted_permissions() {
    let session = fixtures::session();
    assert!(session.has(&Permission::new("read:messages")));
    assert!(!session.has(&Permission::new("read:admin-messages")));
    assert!(!session.has(&Permission::new("read")));
}

#[test]
fn earlier_visit_does_not_replace_later_one() {
    let session =
        fixtures::session().with(SessionChange::Seen(at(9))).with(SessionChange::Seen(at(8)));
    assert_eq!(session.seen_at, at(9));
}

#[test]
fn refresh_changes_tokens_and_stated_permissions_only() {
    let access_token = AccessToken::new("newer");
    let tokens = Tokens { access_token, ..fixtures::identity().tokens };
    let refreshed = |permissions| {
        let refreshed = RefreshedTokens { tokens: tokens.clone(), claims: None, permissions };
        fixtures::session().with(SessionChange::Refreshed(refreshed))
    };
    let mut expected = fixtures::session();
    expected.identity.tokens = tokens.clone();
    assert_eq!(refreshed(None), expected);
    expected.identity.permissions = Permissions::default();
    assert_eq!(refreshed(Some(Permissions::default())), expected);
}

#[rstest]
#[case::thirty_seconds_before_expiry(600, 570)]
#[case::at_most_thirty_seconds(90, 60)]
#[case::last_third_of_short_lifetime(9, 6)]
#[case::lifetime_of_zero(0, 0)]
fn renewal_is_due(#[case] lifetime: i64, #[case] due: i64) {
    let access_token_expires_at = Some(at(lifetime));
    let tokens = Tokens { access_token_expires_at, ..fixtures::identity().tokens };
    assert!(!tokens.renewal_is_due(at(due - 1)));
    assert!(tokens.renewal_is_due(at(due)));
    assert!(tokens.renewal_is_due(at(lifetime + 1)));
}

#[test]
fn renewal_is_never_due_for_token_without_stated_expiry() {
    let tokens = fixtures::identity().tokens;
    assert_eq!(tokens.access_token_expires_at, None);
    assert!(!tokens.renewal_is_due(at(1_000_000)));
}

fn identity_with(claims: &Value) -> Identity {
    Identity { claims: Claims::new(claims.as_object().unwrap()), ..fixtures::identity() }
}

fn identity_since(auth_time: Value) -> Identity {
    identity_with(&json!({"sub": "user-1", "auth_time": auth_time}))
}

#[rstest]
#[case::recently(1_000, true)]
#[case::at_the_limit(1_000 + 300, true)]
#[case::within_leeway(1_000 + 300 + 60, true)]
#[case::too_long_ago(1_000 + 300 + 61, false)]
fn is_authenticated_within_max_age(#[case] now: i64, #[case] expected: bool) {
    let identity = identity_since(json!(1_000));
    assert_eq!(identity.authenticated_at(), Some(at(1_000)));
    assert_eq!(identity.authenticated_within(TimeDelta::minutes(5), at(now)), expected);
}

#[test]
fn reads_time_of_authentication_with_fraction() {
    let identity = identity_since(json!(1_000.5));
    assert_eq!(identity.authenticated_at(), Some(at(1_000) + TimeDelta::milliseconds(500)));
}

#[rstest]
#[case::absent(fixtures::identity())]
#[case::null(identity_since(json!(null)))]
#[case::text(identity_since(json!("1000")))]
#[case::out_of_range(identity_since(json!(1e300)))]
fn is_not_authenticated_within_any_time_without_auth_time(#[case] identity: Identity) {
    assert_eq!(identity.authenticated_at(), None);
    assert!(!identity.authenticated_within(TimeDelta::days(365), at(1_000)));
}

#[rstest]
#[case::name(json!({"name": "Jo", "preferred_username": "jo"}), "Jo")]
#[case::preferred_username(json!({"name": " ", "preferred_username": "jo", "nickname": "joe"}), "jo")]
#[case::nickname(json!({"name": 7, "nickname": "joe", "email": "jo@example.com"}), "joe")]
#[case::email(json!({"email": "jo@example.com"}), "jo@example.com")]
#[case::subject(json!({}), "user-1")]
fn display_name_falls_back_to_next_claim(#[case] claims: Value, #[case] expected: &str) {
    assert_eq!(identity_with(&claims).display_name(), expected);
}

#[test]
fn session_id_is_parsed_as_it_was_displayed() {
    let id = SessionId::new([7; 32]);
    assert_eq!(id.to_string(), "BwcHBwcHBwcHBwcHBwcHBw");
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[rstest]
#[case::empty("")]
#[case::one_character("a")]
#[case::too_short("BwcHBwcHBwcHBwcHBwcHB")]
#[case::too_long("BwcHBwcHBwcHBwcHBwcHBwc")]
#[case::path("../../etc/passwd")]
fn refuses_malformed_session_id(#[case] text: &str) {
    assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId));
}

/// The id of the session of the examples.
fn own_id() -> SessionId {
    fixtures::session().id
}

fn other_id() -> SessionId {
    SessionId::new([9; 32])
}

fn one(issuer: &str, subject: &str, id: SessionId) -> Revocation {
    Revocation::Session { subject: Subject::new(issuer, subject), id }
}

fn all(issuer: &str, subject: &str, except: Option<SessionId>) -> Revocation {
    Revocation::User { subject: Subject::new(issuer, subject), except }
}

fn provider_session(issuer: &str, sid: &str, subject: Option<&str>) -> Revocation {
    let (issuer, sid) = (issuer.to_owned(), sid.to_owned());
    Revocation::ProviderSession { issuer, sid, subject: subject.map(Into::into) }
}

#[rstest]
#[case::session(one(ISSUER, "user-1", own_id()), true)]
#[case::another_session(one(ISSUER, "user-1", other_id()), false)]
#[case::session_of_another_user(one(ISSUER, "another", own_id()), false)]
#[case::session_at_another_issuer(one("another", "user-1", own_id()), false)]
#[case::user(all(ISSUER, "user-1", None), true)]
#[case::user_except_another_session(all(ISSUER, "user-1", Some(other_id())), true)]
#[case::user_except_this_session(all(ISSUER, "user-1", Some(own_id())), false)]
#[case::another_user(all(ISSUER, "another", None), false)]
#[case::user_at_another_issuer(all("another", "user-1", None), false)]
#[case::provider_session(provider_session(ISSUER, "provider-session", None), true)]
#[case::provider_session_of_user(
    provider_session(ISSUER, "provider-session", Some("user-1")),
    true
)]
#[case::provider_session_of_another_user(
    provider_session(ISSUER, "provider-session", Some("another")),
    false
)]
#[case::another_provider_session(provider_session(ISSUER, "another", None), false)]
#[case::provider_session_at_another_issuer(
    provider_session("another", "provider-session", None),
    false
)]
fn revocation_covers_only_what_it_names(#[case] revocation: Revocation, #[case] expected: bool) {
    assert_eq!(revocation.covers(&fixtures::session()), expected);
}

#[test]
fn revocation_of_provider_session_covers_no_session_without_sid() {
    let mut session = fixtures::session();
    session.identity.provider_session_id = None;
    assert!(!provider_session(ISSUER, "provider-session", None).covers(&session));
}
