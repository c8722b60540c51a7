//! Two instances behind nginx with TLS, with the settings of `deploy/nginx.conf`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use portico_tests::{
    free_port::free_port,
    http_browser::HttpBrowser,
    nginx::{Nginx, TlsAddress},
    page::Page,
    site::log_in,
};
use tokio::task::JoinSet;

use super::{
    USER,
    process::{Cluster, Instance, Store},
};

/// Time within which users get answers.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A site whose instances stop as in production.
struct Proxied {
    cluster: Cluster,
    address: TlsAddress,
    ports: [u16; 2],
    nginx: Nginx,
}

impl Proxied {
    async fn start(store: Store) -> (Self, [Instance; 2]) {
        let address = TlsAddress::create();
        let cluster = Cluster::at(address.url(), store).await;
        let ports = [free_port(), free_port()];
        let instances = [instance(&cluster, ports[0]).await, instance(&cluster, ports[1]).await];
        let nginx = Nginx::start(&address, ports);
        (Self { cluster, address, ports, nginx }, instances)
    }

    fn browser(&self) -> HttpBrowser {
        HttpBrowser::trusting(self.address.url(), &self.address.certificate())
    }

    async fn signed_in(&self) -> HttpBrowser {
        let browser = self.browser();
        let page = log_in(&browser, "/login", USER).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/profile"), "{}", page.text());
        browser
    }

    /// Waits until users got this many more answers.
    async fn wait_for_answers(&self, answered: &AtomicUsize, more: usize) {
        let wanted = answered.load(Ordering::SeqCst) + more;
        let start = Instant::now();
        while answered.load(Ordering::SeqCst) < wanted {
            assert!(start.elapsed() < TIMEOUT, "no answers: {}", self.nginx.error_log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn instance(cluster: &Cluster, port: u16) -> Instance {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("ROCKET_SHUTDOWN", "{ctrlc=false,signals=[\"term\"],grace=5,mercy=5}".to_owned()),
    ];
    cluster.on(port, &settings).await
}

fn is_profile(page: &Page) -> bool {
    page.status == StatusCode::OK && page.text().contains(USER)
}

#[cfg_attr(not(nginx), ignore = "nginx is missing: apt-get install nginx-light openssl")]
#[tokio::test]
async fn guide_works_through_nginx_with_tls() {
    let (site, _instances) = Proxied::start(Store::CookieAndSqlite).await;
    let browser = site.signed_in().await;
    let cookies = browser.cookies().unwrap();
    assert!(cookies.contains("__Host-portico_session"), "secure names");
    // Both instances answer in turn.
    for path in ["/profile", "/protected", "/profile", "/protected", "/sessions", "/public"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
    }
    let page = browser.get("/admin").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    browser.submit(&page, "Log Out", &[]).await;
    assert_eq!(browser.get("/profile").await.status, StatusCode::SEE_OTHER);
    // Probes are for the load balancer, which is this machine here.
    assert_eq!(browser.get("/health/ready").await.status, StatusCode::OK);
    let errors = site.nginx.error_log();
    assert!(!errors.contains("[error]") && !errors.contains("[crit]"), "{errors}");
}

#[cfg_attr(not(nginx), ignore = "nginx is missing: apt-get install nginx-light openssl")]
#[tokio::test]
async fn nginx_limits_log_ins_of_one_address() {
    let (site, _instances) = Proxied::start(Store::CookieAndSqlite).await;
    let browser = site.browser();
    let mut statuses = Vec::new();
    for _ in 0..90 {
        statuses.push(browser.get("/login").await.status);
    }
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert!(count(StatusCode::SEE_OTHER) >= 60, "{statuses:?}");
    assert!(count(StatusCode::TOO_MANY_REQUESTS) >= 10, "{statuses:?}");
}

/// Restarts both instances, one after the other, while users load pages.
#[cfg_attr(not(nginx), ignore = "nginx is missing: apt-get install nginx-light openssl")]
#[tokio::test]
async fn rolling_restart_under_load_loses_no_request() {
    let (site, [first, second]) = Proxied::start(Store::CookieAndSqlite).await;
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut users = JoinSet::new();
    for _ in 0..4 {
        let browser = site.signed_in().await;
        let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
        users.spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let page = browser.get("/profile").await;
                if !is_profile(&page) {
                    return Err(format!("{}: {}", page.status, page.text()));
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
    }
    let mut running = Vec::new();
    for (port, instance_before) in site.ports.into_iter().zip([first, second]) {
        site.wait_for_answers(&answered, 20).await;
        assert!(instance_before.terminate().await.success(), "exit code 0");
        site.wait_for_answers(&answered, 20).await;
        running.push(instance(&site.cluster, port).await);
    }
    site.wait_for_answers(&answered, 20).await;
    over.store(true, Ordering::SeqCst);
    for outcome in users.join_all().await {
        assert_eq!(outcome, Ok(()), "{}", site.nginx.error_log());
    }
}
