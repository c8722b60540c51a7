//! Sessions and users in PostgreSQL, with a synchronous standby.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use portico_tests::{
    http_browser::HttpBrowser,
    postgres::ReplicatedPostgres,
    site::{Site, SiteOptions, log_in},
};
use rocket::futures::future::join_all;
use tokio::task::spawn_blocking;

use super::{Load, USER, USERS, fails_over, until};

/// Log-outs before the primary is killed, with a log-in that is not followed by one in between.
const LOG_OUTS: usize = 2;

/// What the site acknowledged under load.
#[derive(Default)]
struct Acknowledged {
    /// Browsers that logged in.
    logged_in: Vec<HttpBrowser>,
    /// Browsers that logged in and out, with the cookies of the session again.
    logged_out: Vec<HttpBrowser>,
}

/// Logs in until the load is over, and out again every second time. Skips what the site refused,
/// which may have happened or not.
async fn log_in_and_out(site: &Site, load: &Load, log_outs: &AtomicUsize) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut number = 0;
    while !load.is_over.load(Ordering::SeqCst) {
        number += 1;
        let recovered = load.recovered.load(Ordering::SeqCst);
        let browser = site.browser();
        let form = browser.visit("/login").await;
        if form.status != StatusCode::OK {
            refused(form.status, recovered);
            continue;
        }
        let fields = [("Email", USER), ("Password", "portico")];
        let page = browser.submit(&form, "Log In", &fields).await;
        if page.status != StatusCode::OK || page.url.path() != "/profile" {
            refused(page.status, recovered);
            continue;
        }
        if number % 2 == 0 {
            acknowledged.logged_in.push(browser);
            continue;
        }
        let cookies = browser.cookies().unwrap();
        let origin = site.url.origin().ascii_serialization();
        let page = browser.post("/logout", &[], &[("Origin", &origin)]).await;
        if page.status != StatusCode::SEE_OTHER {
            refused(page.status, recovered);
            continue;
        }
        let copy = site.browser();
        for cookie in cookies.split("; ") {
            copy.set_cookie(&format!("{cookie}; Path=/"));
        }
        acknowledged.logged_out.push(copy);
        log_outs.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

fn refused(status: StatusCode, recovered: bool) {
    assert_eq!((status, recovered), (StatusCode::SERVICE_UNAVAILABLE, false));
}

async fn keeps_what_it_acknowledged(store: &str) {
    let servers = spawn_blocking(ReplicatedPostgres::start).await.unwrap();
    let settings = vec![("SESSION_STORE", store.to_owned()), ("DATABASE_URL", servers.url())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let mut users = Vec::new();
    for _ in 0..USERS {
        users.push(site.signed_in(USER).await.0);
    }
    let (load, log_outs, anonymous) = (Load::default(), AtomicUsize::new(0), site.browser());
    let (kill, promote) = (ReplicatedPostgres::kill_primary, ReplicatedPostgres::promote_standby);
    let failover = async {
        until(&log_outs, LOG_OUTS).await;
        fails_over(&load, &anonymous, servers, kill, promote).await
    };
    let (_servers, acknowledged, _) = tokio::join!(
        failover,
        log_in_and_out(&site, &load, &log_outs),
        join_all(users.iter().map(|user| load.run(user))),
    );
    for user in users.iter().chain(&acknowledged.logged_in) {
        assert_eq!(user.get("/profile").await.status, StatusCode::OK);
    }
    for browser in &acknowledged.logged_out {
        let page = browser.get("/profile").await;
        assert_eq!(page.location().unwrap().path(), "/login", "{}", page.text());
    }
    log_in(&site.browser(), "/login", USER).await;
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn failover_of_postgres_loses_no_acknowledged_log_in_or_log_out() {
    keeps_what_it_acknowledged("database").await;
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn failover_of_postgres_loses_no_revocation_of_cookies() {
    keeps_what_it_acknowledged("cookie").await;
}
