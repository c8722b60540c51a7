//! Several instances with the same settings form one site, with every session store.

mod nginx;
pub(crate) mod process;
mod revocation;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_development::Fault;
use portico_tests::{http_browser::HttpBrowser, page::Page, site::log_in};
use process::{Cluster, Instance, Store};
use reqwest::Method;
use rstest::rstest;
use rstest_reuse::{apply, template};
use serde_json::json;
use tokio::task::JoinSet;

const USER: &str = "user@example.com";
/// Time within which a session that ends at one instance has ended at all.
const PROPAGATION_LIMIT: Duration = Duration::from_secs(5);

async fn signed_in(instance: &Instance) -> HttpBrowser {
    let browser = instance.browser();
    let page = log_in(&browser, &instance.at("/login"), USER).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/profile"), "{}", page.text());
    browser
}

/// A browser with a copy of the cookies, as a thief would have: log-out must invalidate it too.
fn copy_of(browser: &HttpBrowser, instance: &Instance) -> HttpBrowser {
    let copy = instance.browser();
    for cookie in browser.cookies().unwrap_or_default().split("; ") {
        copy.set_cookie(&format!("{cookie}; Path=/"));
    }
    copy
}

async fn profile(browser: &HttpBrowser, instance: &Instance) -> Page {
    browser.get(&instance.at("/profile")).await
}

async fn assert_logged_in(browser: &HttpBrowser, instance: &Instance) {
    let page = profile(browser, instance).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
}

async fn assert_logged_out_soon(browser: &HttpBrowser, instance: &Instance) {
    let start = Instant::now();
    loop {
        let page = profile(browser, instance).await;
        if page.status == StatusCode::SEE_OTHER {
            return;
        }
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert!(start.elapsed() < PROPAGATION_LIMIT, "still signed in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[template]
#[rstest]
#[case::cookie_and_sqlite(Store::CookieAndSqlite)]
#[case::database_sqlite(Store::DatabaseSqlite)]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
#[case::cookie_and_postgres(Store::CookieAndPostgres)]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
#[case::database_postgres(Store::DatabasePostgres)]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
#[case::redis(Store::Redis)]
fn each_store(#[case] store: Store) {}

#[apply(each_store)]
#[tokio::test]
async fn session_and_logout_hold_at_both_instances(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    for (one, other) in [(&first, &second), (&second, &first)] {
        let browser = signed_in(one).await;
        assert_logged_in(&browser, one).await;
        let copy = copy_of(&browser, one);
        assert_logged_in(&copy, one).await;

        let page = profile(&browser, other).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        browser.submit(&page, "Log Out", &[]).await;
        assert_eq!(profile(&copy, other).await.status, StatusCode::SEE_OTHER);
        assert_logged_out_soon(&copy, one).await;
        assert_eq!(profile(&browser, one).await.status, StatusCode::SEE_OTHER);
    }
}

#[apply(each_store)]
#[tokio::test]
async fn ends_other_sessions_at_every_instance(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    let (here, elsewhere) = (signed_in(&first).await, signed_in(&second).await);
    let page = here.get(&first.at("/sessions")).await;
    here.submit(&page, "Log out everywhere else", &[]).await;
    assert_logged_out_soon(&elsewhere, &first).await;
    assert_logged_out_soon(&elsewhere, &second).await;
    assert_logged_in(&here, &first).await;
    assert_logged_in(&here, &second).await;
    // Later sessions of the user are not affected.
    assert_logged_in(&signed_in(&second).await, &first).await;
}

/// Requests that fail at the killed instance succeed at the other one.
#[apply(each_store)]
#[tokio::test]
async fn keeps_sessions_when_instance_is_killed_under_load(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    let mut users = Vec::new();
    for _ in 0..4 {
        users.push(signed_in(&first).await);
    }
    let (over, killed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (before, after) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let addresses = [second.at("/profile"), first.at("/profile")];
    let visits = |browser: HttpBrowser| {
        let (over, killed, before, after, addresses) =
            (&over, &killed, &before, &after, &addresses);
        async move {
            while !over.load(Ordering::SeqCst) {
                for address in addresses {
                    let answer = browser.request(Method::GET, address).send().await;
                    let dead = killed.load(Ordering::SeqCst);
                    match answer {
                        Ok(answer) => {
                            assert_eq!(answer.status(), StatusCode::OK, "{address}");
                            if dead { after } else { before }.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => assert_eq!(*address, addresses[0], "{error}"),
                    }
                }
            }
        }
    };
    let load = async {
        let [a, b, c, d] = users.clone().try_into().unwrap_or_else(|_| panic!("four users"));
        tokio::join!(visits(a), visits(b), visits(c), visits(d))
    };
    let killing = async {
        until(&before, 40).await;
        second.kill().await;
        killed.store(true, Ordering::SeqCst);
        until(&after, 40).await;
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(load, killing);
    let again = cluster.another().await;
    for browser in users {
        assert_logged_in(&browser, &first).await;
        assert_logged_in(&browser, &again).await;
    }
}

async fn until(count: &AtomicUsize, enough: usize) {
    let start = Instant::now();
    while count.load(Ordering::SeqCst) < enough {
        assert!(start.elapsed() < Duration::from_secs(60), "no load");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[apply(each_store)]
#[tokio::test]
async fn sessions_survive_restart(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let first = cluster.first(&[]).await;
    let (browser, logged_out) = (signed_in(&first).await, signed_in(&first).await);
    let copy = copy_of(&logged_out, &first);
    let page = profile(&logged_out, &first).await;
    logged_out.submit(&page, "Log Out", &[]).await;
    first.kill().await;

    let again = cluster.first(&[]).await;
    assert_logged_in(&browser, &again).await;
    // The ended session stays ended.
    assert_eq!(profile(&copy, &again).await.status, StatusCode::SEE_OTHER);
}

/// OpenID Connect Back-Channel Logout, section 2.7.
#[apply(each_store)]
#[tokio::test]
async fn back_channel_logout_ends_session_at_every_instance(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    let (browser, other) = (signed_in(&first).await, signed_in(&first).await);
    let copy = copy_of(&browser, &first);
    let page = profile(&browser, &first).await.text();
    let (_, after) = page.split_once("\"sid\": \"").expect("the page shows the claims");
    let sid = after.split('"').next().unwrap();
    let token = cluster.servers.logout_token(&json!({}), &json!({ "sid": sid })).unwrap();
    let send = async |instance: &Instance| {
        let request = browser.request(Method::POST, &instance.at("/backchannel-logout"));
        request.form(&[("logout_token", &token)]).send().await.unwrap().status()
    };
    assert_eq!(send(&second).await, StatusCode::OK);
    assert_logged_out_soon(&browser, &first).await;
    assert_logged_out_soon(&browser, &second).await;
    assert_logged_in(&other, &first).await;
    first.kill().await;

    let again = cluster.first(&[]).await;
    assert_eq!(profile(&copy, &again).await.status, StatusCode::SEE_OTHER);
    assert_logged_in(&other, &again).await;
    assert_eq!(send(&again).await, StatusCode::BAD_REQUEST, "a token is accepted once");
}

#[apply(each_store)]
#[tokio::test]
async fn deleting_user_ends_sessions(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let first = cluster.first(&[]).await;
    let browser = signed_in(&first).await;
    let list = cluster.run(&["users", "list"]).await;
    let [.., issuer, subject, USER] = list.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{list}");
    };
    cluster.run(&["users", "delete", issuer, subject]).await;
    assert_logged_out_soon(&browser, &first).await;
    assert_eq!(cluster.run(&["users", "list"]).await, "");
}

/// For stores that all instances share. With cookies, each instance has its own refresh locks.
#[rstest]
#[case::sqlite(Store::DatabaseSqlite)]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
#[case::postgres(Store::DatabasePostgres)]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
#[case::redis(Store::Redis)]
#[tokio::test]
async fn one_instance_renews_token(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    cluster.servers.faults().set(Fault::ShortAccessTokens(3));
    let browser = signed_in(&first).await;
    cluster.servers.faults().clear();
    let before = cluster.servers.request_count("token");
    cluster.servers.faults().set(Fault::TokenSlow(Duration::from_millis(500)));
    // Into the last third of the token's lifetime, when it is renewed.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let mut tabs = JoinSet::new();
    for instance in [&first, &second].repeat(5) {
        let (tab, address) = (browser.clone(), instance.at("/protected"));
        tabs.spawn(async move { tab.get(&address).await });
    }
    for page in tabs.join_all().await {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    }
    assert_eq!(cluster.servers.request_count("token") - before, 1);
    assert_logged_in(&browser, &first).await;
    assert_logged_in(&browser, &second).await;
}

const KEYS: [&str; 3] = [
    "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
];

#[apply(each_store)]
#[tokio::test]
async fn key_rotation_keeps_sessions_while_previous_key_is_set(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let key = |number: usize| ("ROCKET_SECRET_KEY", KEYS[number].to_owned());
    let first = cluster.first(&[key(0)]).await;
    let (browser, away) = (signed_in(&first).await, signed_in(&first).await);
    first.kill().await;

    let first = cluster.first(&[key(1), ("PREVIOUS_SECRET_KEYS", KEYS[0].to_owned())]).await;
    let before = browser.cookies();
    assert_logged_in(&browser, &first).await;
    assert_ne!(browser.cookies(), before, "sealed with the new key");
    first.kill().await;

    // Cookies that were sealed again need no previous key; others are refused.
    let first = cluster.first(&[key(1)]).await;
    assert_logged_in(&browser, &first).await;
    assert_eq!(profile(&away, &first).await.status, StatusCode::SEE_OTHER);
    first.kill().await;

    let first = cluster.first(&[key(2)]).await;
    assert_eq!(profile(&browser, &first).await.status, StatusCode::SEE_OTHER);
    // The session at the provider still exists, so it redirects back.
    browser.visit(&first.at("/login")).await;
    assert_logged_in(&browser, &first).await;
}
