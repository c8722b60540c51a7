//! What the store promises to several instances and several browsers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::future::join;
use portico_domain::{
    model::{RefreshToken, Revocation, Session, SessionChange, SessionId, Subject},
    ports::{Clock, Renewal, ReplayGuard, SessionRegistry, TokenRenewal},
};

use super::{Browser, Cookies, FixedRenewal, Site, TestSite, attempt_of, new_browser, tokens_with};
use crate::{
    OUTAGE_TIMEOUT, ReadOnly, Server,
    fixtures::{self, ISSUER},
};

/// A user who is logged in, with the same browser at two instances.
struct TwoInstances {
    site: TestSite,
    /// The browser at the first instance.
    one: Box<dyn Browser>,
    /// A copy of it at the second one.
    other: Box<dyn Browser>,
    registry: Arc<dyn SessionRegistry>,
    replay_guard: Arc<dyn ReplayGuard>,
}

impl TwoInstances {
    async fn at(site: TestSite) -> Self {
        let instances = [site.instance(), site.instance()];
        let one = instances[0].browser(Cookies::new()).await;
        one.start(&fixtures::session()).await.unwrap();
        let other = instances[1].browser(one.cookies()).await;
        let (registry, replay_guard) = (instances[0].registry(), instances[0].replay_guard());
        Self { site, one, other, registry, replay_guard }
    }

    /// A browser with these cookies at an instance that has just started.
    async fn restarted(&self, cookies: Cookies) -> Box<dyn Browser> {
        self.site.instance().browser(cookies).await
    }
}

/// Checks that the session of this browser ends within the promised 5 seconds.
async fn assert_ends(site: &dyn Site, copy: &dyn Browser) {
    let start = Instant::now();
    while copy.current().await.unwrap().is_some() {
        assert!(start.elapsed() < Duration::from_secs(5), "the session has not ended");
        site.pause().await;
    }
}

fn refreshed(token: &str) -> SessionChange {
    SessionChange::Refreshed(tokens_with(token))
}

fn is_renewed(session: &Session) -> bool {
    *session.tokens() == tokens_with("newer").tokens
}

/// All instances share a session. When it ends at one, a copy of its cookies is refused, there at
/// once and elsewhere within 5 seconds.
pub async fn instances_share_sessions(site: TestSite) {
    let two = TwoInstances::at(site).await;
    assert_eq!(two.other.current().await, Ok(Some(fixtures::session())));
    let cookies = two.one.cookies();
    two.one.end().await.unwrap();
    assert_eq!(two.one.current().await, Ok(None));
    assert_eq!(two.restarted(cookies).await.current().await, Ok(None));
    assert_ends(&*two.site, &*two.other).await;
}

/// A change that is made while the session ends does not revive it, whichever comes first.
pub async fn simultaneous_update_never_revives_ended_session(site: TestSite) {
    let two = TwoInstances::at(site).await;
    let newer = refreshed("newer");
    let (refresh, end) = join(two.other.update(&newer), two.one.end()).await;
    assert!(refresh.is_ok() && end.is_ok());
    assert_ends(&*two.site, &*two.other).await;
    assert_eq!(two.one.current().await, Ok(None));
}

/// Two simultaneous changes are both kept: here, a visit that began before a refresh was answered.
pub async fn simultaneous_changes_are_both_kept(site: TestSite) {
    let instance = site.instance();
    let one = instance.browser(Cookies::new()).await;
    one.start(&fixtures::session()).await.unwrap();
    site.clock().advance(TimeDelta::seconds(10));
    let before = instance.browser(one.cookies()).await;
    one.update(&refreshed("newer")).await.unwrap();
    before.update(&SessionChange::Seen(site.clock().now())).await.unwrap();
    let session = before.current().await.unwrap().unwrap();
    assert_eq!(session.tokens(), &tokens_with("newer").tokens);
    assert_eq!(session.seen_at, site.clock().now());
}

/// Of simultaneous refreshes one renews the tokens; the other one waits and gets them.
pub async fn one_of_simultaneous_refreshes_renews(site: TestSite) {
    let instance = site.instance();
    let one = instance.browser(Cookies::new()).await;
    one.start(&fixtures::session()).await.unwrap();
    let same = instance.browser(one.cookies()).await;
    let renewal = CountedRenewal { site: &*site, calls: AtomicUsize::new(0) };
    let stale = fixtures::session();
    let (first, second) = join(one.refresh(&stale, &renewal), same.refresh(&stale, &renewal)).await;
    for session in [first, second, one.current().await.map_err(Into::into)] {
        assert!(is_renewed(&session.unwrap().unwrap()));
    }
    assert_eq!(renewal.calls.load(Ordering::SeqCst), 1);
}

/// Takes a while, as a provider does.
struct CountedRenewal<'a> {
    site: &'a dyn Site,
    calls: AtomicUsize,
}

#[async_trait]
impl TokenRenewal for CountedRenewal<'_> {
    async fn renew(&self, _: &Session) -> Renewal {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.site.pause().await;
        Renewal::Refreshed(tokens_with("newer"))
    }
}

/// Tokens that another request has renewed since are not renewed again.
pub async fn refresh_leaves_newer_tokens_alone(site: TestSite) {
    let browser = site.instance().browser(Cookies::new()).await;
    browser.start(&fixtures::session()).await.unwrap();
    browser.update(&refreshed("newer")).await.unwrap();
    let again = FixedRenewal(Renewal::Refreshed(tokens_with("newest")));
    let session = browser.refresh(&fixtures::session(), &again).await.unwrap();
    assert!(is_renewed(&session.unwrap()));
}

/// After a refresh that failed the session is as before, and the next refresh may renew it.
pub async fn failed_refresh_leaves_session_unlocked(site: TestSite) {
    let browser = site.instance().browser(Cookies::new()).await;
    let session = fixtures::session();
    browser.start(&session).await.unwrap();
    let failed = browser.refresh(&session, &FixedRenewal(Renewal::Unchanged)).await;
    assert_eq!(failed, Ok(Some(session.clone())));
    let renewal = FixedRenewal(Renewal::Refreshed(tokens_with("newer")));
    assert!(is_renewed(&browser.refresh(&session, &renewal).await.unwrap().unwrap()));
}

/// A session ends when its renewal says so, and a session that has ended is not renewed.
pub async fn refresh_can_end_session(site: TestSite) {
    let browser = site.instance().browser(Cookies::new()).await;
    let session = fixtures::session();
    browser.start(&session).await.unwrap();
    assert_eq!(browser.refresh(&session, &FixedRenewal(Renewal::End)).await, Ok(None));
    assert_eq!(browser.current().await, Ok(None));
    let renewal = FixedRenewal(Renewal::Refreshed(tokens_with("newer")));
    assert_eq!(browser.refresh(&session, &renewal).await, Ok(None));
}

/// A session that ends while its tokens are renewed stays ended.
pub async fn refresh_never_revives_ended_session(site: TestSite) {
    let two = TwoInstances::at(site).await;
    let renewal = EndingRenewal(&*two.one, Renewal::Refreshed(tokens_with("newer")));
    let session = two.other.refresh(&fixtures::session(), &renewal).await;
    assert!(session.is_ok(), "{session:?}");
    assert_ends(&*two.site, &*two.other).await;
    assert_eq!(two.one.current().await, Ok(None));
}

/// After a refresh that failed, a session that ended meanwhile is not returned.
pub async fn failed_refresh_reports_ended_session(site: TestSite) {
    let instance = site.instance();
    let one = instance.browser(Cookies::new()).await;
    one.start(&fixtures::session()).await.unwrap();
    let same = instance.browser(one.cookies()).await;
    let renewal = EndingRenewal(&*one, Renewal::Unchanged);
    assert_eq!(same.refresh(&fixtures::session(), &renewal).await, Ok(None));
}

/// The user logs out while the provider answers.
struct EndingRenewal<'a>(&'a dyn Browser, Renewal);

#[async_trait]
impl TokenRenewal for EndingRenewal<'_> {
    async fn renew(&self, _: &Session) -> Renewal {
        self.0.end().await.unwrap();
        self.1.clone()
    }
}

/// Of two simultaneous responses with one `state`, one gets the attempt.
pub async fn one_of_simultaneous_takers_gets_the_attempt(site: TestSite) {
    let instances = [site.instance(), site.instance()];
    let one = instances[0].browser(Cookies::new()).await;
    let attempt = attempt_of("a", &site.clock());
    one.remember(&attempt).await.unwrap();
    let other = instances[1].browser(one.cookies()).await;
    let (first, second) = join(one.take(&attempt.state), other.take(&attempt.state)).await;
    let taken = [first, second].map(|taken| taken.unwrap().is_some());
    assert!(taken == [true, false] || taken == [false, true], "{taken:?}");
}

/// No user ends or lists another user's session, and one session can be excepted.
pub async fn revocation_ends_only_what_it_covers(site: TestSite) {
    let two = TwoInstances::at(site).await;
    let third = Session { id: SessionId::new([3; 32]), ..fixtures::session() };
    let elsewhere = two.restarted(Cookies::new()).await;
    elsewhere.start(&third).await.unwrap();
    let (subject, id) = (fixtures::subject(), fixtures::session().id);
    let another = Subject::new(ISSUER, "another");
    let all_of_another = Revocation::User { subject: another.clone(), except: None };
    let session_of_another = Revocation::Session { subject: another.clone(), id };
    let registry = &two.registry;
    for revocation in [all_of_another, session_of_another] {
        registry.revoke(&revocation).await.unwrap();
        assert!(two.one.current().await.unwrap().is_some());
    }
    if let Some(mut all) = registry.list(&subject).await.unwrap() {
        all.sort_by_key(|session| *session.id.as_bytes());
        assert_eq!(all, [fixtures::session().summary(), third.summary()]);
        assert_eq!(registry.list(&another).await, Ok(Some(Vec::new())));
    }
    registry.revoke(&Revocation::User { subject, except: Some(id) }).await.unwrap();
    assert!(two.one.current().await.unwrap().is_some());
    // An instance that starts afterwards refuses it at once.
    assert_eq!(two.restarted(elsewhere.cookies()).await.current().await, Ok(None));
}

/// The provider's `sid` ends the sessions that were started from it, at every instance, and no other.
pub async fn provider_session_ends_everywhere(site: TestSite) {
    let two = TwoInstances::at(site).await;
    let mut elsewhere = Session { id: SessionId::new([2; 32]), ..fixtures::session() };
    elsewhere.identity.provider_session_id = Some("another".into());
    let third = new_browser(&*two.site).await;
    third.start(&elsewhere).await.unwrap();
    let sid = fixtures::identity().provider_session_id.unwrap();
    let revocation = Revocation::ProviderSession { issuer: ISSUER.into(), sid, subject: None };
    two.registry.revoke(&revocation).await.unwrap();
    assert_ends(&*two.site, &*two.other).await;
    assert_eq!(third.current().await, Ok(Some(elsewhere)));
}

/// A revoked session stays revoked.
pub async fn revocations_survive_restart(site: TestSite) {
    let two = TwoInstances::at(site).await;
    let revocation = Revocation::User { subject: fixtures::subject(), except: None };
    two.registry.revoke(&revocation).await.unwrap();
    assert_eq!(two.restarted(two.other.cookies()).await.current().await, Ok(None));
}

/// A revocation of all sessions of a user does not cover later log-ins.
pub async fn login_after_revocation_stays(site: TestSite) {
    let two = TwoInstances::at(site).await;
    let revocation = Revocation::User { subject: fixtures::subject(), except: None };
    two.registry.revoke(&revocation).await.unwrap();
    assert_eq!(two.one.current().await, Ok(None));
    let clock = two.site.clock();
    clock.advance(TimeDelta::seconds(1));
    let again = Session { id: SessionId::new([2; 32]), ..fixtures::session_at(clock.now()) };
    two.one.start(&again).await.unwrap();
    assert_eq!(two.one.current().await, Ok(Some(again)));
}

/// A value is accepted once, at whatever instance, until its time is over.
pub async fn replay_guard_accepts_value_once(site: TestSite) {
    let (one, other) = (site.instance().replay_guard(), site.instance().replay_guard());
    let clock = site.clock();
    let until = clock.now() + TimeDelta::seconds(60);
    assert_eq!(one.was_used("jti").await, Ok(false));
    let (a, b) = join(one.is_first_use("jti", until), other.is_first_use("jti", until)).await;
    assert!(a.unwrap() != b.unwrap());
    assert_eq!(other.was_used("jti").await, Ok(true));
    assert_eq!(one.is_first_use("another", until).await, Ok(true));
    clock.advance(TimeDelta::seconds(59));
    assert_eq!(one.is_first_use("jti", until).await, Ok(false));
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(other.was_used("jti").await, Ok(false));
    let until = clock.now() + TimeDelta::seconds(60);
    assert_eq!(one.is_first_use("jti", until).await, Ok(true));
}

/// Text is kept to the byte, whatever it contains, long tokens as well, and a revocation finds it.
pub async fn keeps_hostile_values(site: TestSite) {
    let instance = site.instance();
    let browser = instance.browser(Cookies::new()).await;
    let hostile = format!("'; drop table sessions; --\0\r\n\"\u{202e}{}", "\u{1f989}".repeat(500));
    let mut session = Session { device: hostile.clone(), ..fixtures::session() };
    session.identity.subject.subject = hostile.clone();
    session.identity.provider_session_id = Some(hostile.clone());
    session.identity.tokens.refresh_token = Some(RefreshToken::new("x".repeat(10_000)));
    browser.start(&session).await.unwrap();
    assert_eq!(browser.current().await, Ok(Some(session.clone())));
    let Subject { issuer, subject } = session.identity.subject;
    let revocation = Revocation::ProviderSession { issuer, sid: hostile, subject: Some(subject) };
    instance.registry().revoke(&revocation).await.unwrap();
    assert_eq!(browser.current().await, Ok(None));
}

/// Forged values under the names that the store uses are refused.
pub async fn refuses_hostile_cookies(site: TestSite) {
    let instance = site.instance();
    let one = instance.browser(Cookies::new()).await;
    let attempt = attempt_of("a", &site.clock());
    one.start(&fixtures::session()).await.unwrap();
    one.remember(&attempt).await.unwrap();
    let long = "A".repeat(10_000);
    let hostile = ["", "0", "AAAA", "'; drop table sessions; --", "%00", "\u{1f989}", &long];
    for value in hostile {
        let cookies = one.cookies().into_keys().map(|name| (name, value.to_owned())).collect();
        let forger = instance.browser(cookies).await;
        assert_eq!(forger.current().await, Ok(None), "{value:?}");
        assert_eq!(forger.take(&attempt.state).await, Ok(None), "{value:?}");
        assert_eq!(forger.end().await, Ok(()), "{value:?}");
    }
    assert!(one.current().await.unwrap().is_some());
}

/// The check of a running store succeeds.
pub async fn check_succeeds(site: TestSite) {
    assert_eq!(site.instance().registry().check().await, Ok(()));
}

/// The check notices a store that answers and cannot be written, and that it can be written again.
pub async fn check_notices_store_that_cannot_be_written(site: TestSite, store: &mut dyn ReadOnly) {
    let registry = site.instance().registry();
    assert_eq!(registry.check().await, Ok(()));
    store.refuse_writes().await;
    assert!(registry.check().await.is_err());
    assert!(registry.check().await.is_err());
    if store.accept_writes().await {
        assert_eq!(registry.check().await, Ok(()));
    }
}

/// While the server is down, each call reports the outage in time; no session is reported as ended
/// that has not ended, and no cookie is lost. Afterwards log-ins work. For a store with a server
/// behind it.
pub async fn reports_outage_without_ending_sessions(site: TestSite, server: &mut dyn Server) {
    let two = TwoInstances::at(site).await;
    let registry = &two.registry;
    let everywhere = Revocation::User { subject: fixtures::subject(), except: None };
    let cookies = two.one.cookies();
    let stolen = two.other.cookies();
    server.stop().await;
    let start = Instant::now();
    assert_ne!(two.one.current().await, Ok(None));
    assert_eq!(two.one.cookies(), cookies);
    assert!(registry.check().await.is_err());
    assert!(registry.revoke(&everywhere).await.is_err());
    assert!(two.replay_guard.is_first_use("jti", two.site.clock().now()).await.is_err());
    assert!(two.replay_guard.was_used("jti").await.is_err());
    assert_ne!(registry.list(&Subject::new(ISSUER, "another")).await, Ok(Some(Vec::new())));
    // An instance that starts during the outage cannot read any session.
    let restarted = two.restarted(stolen.clone()).await;
    assert!(restarted.current().await.is_err());
    assert_eq!(restarted.cookies(), stolen);
    if two.one.end().await.is_ok() {
        assert_eq!(two.one.current().await, Ok(None));
    } else {
        assert_eq!(two.one.cookies(), cookies);
    }
    assert!(start.elapsed() < OUTAGE_TIMEOUT, "{:?}", start.elapsed());
    server.start_again().await;
    assert_eq!(registry.check().await, Ok(()));
    let clock = two.site.clock();
    clock.advance(TimeDelta::seconds(1));
    let again = Session { id: SessionId::new([2; 32]), ..fixtures::session_at(clock.now()) };
    two.one.start(&again).await.unwrap();
    assert_eq!(two.one.current().await, Ok(Some(again)));
}
