//! What is particular to sessions in cookies.

use chrono::{DateTime, TimeDelta};
use portico_contracts::fixtures;
use portico_domain::{
    model::{
        AuthorizationParameters, Change, Claims, CodeVerifier, IdToken, LoginAttempt, Nonce,
        Session, SessionId, State, Tokens,
    },
    ports::{Clock, SessionStore},
};

use super::{ANOTHER_KEY, browser, browser_with_key, chunks};
use crate::testing::Browser;

fn another_session() -> Session {
    Session { id: SessionId::new([2; 32]), ..fixtures::session() }
}

fn session_of(bytes: usize, token: &str) -> Session {
    let session = fixtures::session();
    let id_token = IdToken::new(token.repeat(bytes / token.len()));
    Session { tokens: Tokens { id_token, ..session.tokens }, ..session }
}

#[tokio::test]
async fn no_cookie_is_longer_than_browsers_keep() {
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
async fn the_longest_attempt_fits_into_a_cookie() {
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
    assert_eq!(browser.take_attempt(&attempt.state).await, Ok(Some(attempt)));
}

#[test]
fn only_chance_far_out_of_reach_makes_a_cookie_too_long() {
    let sealed = (chunks::LONGEST + 28).div_ceil(3) * 4;
    let slashes = (4_096 - 150 - sealed) / 2;
    // 3,500 characters, each a slash once in 64: 55 expected, with a deviation of 7.3.
    assert_eq!(sealed, 3_500);
    assert!(slashes >= 55 + 20 * 8);
}

#[tokio::test]
async fn cookies_are_shut_to_scripts_and_last_as_long_as_what_they_hold() {
    let (browser, clock) = browser(true).await;
    browser.start(&fixtures::session()).await.unwrap();
    let line = browser.lines()[0].clone();
    assert!(line.starts_with("__Host-portico_session_0="), "{line}");
    let (_, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=100");
    assert!(attributes.len() + "__Host-portico_session_0=; ".len() < 150);

    clock.advance(TimeDelta::seconds(90));
    for seconds in [90, 30] {
        browser.update(&Change::Seen(clock.now())).await.unwrap();
        clock.advance(TimeDelta::seconds(seconds));
    }
    browser.update(&Change::Seen(clock.now())).await.unwrap();
    assert!(browser.lines()[0].ends_with("Max-Age=40"));

    browser.remember(&fixtures::attempt("a", "/")).await.unwrap();
    let line = browser.lines()[0].clone();
    assert!(line.starts_with("__Host-portico_login_ca978112ca1bbdca="), "{line}");
    assert!(line.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600"), "{line}");

    browser.end().await.unwrap();
    // A browser refuses to remove a `__Host-` cookie by a line without these.
    for line in browser.lines() {
        assert!(line.contains("; Secure; Path=/") && !line.contains("Domain"), "{line}");
    }
    assert_eq!(browser.names(), ["__Host-portico_login_ca978112ca1bbdca"]);
}

#[tokio::test]
async fn no_cookie_shows_what_it_holds() {
    let (browser, _) = browser(false).await;
    browser.start(&session_of(4_000, "secret")).await.unwrap();
    browser.remember(&fixtures::attempt("a", "/")).await.unwrap();
    for name in browser.names() {
        assert!(!browser.value(&name).contains("secret"));
    }
}

#[tokio::test]
async fn what_is_not_exactly_right_makes_a_stranger_and_is_cleared() {
    type Tamper = fn(&Browser);
    let tamperings: [(&str, Tamper); 7] = [
        ("one letter changed", |browser| {
            let value = browser.value("portico_session_1");
            let last = if value.ends_with('A') { 'B' } else { 'A' };
            browser.set("portico_session_1", &format!("{last}{}", &value[1..]));
        }),
        ("truncated", |browser| {
            let value = browser.value("portico_session_0");
            browser.set("portico_session_0", &value[..value.len() - 4]);
        }),
        ("swapped", |browser| {
            let (one, two) =
                (browser.value("portico_session_1"), browser.value("portico_session_2"));
            browser.set("portico_session_1", &two);
            browser.set("portico_session_2", &one);
        }),
        ("a gap", |browser| {
            browser.remove("portico_session_1");
        }),
        ("no beginning", |browser| {
            browser.remove("portico_session_0");
        }),
        ("no seal", |browser| {
            browser.set("portico_session_0", "b01AAAAAAAAAAA");
        }),
        ("nothing", |browser| {
            browser.set("portico_session_0", "");
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
async fn chunks_of_two_sessions_do_not_mix() {
    let (browser, _) = browser(false).await;
    browser.start(&session_of(8_000, "abcdefgh")).await.unwrap();
    let old = browser.value("portico_session_1");
    browser.start(&session_of(8_000, "ijklmnop")).await.unwrap();
    browser.set("portico_session_1", &old);
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn cookies_sealed_with_another_key_are_cleared() {
    let (browser, _) = browser(false).await;
    let (other, _) = browser_with_key(false, ANOTHER_KEY).await;
    let attempt = fixtures::attempt("a", "/");
    other.start(&fixtures::session()).await.unwrap();
    other.remember(&attempt).await.unwrap();
    browser.take_cookies_of(&other);
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.take_attempt(&attempt.state).await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn an_expired_session_is_cleared() {
    let (browser, clock) = browser(false).await;
    browser.start(&fixtures::session()).await.unwrap();
    clock.advance(TimeDelta::seconds(100));
    assert_eq!(browser.current().await, Ok(None));
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn broken_cookies_are_cleared_by_a_catcher_too() {
    let (browser, _) = browser(false).await;
    browser.set("portico_session_0", "broken");
    browser.get("/fail").await;
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn what_a_request_writes_it_also_reads() {
    let (browser, _) = browser(false).await;
    let large = session_of(8_000, "abcdefgh");
    browser
        .visit(|store| {
            Box::pin(async move {
                store.start(&large).await.unwrap();
                assert_eq!(store.current().await, Ok(Some(large)));
                store.end().await.unwrap();
                assert_eq!(store.current().await, Ok(None));
                assert_eq!(store.update(&Change::Seen(DateTime::UNIX_EPOCH)).await, Ok(None));
                assert_eq!(store.current().await, Ok(None));
                store.start(&another_session()).await.unwrap();
                let attempt = fixtures::attempt("a", "/");
                store.remember(&attempt).await.unwrap();
                assert_eq!(store.take_attempt(&attempt.state).await, Ok(Some(attempt)));
            })
        })
        .await;
    assert_eq!(browser.names(), ["portico_session_0"]);
    assert_eq!(browser.current().await, Ok(Some(another_session())));
}

#[tokio::test]
async fn a_session_too_large_is_refused_aloud_and_leaves_the_earlier_one() {
    let (browser, _) = browser(false).await;
    browser.start(&fixtures::session()).await.unwrap();
    let mut claims = fixtures::session().claims.to_map();
    claims.insert("secret".into(), "hunter2 ".repeat(5_000).into());
    let large = Session { claims: Claims::new(&claims), ..fixtures::session() };
    let error = browser.start(&large).await.unwrap_err().to_string();
    assert!(error.contains("bytes") && !error.contains("hunter2"), "{error}");
    assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
}

#[tokio::test]
async fn five_attempts_are_five_cookies() {
    let (browser, clock) = browser(false).await;
    for number in 0..8 {
        clock.advance(TimeDelta::seconds(1));
        let attempt = fixtures::attempt(&number.to_string(), "/");
        browser.remember(&LoginAttempt { started_at: clock.now(), ..attempt }).await.unwrap();
    }
    assert_eq!(browser.names().len(), 5);
}
