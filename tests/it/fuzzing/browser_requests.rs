use std::fmt::Write;

use portico::{assemble, config::Settings, open_database};
use portico_domain::model::NextPage;
use portico_tests::{log_capture, site::SECRET_KEY};
use proptest::{collection::vec, prelude::*};
use rocket::{
    http::{ContentType, Cookie, Status},
    local::asynchronous::Client,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::{Url, form_urlencoded};

use super::{holds, runtime};

/// The site without sockets, and without a provider.
struct SiteWithoutProvider {
    runtime: Runtime,
    client: Client,
    _folder: TempDir,
}

impl SiteWithoutProvider {
    fn new() -> Self {
        log_capture::install();
        let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
        let database = format!("sqlite://{}", folder.path().join("portico.db").display());
        let settings = [
            ("ROCKET_SECRET_KEY", SECRET_KEY),
            ("DATABASE_URL", &database),
            ("OIDC_ISSUER_URL", "http://127.0.0.1:9/"),
            ("OIDC_CLIENT_ID", "portico"),
            ("OIDC_CLIENT_SECRET", "secret"),
        ];
        let client = runtime.block_on(async {
            let settings = Settings::from_pairs(settings).unwrap();
            let database = open_database(&settings).unwrap();
            database.migrate().await.unwrap();
            let assembly = assemble(settings, &database).await.unwrap();
            Client::untracked(assembly.site()).await.unwrap()
        });
        Self { runtime, client, _folder: folder }
    }

    fn get(&self, address: String, cookies: &[(String, String)]) -> Status {
        self.runtime.block_on(async {
            let cookies = cookies.iter().map(|(name, value)| Cookie::new(name, value));
            self.client.get(address).cookies(cookies).dispatch().await.status()
        })
    }

    fn post(&self, address: &'static str, body: String) -> Status {
        let request = self.client.post(address).header(ContentType::Form).body(body);
        self.runtime.block_on(async { request.dispatch().await.status() })
    }
}

/// Parameters of the callback, and arbitrary ones.
fn parameter() -> impl Strategy<Value = (String, String)> {
    const NAMES: [&str; 7] =
        ["state", "code", "iss", "error", "error_description", "session_state", "state[a]"];
    let name = prop_oneof![proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), ".*"];
    const ERRORS: [&str; 4] =
        ["access_denied", "login_required", "server_error", "temporarily_unavailable"];
    let value = prop_oneof![".*", proptest::sample::select(&ERRORS[..]).prop_map(str::to_owned)];
    (name, value)
}

/// Well-formed pairs, or arbitrary characters of a query.
fn query() -> impl Strategy<Value = String> {
    let pairs = vec(parameter(), 0..8).prop_map(|pairs| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    });
    prop_oneof![pairs, "[!-~&&[^#]]{0,200}", "(state|code|error)=(%[0-9a-fA-F]{2}|%|[a-z&=]){0,60}"]
}

#[test]
fn any_callback_without_attempt_is_a_client_error() {
    let site = SiteWithoutProvider::new();
    holds(query(), |query| {
        for status in [site.get(format!("/callback?{query}"), &[]), site.post("/callback", query)] {
            // No login was started, so every response is refused.
            prop_assert!((400..500).contains(&status.code), "{status}");
        }
        Ok(())
    });
}

#[test]
fn arbitrary_cookies_start_no_session() {
    let site = SiteWithoutProvider::new();
    let name = "(__Host-)?portico_(session|session_[0-9]{1,3}|login_[0-9a-f]{0,16}|[a-z_]{0,9})";
    let sealed = "[A-Za-z0-9+/=%]{0,400}";
    let cookies = vec((name, prop_oneof![sealed, "[!-~&&[^;, ]]{0,80}", ".{0,40}"]), 0..14);
    holds(cookies, |cookies| {
        prop_assert_eq!(site.get("/profile".into(), &cookies), Status::SeeOther);
        prop_assert_eq!(site.get("/".into(), &cookies), Status::Ok);
        let callback = site.get("/callback?state=a&code=b".into(), &cookies);
        prop_assert_eq!(callback, Status::BadRequest);
        Ok(())
    });
}

/// Addresses that are known to bypass such checks, and arbitrary text.
fn next() -> impl Strategy<Value = String> {
    let tricky = r"(/|\\|//|/\\|\.|\.\.|%2f|%5c|%09|\t|\r|\n|@|:|https?:|evil\.example|\?|#|[a-z]|é|\u{0}){0,12}";
    prop_oneof![tricky, "/.*", ".*"]
}

#[test]
fn next_page_stays_on_site() {
    let site = Url::parse("https://site.example/login").unwrap();
    holds(next(), |text| {
        let next = NextPage::parse_or_profile(Some(&text));
        let target = site.join(next.as_str()).unwrap();
        prop_assert_eq!(target.origin(), site.origin(), "{} became {}", text, next.as_str());
        // Resolving the path once more does not leave the site either.
        let again = site.join(target.path()).unwrap();
        prop_assert_eq!(again.origin(), site.origin(), "{} became {}", text, target.path());
        prop_assert!(!next.as_str().contains(['\r', '\n', '\0']));
        Ok(())
    });
}

#[test]
fn arbitrary_paths_cause_no_server_error() {
    let site = SiteWithoutProvider::new();
    holds("[!-~]{0,120}", |path| {
        let mut address = String::from("/");
        write!(address, "{path}").unwrap();
        prop_assert!(site.get(address, &[]).code < 500);
        Ok(())
    });
    let login = |next: &String| {
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        site.get(format!("/login?next={next}"), &[])
    };
    holds(next(), |next| {
        // There is no provider.
        prop_assert_eq!(login(&next), Status::ServiceUnavailable);
        Ok(())
    });
}
