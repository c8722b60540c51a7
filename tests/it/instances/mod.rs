//! Several processes with the same settings are one site, wherever it keeps its sessions.

mod process;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_development::Fault;
use portico_tests::{http_browser::HttpBrowser, page::Page, site::log_in};
use process::{Cluster, Instance, Store};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

const USER: &str = "user@example.com";
/// Within this time, what ends at one instance has ended at all.
const EVERYWHERE: Duration = Duration::from_secs(5);

async fn signed_in(instance: &Instance) -> HttpBrowser {
    let person = instance.person();
    let page = log_in(&person, &instance.at("/login"), USER).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/profile"), "{}", page.text());
    person
}

/// Somebody who got hold of the person's cookies, for whom it is not enough that the browser
/// forgets them.
fn a_copy_of(person: &HttpBrowser, instance: &Instance) -> HttpBrowser {
    let copy = instance.person();
    for cookie in person.cookies().unwrap_or_default().split("; ") {
        copy.set_cookie(&format!("{cookie}; Path=/"));
    }
    copy
}

async fn profile(person: &HttpBrowser, instance: &Instance) -> Page {
    person.get(&instance.at("/profile")).await
}

async fn assert_known(person: &HttpBrowser, instance: &Instance) {
    let page = profile(person, instance).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
}

async fn assert_soon_a_stranger(person: &HttpBrowser, instance: &Instance) {
    let begun = Instant::now();
    loop {
        let page = profile(person, instance).await;
        if page.status == StatusCode::SEE_OTHER {
            return;
        }
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert!(begun.elapsed() < EVERYWHERE, "still signed in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn session_and_logout_hold_at_both_instances(store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    for (here, there) in [(&first, &second), (&second, &first)] {
        let person = signed_in(here).await;
        assert_known(&person, here).await;
        let copy = a_copy_of(&person, here);
        assert_known(&copy, here).await;

        let page = profile(&person, there).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        person.submit(&page, "Log Out", &[]).await;
        assert_eq!(profile(&copy, there).await.status, StatusCode::SEE_OTHER);
        assert_soon_a_stranger(&copy, here).await;
        assert_eq!(profile(&person, here).await.status, StatusCode::SEE_OTHER);
    }
}

async fn ends_other_sessions_at_every_instance(store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    let (here, elsewhere) = (signed_in(&first).await, signed_in(&second).await);
    let page = here.get(&first.at("/sessions")).await;
    here.submit(&page, "Sign out everywhere else", &[]).await;
    assert_soon_a_stranger(&elsewhere, &first).await;
    assert_soon_a_stranger(&elsewhere, &second).await;
    assert_known(&here, &first).await;
    assert_known(&here, &second).await;
    // The person's next session is not meant.
    assert_known(&signed_in(&second).await, &first).await;
}

/// Whoever meets an instance that is dying turns to the other.
async fn keeps_sessions_when_instance_is_killed_under_load(store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    let mut people = Vec::new();
    for _ in 0..4 {
        people.push(signed_in(&first).await);
    }
    let (over, killed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (before, after) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let addresses = [second.at("/profile"), first.at("/profile")];
    let visits = |person: HttpBrowser| {
        let (over, killed, before, after, addresses) =
            (&over, &killed, &before, &after, &addresses);
        async move {
            while !over.load(Ordering::SeqCst) {
                for address in addresses {
                    let answer = person.request(Method::GET, address).send().await;
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
    let everybody = async {
        let [a, b, c, d] = people.clone().try_into().unwrap_or_else(|_| panic!("four people"));
        tokio::join!(visits(a), visits(b), visits(c), visits(d))
    };
    let murder = async {
        until(&before, 40).await;
        second.kill().await;
        killed.store(true, Ordering::SeqCst);
        until(&after, 40).await;
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(everybody, murder);
    let again = cluster.another().await;
    for person in people {
        assert_known(&person, &first).await;
        assert_known(&person, &again).await;
    }
}

async fn until(count: &AtomicUsize, enough: usize) {
    let begun = Instant::now();
    while count.load(Ordering::SeqCst) < enough {
        assert!(begun.elapsed() < Duration::from_secs(60), "no load");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn sessions_survive_restart(store: Store) {
    let cluster = Cluster::new(store).await;
    let first = cluster.first(&[]).await;
    let (person, logged_out) = (signed_in(&first).await, signed_in(&first).await);
    let copy = a_copy_of(&logged_out, &first);
    let page = profile(&logged_out, &first).await;
    logged_out.submit(&page, "Log Out", &[]).await;
    first.kill().await;

    let again = cluster.first(&[]).await;
    assert_known(&person, &again).await;
    // What ended stays ended.
    assert_eq!(profile(&copy, &again).await.status, StatusCode::SEE_OTHER);
}

/// OpenID Connect Back-Channel Logout, section 2.7.
async fn back_channel_logout_ends_session_at_every_instance(store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    let (person, other) = (signed_in(&first).await, signed_in(&first).await);
    let copy = a_copy_of(&person, &first);
    let page = profile(&person, &first).await.text();
    let (_, after) = page.split_once("\"sid\": \"").expect("the claims are on the page");
    let sid = after.split('"').next().unwrap();
    let token = cluster.servers.logout_token(&json!({}), &json!({ "sid": sid })).unwrap();
    let tell = async |instance: &Instance| {
        let request = person.request(Method::POST, &instance.at("/backchannel-logout"));
        request.form(&[("logout_token", &token)]).send().await.unwrap().status()
    };
    assert_eq!(tell(&second).await, StatusCode::OK);
    assert_soon_a_stranger(&person, &first).await;
    assert_soon_a_stranger(&person, &second).await;
    assert_known(&other, &first).await;
    first.kill().await;

    let again = cluster.first(&[]).await;
    assert_eq!(profile(&copy, &again).await.status, StatusCode::SEE_OTHER);
    assert_known(&other, &again).await;
    assert_eq!(tell(&again).await, StatusCode::BAD_REQUEST, "a token is good once");
}

async fn deleting_user_ends_sessions(store: Store) {
    let cluster = Cluster::new(store).await;
    let first = cluster.first(&[]).await;
    let person = signed_in(&first).await;
    let list = cluster.run(&["users", "list"]).await;
    let [.., issuer, subject, USER] = list.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{list}");
    };
    cluster.run(&["users", "delete", issuer, subject]).await;
    assert_soon_a_stranger(&person, &first).await;
    assert_eq!(cluster.run(&["users", "list"]).await, "");
}

/// For stores that all instances share. With cookies, each instance has turns of its own.
async fn one_instance_renews_token(store: Store) {
    let cluster = Cluster::new(store).await;
    let (first, second) = (cluster.first(&[]).await, cluster.another().await);
    cluster.servers.faults().set(Fault::ShortAccessTokens(3));
    let person = signed_in(&first).await;
    cluster.servers.faults().clear();
    let before = cluster.servers.request_count("token");
    cluster.servers.faults().set(Fault::TokenSlow(Duration::from_millis(500)));
    // The last third of its lifetime, in which it is renewed.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let mut tabs = JoinSet::new();
    for instance in [&first, &second].repeat(5) {
        let (tab, address) = (person.clone(), instance.at("/protected"));
        tabs.spawn(async move { tab.get(&address).await });
    }
    for page in tabs.join_all().await {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    }
    assert_eq!(cluster.servers.request_count("token") - before, 1);
    assert_known(&person, &first).await;
    assert_known(&person, &second).await;
}

const KEYS: [&str; 3] = [
    "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
];

async fn key_rotation_keeps_sessions_while_previous_key_is_set(store: Store) {
    let cluster = Cluster::new(store).await;
    let key = |number: usize| ("ROCKET_SECRET_KEY", KEYS[number].to_owned());
    let first = cluster.first(&[key(0)]).await;
    let (person, away) = (signed_in(&first).await, signed_in(&first).await);
    first.kill().await;

    let first = cluster.first(&[key(1), ("PREVIOUS_SECRET_KEYS", KEYS[0].to_owned())]).await;
    let before = person.cookies();
    assert_known(&person, &first).await;
    assert_ne!(person.cookies(), before, "sealed anew");
    first.kill().await;

    // Whoever came back meanwhile no longer needs the older key; others are strangers.
    let first = cluster.first(&[key(1)]).await;
    assert_known(&person, &first).await;
    assert_eq!(profile(&away, &first).await.status, StatusCode::SEE_OTHER);
    first.kill().await;

    let first = cluster.first(&[key(2)]).await;
    assert_eq!(profile(&person, &first).await.status, StatusCode::SEE_OTHER);
    // Still signed in at the provider: the way leads straight back.
    person.visit(&first.at("/login")).await;
    assert_known(&person, &first).await;
}

/// Every clause on one store.
macro_rules! on {
    ($module:ident, $store:expr $(, $ignored:meta)?) => {
        mod $module {
            use super::Store;

            on!(@ $store, [$($ignored)?],
                session_and_logout_hold_at_both_instances,
                ends_other_sessions_at_every_instance,
                keeps_sessions_when_instance_is_killed_under_load,
                sessions_survive_restart,
                deleting_user_ends_sessions,
                back_channel_logout_ends_session_at_every_instance,
                key_rotation_keeps_sessions_while_previous_key_is_set,
            );
        }
    };
    (@ $store:expr, $ignored:tt, $($clause:ident,)*) => {
        $(on!(@@ $store, $ignored, $clause);)*
    };
    (@@ $store:expr, [$($ignored:meta)?], $clause:ident) => {
        #[tokio::test]
        $(#[$ignored])?
        async fn $clause() {
            super::$clause($store).await;
        }
    };
}

on!(cookie_and_sqlite, Store::CookieAndSqlite);
on!(database_sqlite, Store::DatabaseSqlite);
on!(
    cookie_and_postgres,
    Store::CookieAndPostgres,
    cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")
);
on!(
    database_postgres,
    Store::DatabasePostgres,
    cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")
);
on!(
    redis,
    Store::Redis,
    cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")
);

#[tokio::test]
async fn renews_token_once_with_sqlite() {
    one_instance_renews_token(Store::DatabaseSqlite).await;
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn renews_token_once_with_postgres() {
    one_instance_renews_token(Store::DatabasePostgres).await;
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn renews_token_once_with_redis() {
    one_instance_renews_token(Store::Redis).await;
}
