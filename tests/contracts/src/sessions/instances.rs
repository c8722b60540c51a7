//! What the store promises where several instances and several people meet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;

use super::{Cookies, Fresh, Site, Visitor, attempt_of, stranger};
use crate::{SOON, Server, fixtures};
use futures_util::future::join;
use portico_domain::{
    model::{
        AccessToken, Change, RefreshToken, RefreshedTokens, Revocation, Session, SessionId, Tokens,
    },
    ports::{Clock, SessionRegistry, Turn},
};

/// A person signed in at one instance, and the same browser at another.
struct Two {
    site: Fresh,
    /// The person's browser at the first instance.
    one: Box<dyn Visitor>,
    /// A copy of it at the second.
    other: Box<dyn Visitor>,
    /// The registries of both.
    registries: [Arc<dyn SessionRegistry>; 2],
}

impl Two {
    async fn at(site: Fresh) -> Self {
        let instances = [site.instance(), site.instance()];
        let one = instances[0].visitor(Cookies::new()).await;
        one.start(&fixtures::session()).await.unwrap();
        let other = instances[1].visitor(one.cookies()).await;
        let registries = [instances[0].registry(), instances[1].registry()];
        Self { site, one, other, registries }
    }

    /// The browser with these cookies at an instance that has just started.
    async fn restarted(&self, cookies: Cookies) -> Box<dyn Visitor> {
        self.site.instance().visitor(cookies).await
    }
}

/// Whoever has a copy of the browser is a stranger, within the 5 seconds that are promised.
async fn ends(site: &dyn Site, copy: &dyn Visitor) {
    let begun = Instant::now();
    while copy.current().await.unwrap().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the session goes on");
        site.pause().await;
    }
}

fn refreshed(token: &str) -> Change {
    let tokens = Tokens { access_token: AccessToken::new(token), ..fixtures::session().tokens };
    Change::RefreshedTokens(RefreshedTokens { tokens, permissions: None })
}

/// A session is the site's, not the instance's: it is known to another at once, and when it ends
/// at one, a copy of its cookies is good for nothing, there at once and elsewhere soon.
pub async fn what_one_instance_starts_another_knows_and_either_ends_it(site: Fresh) {
    let two = Two::at(site).await;
    assert_eq!(two.other.current().await, Ok(Some(fixtures::session())));
    let cookies = two.one.cookies();
    two.one.end().await.unwrap();
    assert_eq!(two.one.current().await, Ok(None));
    assert_eq!(two.restarted(cookies).await.current().await, Ok(None));
    ends(&*two.site, &*two.other).await;
}

/// A change that has begun when the session ends does not bring it back, whichever comes first.
pub async fn a_change_under_way_brings_no_ended_session_back(site: Fresh) {
    let two = Two::at(site).await;
    let newer = refreshed("newer");
    let (refresh, end) = join(two.other.update(&newer), two.one.end()).await;
    assert!(refresh.is_ok() && end.is_ok());
    ends(&*two.site, &*two.other).await;
    assert_eq!(two.one.current().await, Ok(None));
}

/// Two changes at once are both made: here, a visit that began before a refresh was answered.
pub async fn a_visit_and_a_refresh_at_once_undo_nothing(site: Fresh) {
    let instance = site.instance();
    let one = instance.visitor(Cookies::new()).await;
    one.start(&fixtures::session()).await.unwrap();
    site.clock().advance(TimeDelta::seconds(10));
    let before = instance.visitor(one.cookies()).await;
    one.update(&refreshed("newer")).await.unwrap();
    before.update(&Change::Seen(site.clock().now())).await.unwrap();
    let session = before.current().await.unwrap().unwrap();
    assert_eq!(session.tokens.access_token, AccessToken::new("newer"));
    assert_eq!(session.seen_at, site.clock().now());
}

/// One at a time refreshes, and the others get what it brought.
pub async fn who_waits_for_the_turn_gets_what_the_one_before_left(site: Fresh) {
    let instance = site.instance();
    let one = instance.visitor(Cookies::new()).await;
    one.start(&fixtures::session()).await.unwrap();
    let same = instance.visitor(one.cookies()).await;
    let late = instance.visitor(one.cookies()).await;
    assert_eq!(one.take_turn().await, Ok(Turn::Yours(fixtures::session())));
    let refresh = async {
        one.update(&refreshed("newer")).await.unwrap();
        one.end_turn().await.unwrap();
    };
    let (waited, ()) = join(same.take_turn(), refresh).await;
    // Who comes late may find the turn free again, and the session refreshed all the same.
    let is_free = matches!(waited, Ok(Turn::Yours(_)));
    let Ok(Turn::Over(Some(session)) | Turn::Yours(session)) = waited else { panic!("{waited:?}") };
    assert_eq!(session.tokens.access_token, AccessToken::new("newer"));
    let session = late.current().await.unwrap().unwrap();
    assert_eq!(session.tokens.access_token, AccessToken::new("newer"));
    if !is_free {
        assert!(matches!(one.take_turn().await, Ok(Turn::Yours(_))));
    }
}

/// Of two answers with one `state` at the same time, one finds the attempt.
pub async fn of_two_takers_one_gets_the_attempt(site: Fresh) {
    let instances = [site.instance(), site.instance()];
    let one = instances[0].visitor(Cookies::new()).await;
    let attempt = attempt_of("a", &site.clock());
    one.remember(&attempt).await.unwrap();
    let other = instances[1].visitor(one.cookies()).await;
    let (here, there) =
        join(one.take_attempt(&attempt.state), other.take_attempt(&attempt.state)).await;
    let taken = [here, there].map(|taken| taken.unwrap().is_some());
    assert!(taken == [true, false] || taken == [false, true], "{taken:?}");
}

/// Nobody ends another person's session, nor lists it; and one session can be spared.
pub async fn only_the_sessions_that_are_meant_end(site: Fresh) {
    let two = Two::at(site).await;
    let third = Session { id: SessionId::new([3; 32]), ..fixtures::session() };
    let elsewhere = two.restarted(Cookies::new()).await;
    elsewhere.start(&third).await.unwrap();
    let Session { issuer, subject, id, .. } = fixtures::session();
    let another = "another".to_owned();
    let theirs =
        Revocation::Person { issuer: issuer.clone(), subject: another.clone(), except: None };
    let foreign = Revocation::Session { issuer: issuer.clone(), subject: another.clone(), id };
    let registry = &two.registries[0];
    for revocation in [theirs, foreign] {
        registry.revoke(&revocation).await.unwrap();
        assert!(two.one.current().await.unwrap().is_some());
    }
    if let Some(mut all) = registry.list(&issuer, &subject).await.unwrap() {
        all.sort_by_key(|session| *session.id.as_bytes());
        assert_eq!(all, [fixtures::session().summary(), third.summary()]);
        assert_eq!(registry.list(&issuer, &another).await, Ok(Some(Vec::new())));
    }
    registry.revoke(&Revocation::Person { issuer, subject, except: Some(id) }).await.unwrap();
    assert!(two.one.current().await.unwrap().is_some());
    // An instance that starts now knows at once.
    assert_eq!(two.restarted(elsewhere.cookies()).await.current().await, Ok(None));
}

/// The provider's `sid` ends what came of it, at every instance, and nothing else.
pub async fn the_providers_session_ends_what_came_of_it_everywhere(site: Fresh) {
    let two = Two::at(site).await;
    let elsewhere = Session {
        id: SessionId::new([2; 32]),
        provider_session_id: Some("another".into()),
        ..fixtures::session()
    };
    let third = stranger(&*two.site).await;
    third.start(&elsewhere).await.unwrap();
    let Session { issuer, provider_session_id, .. } = fixtures::session();
    let sid = provider_session_id.unwrap();
    let revocation = Revocation::ProviderSession { issuer, sid, subject: None };
    two.registries[0].revoke(&revocation).await.unwrap();
    ends(&*two.site, &*two.other).await;
    assert_eq!(third.current().await, Ok(Some(elsewhere)));
}

/// Whoever was put out stays out.
pub async fn revocations_outlast_a_restart(site: Fresh) {
    let two = Two::at(site).await;
    let Session { issuer, subject, .. } = fixtures::session();
    let revocation = Revocation::Person { issuer, subject, except: None };
    two.registries[0].revoke(&revocation).await.unwrap();
    assert_eq!(two.restarted(two.other.cookies()).await.current().await, Ok(None));
}

/// Only sessions that exist are revoked; who signs in again, be it from the same session at the
/// provider, is signed in.
pub async fn who_signs_in_after_a_revocation_stays(site: Fresh) {
    let two = Two::at(site).await;
    let Session { issuer, subject, provider_session_id, .. } = fixtures::session();
    let sid = provider_session_id.unwrap();
    let revocation = Revocation::ProviderSession { issuer, sid, subject: Some(subject) };
    two.registries[0].revoke(&revocation).await.unwrap();
    assert_eq!(two.one.current().await, Ok(None));
    let clock = two.site.clock();
    clock.advance(TimeDelta::seconds(1));
    let again = Session { id: SessionId::new([2; 32]), ..fixtures::session_at(clock.now()) };
    two.one.start(&again).await.unwrap();
    assert_eq!(two.one.current().await, Ok(Some(again)));
}

/// Of two who bring one value the first is right, at whatever instance, until it is forgotten.
pub async fn a_value_is_good_once_until_it_is_forgotten(site: Fresh) {
    let (here, there) = (site.instance().registry(), site.instance().registry());
    let clock = site.clock();
    let until = clock.now() + TimeDelta::seconds(60);
    let (a, b) = join(here.first_use("jti", until), there.first_use("jti", until)).await;
    assert!(a.unwrap() != b.unwrap());
    assert_eq!(here.first_use("another", until).await, Ok(true));
    clock.advance(TimeDelta::seconds(59));
    assert_eq!(here.first_use("jti", until).await, Ok(false));
    clock.advance(TimeDelta::seconds(1));
    let until = clock.now() + TimeDelta::seconds(60);
    assert_eq!(here.first_use("jti", until).await, Ok(true));
}

/// Text is kept to the byte, whatever it looks like, and a long token too; and is found again by
/// those who end sessions.
pub async fn hostile_values_come_back_to_the_byte(site: Fresh) {
    let instance = site.instance();
    let visitor = instance.visitor(Cookies::new()).await;
    let hostile = format!("'; drop table sessions; --\0\r\n\"\u{202e}{}", "\u{1f989}".repeat(500));
    let mut session = Session {
        subject: hostile.clone(),
        device: hostile.clone(),
        provider_session_id: Some(hostile.clone()),
        ..fixtures::session()
    };
    session.tokens.refresh_token = Some(RefreshToken::new("x".repeat(10_000)));
    visitor.start(&session).await.unwrap();
    assert_eq!(visitor.current().await, Ok(Some(session.clone())));
    let Session { issuer, subject, .. } = session;
    let revocation = Revocation::ProviderSession { issuer, sid: hostile, subject: Some(subject) };
    instance.registry().revoke(&revocation).await.unwrap();
    assert_eq!(visitor.current().await, Ok(None));
}

/// Whatever a browser sends under the names that the store uses: it is that of nobody.
pub async fn hostile_cookies_make_a_stranger(site: Fresh) {
    let instance = site.instance();
    let one = instance.visitor(Cookies::new()).await;
    let attempt = attempt_of("a", &site.clock());
    one.start(&fixtures::session()).await.unwrap();
    one.remember(&attempt).await.unwrap();
    let long = "A".repeat(10_000);
    let hostile = ["", "0", "AAAA", "'; drop table sessions; --", "%00", "\u{1f989}", &long];
    for value in hostile {
        let cookies = one.cookies().into_keys().map(|name| (name, value.to_owned())).collect();
        let forger = instance.visitor(cookies).await;
        assert_eq!(forger.current().await, Ok(None), "{value:?}");
        assert_eq!(forger.take_attempt(&attempt.state).await, Ok(None), "{value:?}");
        assert_eq!(forger.end().await, Ok(()), "{value:?}");
    }
    assert!(one.current().await.unwrap().is_some());
}

/// A store that works says so.
pub async fn the_store_answers(site: Fresh) {
    assert_eq!(site.instance().registry().check().await, Ok(()));
}

/// While the server is away it is said so and soon; nobody is taken for a stranger, is told that a
/// session has ended which has not, or loses a cookie. Afterwards people sign in again. For a store
/// that has a server which can be away; what outlasts the outage is the server's affair.
pub async fn an_outage_is_said_and_makes_nobody_a_stranger(site: Fresh, server: &mut dyn Server) {
    let two = Two::at(site).await;
    let registry = &two.registries[0];
    let Session { issuer, subject, .. } = fixtures::session();
    let everywhere = Revocation::Person { issuer: issuer.clone(), subject, except: None };
    let cookies = two.one.cookies();
    let stolen = two.other.cookies();
    server.stop().await;
    let begun = Instant::now();
    assert_ne!(two.one.current().await, Ok(None));
    assert_eq!(two.one.cookies(), cookies);
    assert!(registry.check().await.is_err());
    assert!(registry.revoke(&everywhere).await.is_err());
    assert!(registry.first_use("jti", two.site.clock().now()).await.is_err());
    assert_ne!(registry.list(&issuer, "another").await, Ok(Some(Vec::new())));
    // An instance that starts now knows nobody, and says so.
    let restarted = two.restarted(stolen.clone()).await;
    assert!(restarted.current().await.is_err());
    assert_eq!(restarted.cookies(), stolen);
    if two.one.end().await.is_ok() {
        assert_eq!(two.one.current().await, Ok(None));
    } else {
        assert_eq!(two.one.cookies(), cookies);
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    server.start_again().await;
    assert_eq!(registry.check().await, Ok(()));
    let clock = two.site.clock();
    clock.advance(TimeDelta::seconds(1));
    let again = Session { id: SessionId::new([2; 32]), ..fixtures::session_at(clock.now()) };
    two.one.start(&again).await.unwrap();
    assert_eq!(two.one.current().await, Ok(Some(again)));
}
