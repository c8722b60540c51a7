//! What is specific to sessions in cookies.

use chrono::{DateTime, TimeDelta};
use portico_contracts::fixtures;
use portico_domain::{
    model::{
        AccessToken, AuthorizationParameters, Claims, CodeVerifier, IdToken, LoginAttempt, Nonce,
        Session, SessionChange, SessionId, State,
    },
    ports::{Clock, LoginAttempts, SaveSessionError, SessionStore},
};

use super::{
    super::cookie::chunks, ANOTHER_KEY, KEY, Shared, browser, browser_with_key, name, settings,
};
use crate::testing::Browser;

fn another_session() -> Session {
    Session { id: SessionId::new([2; 32]), ..fixtures::session() }
}

fn session_of(bytes: usize, token: &str) -> Session {
    let mut session = fixtures::session();
    session.identity.tokens.access_token = AccessToken::new(token.repeat(bytes / token.len()));
    session
}

#[tokio::test]
async fn cookies_stay_below_4096_bytes() {
    for secure in [false, true] {
        for (bytes, token) in [(12_000, "a"), (30_000, "z"), (12_000, "\u{e9}"), (2_400, "x")] {
            let (browser, _) = browser(secure).await;
            browser.start(&session_of(bytes, token)).await.unwrap();
            let lines = browser.lines();
            assert!(!lines.is_empty());
            for line in lines {
                assert!(line.len() <= 4_096, "{} bytes", line.len());
            }
        }
    }
}

#[tokio::test]
async fn longest_attempt_fits_into_cookie() {
    let (browser, _) = browser(true).await;
    let next = format!("/{}", "n".repeat(1_499));
    let hint = "h".repeat(500);
    let requested = AuthorizationParameters::parse([("login_hint", &*hint)]).unwrap();
    let of_43 = |letter: &str| letter.repeat(43);
    let attempt = LoginAttempt {
        state: State::new(of_43("s")),
        nonce: Nonce::new(of_43("n")),
        code_verifier: CodeVerifier::new(of_43("v")),
        requested,
        ..fixtures::attempt("a", &next)
    };
    assert_eq!(attempt.next.as_str(), next);
    browser.remember(&attempt).await.unwrap();
    assert!(browser.lines().iter().all(|line| line.len() <= 4_096));
    assert_eq!(browser.take(&attempt.state).await, Ok(Some(attempt)));
}

#[test]
fn chunk_size_leaves_room_for_percent_encoding() {
    let sealed = (chunks::MAX_CHUNK_BYTES + 28).div_ceil(3) * 4;
    let slashes = (4_096 - 150 - sealed) / 2;
    // 3,500 characters, each a slash once in 64: 55 expected, with a deviation of 7.3.
    assert_eq!(sealed, 3_500);
    assert!(slashes >= 55 + 20 * 8);
}

#[tokio::test]
async fn cookies_have_safe_attributes_and_lifetimes() {
    let (browser, clock) = browser(true).await;
    browser.start(&fixtures::session()).await.unwrap();
    let line = browser.lines()[0].clone();
    assert!(line.starts_with(&format!("__Host-{}=", name("session_0"))), "{line}");
    let (_, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=100");
    assert!(attributes.len() + name("session_00").len() + "__Host-=; ".len() < 150);

    clock.advance(TimeDelta::seconds(90));
    for seconds in [90, 30] {
        browser.update(&SessionChange::Seen(clock.now())).await.unwrap();
        clock.advance(TimeDelta::seconds(seconds));
    }
    browser.update(&SessionChange::Seen(clock.now())).await.unwrap();
    assert!(browser.lines()[0].ends_with("Max-Age=40"));

    browser.remember(&fixtures::attempt("a", "/")).await.unwrap();
    let line = browser.lines()[0].clone();
    assert!(line.starts_with(&format!("__Host-{}=", name("login_ca978112ca1bbdca"))), "{line}");
    assert!(line.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"), "{line}");

    browser.end().await.unwrap();
    // A browser refuses to remove a `__Host-` cookie by a line without these.
    for line in browser.lines() {
        assert!(line.contains("; Secure; Path=/") && !line.contains("Domain"), "{line}");
    }
    assert_eq!(browser.names(), [format!("__Host-{}", name("login_ca978112ca1bbdca"))]);
}

#[tokio::test]
async fn cookies_do_not_reveal_their_content() {
    let (browser, _) = browser(false).await;
    browser.start(&session_of(4_000, "secret")).await.unwrap();
    browser.remember(&fixtures::attempt("a", "/")).await.unwrap();
    for name in browser.names() {
        assert!(!browser.value(&name).contains("secret"));
    }
}

#[tokio::test]
async fn tampered_cookies_are_cleared() {
    type Tamper = fn(&Browser);
    let tamperings: [(&str, Tamper); 7] = [
        ("one letter changed", |browser| {
            let value = browser.value(&name("session_1"));
            let last = if value.ends_with('A') { 'B' } else { 'A' };
            browser.set(&name("session_1"), &format!("{last}{}", &value[1..]));
        }),
        ("truncated", |browser| {
            let value = browser.value(&name("session_0"));
            browser.set(&name("session_0"), &value[..value.len() - 4]);
        }),
        ("swapped", |browser| {
            let (one, two) = (browser.value(&name("session_1")), browser.value(&name("session_2")));
            browser.set(&name("session_1"), &two);
            browser.set(&name("session_2"), &one);
        }),
        ("a gap", |browser| {
            browser.remove(&name("session_1"));
        }),
        ("no beginning", |browser| {
            browser.remove(&name("session_0"));
        }),
        ("no seal", |browser| {
            browser.set(&name("session_0"), "b01AAAAAAAAAAA");
        }),
        ("nothing", |browser| {
            browser.set(&name("session_0"), "");
        }),
    ];
    for (name, tamper) in tamperings {
        let (browser, _) = browser(false).await;
        browser.start(&session_of(8_000, "abcdefgh")).await.unwrap();
        assert_eq!(browser.names().len(), 4);
        tamper(&browser);
        assert_eq!(browser.current().await, Ok(None), "{name}");
        assert_eq!(browser.names(), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn refuses_chunks_of_two_sessions() {
    let (browser, _) = browser(false).await;
    browser.start(&session_of(8_000, "abcdefgh")).await.unwrap();
    let old = browser.value(&name("session_1"));
    browser.start(&session_of(8_000, "ijklmnop")).await.unwrap();
    browser.set(&name("session_1"), &old);
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn cookies_of_unknown_key_are_cleared() {
    let (browser, _) = browser(false).await;
    let (other, _) = browser_with_key(false, ANOTHER_KEY).await;
    let attempt = fixtures::attempt("a", "/");
    other.start(&fixtures::session()).await.unwrap();
    other.remember(&attempt).await.unwrap();
    browser.take_cookies_of(&other);
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.take(&attempt.state).await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn expired_session_is_cleared() {
    let (browser, clock) = browser(false).await;
    browser.start(&fixtures::session()).await.unwrap();
    clock.advance(TimeDelta::seconds(100));
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn catcher_clears_broken_cookies() {
    let (browser, _) = browser(false).await;
    browser.set(&name("session_0"), "broken");
    browser.get("/fail").await;
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn request_reads_its_own_writes() {
    let (browser, _) = browser(false).await;
    let large = session_of(8_000, "abcdefgh");
    browser
        .request(|visitor| {
            Box::pin(async move {
                let (store, attempts) = (&visitor.session, &visitor.attempts);
                store.start(&large).await.unwrap();
                assert_eq!(store.current().await, Ok(Some(large)));
                store.end().await.unwrap();
                assert_eq!(store.current().await, Ok(None));
                assert_eq!(
                    store.update(&SessionChange::Seen(DateTime::UNIX_EPOCH)).await,
                    Ok(None)
                );
                assert_eq!(store.current().await, Ok(None));
                store.start(&another_session()).await.unwrap();
                let attempt = fixtures::attempt("a", "/");
                attempts.remember(&attempt).await.unwrap();
                assert_eq!(attempts.take(&attempt.state).await, Ok(Some(attempt)));
            })
        })
        .await;
    assert_eq!(browser.names(), [name("session_0")]);
    assert_eq!(browser.current().await, Ok(Some(another_session())));
}

#[tokio::test]
async fn refuses_too_large_session_and_keeps_the_earlier_one() {
    let (browser, _) = browser(false).await;
    browser.start(&fixtures::session()).await.unwrap();
    let mut large = fixtures::session();
    let mut claims = large.identity.claims.to_map();
    claims.insert("secret".into(), "hunter2 ".repeat(5_000).into());
    large.identity.claims = Claims::new(&claims);
    let error = browser.start(&large).await.unwrap_err();
    assert!(matches!(error, SaveSessionError::TooLarge { bytes: 40_000.., .. }), "{error:?}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn leaves_out_id_token_where_it_does_not_fit() {
    let (browser, _) = browser(false).await;
    let mut session = session_of(20_000, "abcdefgh");
    session.identity.tokens.id_token = Some(IdToken::new("x".repeat(20_000)));
    browser.start(&session).await.unwrap();
    session.identity.tokens.id_token = None;
    assert_eq!(browser.current().await, Ok(Some(session)));
}

#[tokio::test]
async fn attempts_stay_below_8_kilobytes() {
    let (browser, clock) = browser(true).await;
    for next in ["/protected".to_owned(), format!("/{}", "n".repeat(1_499))] {
        for number in 0..30 {
            clock.advance(TimeDelta::seconds(1));
            let attempt = fixtures::attempt(&format!("{number:-<43}"), &next);
            browser.remember(&LoginAttempt { started_at: clock.now(), ..attempt }).await.unwrap();
        }
        let sent: usize = browser
            .names()
            .iter()
            .map(|name| name.len() + browser.value(name).len() + "=; ".len())
            .sum();
        assert!(sent < 8_000, "{sent} bytes");
    }
}

#[tokio::test]
async fn remembers_twenty_attempts_of_usual_size() {
    let (browser, clock) = browser(true).await;
    let attempt = |number: usize| LoginAttempt {
        state: State::new(format!("{number:s<43}")),
        nonce: Nonce::new("n".repeat(43)),
        code_verifier: CodeVerifier::new("v".repeat(43)),
        started_at: DateTime::UNIX_EPOCH,
        ..fixtures::attempt("a", "/protected?tab=2")
    };
    for number in 0..20 {
        clock.advance(TimeDelta::seconds(1));
        browser.remember(&attempt(number)).await.unwrap();
    }
    assert_eq!(browser.names().len(), LoginAttempt::MAX_OPEN);
    for number in 0..20 {
        assert!(browser.take(&attempt(number).state).await.unwrap().is_some(), "{number}");
    }
}

/// Rocket percent-decodes names and trims Unicode space, so that another host of the domain could
/// set a cookie in our name.
#[tokio::test]
async fn compares_cookie_names_bytewise_and_ignores_repeated_ones() {
    let (browser, _) = browser(true).await;
    let (other, _) = self::browser(true).await;
    let own = fixtures::session();
    browser.start(&own).await.unwrap();
    let mut foreign = another_session();
    foreign.identity.subject.subject = "attacker".into();
    other.start(&foreign).await.unwrap();
    let name = format!("__Host-{}", name("session_0"));
    let value = other.copy()[&name].encoded().stripped().to_string();
    let value = value.split_once('=').unwrap().1.to_owned();
    let encoded = name.replace("__Host-", "%5F%5FHost-");
    for forged in [encoded, format!("\u{2000}{name}"), format!("{name}\u{a0}"), name.to_uppercase()]
    {
        browser.add_raw_pair(&format!("{forged}={value}"));
        assert_eq!(browser.current().await, Ok(Some(own.clone())), "{forged}");
    }
    // Two cookies of one name: neither counts.
    browser.add_raw_pair(&format!("{name}={value}"));
    assert_eq!(browser.current().await, Ok(None));
}

/// Browsers send the cookies of a host to all its ports.
#[tokio::test]
async fn leaves_cookies_of_another_site_on_the_host_alone() {
    let (shared, other_shared) = (Shared::new().await, Shared::new().await);
    let mut other = settings(false, ANOTHER_KEY);
    other.public_url = "http://127.0.0.1:4050".into();
    let one = Browser::at(shared.in_cookies(settings(false, KEY)), KEY).await;
    let two = Browser::at(other_shared.in_cookies(other), ANOTHER_KEY).await;
    one.start(&fixtures::session()).await.unwrap();
    two.take_cookies_of(&one);
    assert_eq!(two.current().await, Ok(None));
    assert_eq!(two.names(), one.names());
    two.start(&another_session()).await.unwrap();
    one.take_cookies_of(&two);
    assert_eq!(one.current().await, Ok(Some(fixtures::session())));
    one.end().await.unwrap();
    assert_eq!(one.names().len(), 1, "the cookie of the other site");
}
