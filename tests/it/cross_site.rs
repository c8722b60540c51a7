//! Requests that other sites, prefetching browsers and link checkers send change nothing.

use http::StatusCode;
use portico_tests::{http_browser::HttpBrowser, site::Site};
use reqwest::{Client, Method, Response, redirect};

const USER: &str = "user@example.com";
const LOG_OUT_PAGE: &str = "Log out?";

type Headers<'a> = &'a [(&'a str, &'a str)];

/// A navigation that a user made, as browsers describe it.
const TYPED: Headers<'_> =
    &[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
const LINK: Headers<'_> = &[
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
];

/// A request with the user's cookies and exactly these headers. Its answer does not change the
/// user's cookies.
async fn send(
    user: &HttpBrowser,
    site: &Site,
    method: Method,
    path: &str,
    headers: Headers<'_>,
) -> Response {
    let client = Client::builder()
        .tls_backend_preconfigured(portico_adapters::tls::client_config(None).unwrap())
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let mut request = client
        .request(method.clone(), site.url.join(path).unwrap())
        .header("Accept", "text/html")
        .header("Cookie", user.cookies().unwrap_or_default());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if method == Method::POST {
        let form = [("theme", "dark"), ("id", "AAAAAAAAAAAAAAAAAAAAAA")];
        request = request.form(&form);
    }
    request.send().await.unwrap()
}

fn sets_cookie(answer: &Response) -> bool {
    answer.headers().contains_key("set-cookie")
}

/// Headers of a POST that another site may have caused. Each set would be accepted if only another
/// header, or another value of it, decided.
fn foreign(own: &str) -> Vec<Vec<(&str, &str)>> {
    vec![
        vec![],
        vec![("Sec-Fetch-Site", "cross-site"), ("Origin", own)],
        vec![("Sec-Fetch-Site", "same-site"), ("Origin", own)],
        vec![("Sec-Fetch-Site", "made-up"), ("Origin", own)],
        vec![("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        vec![("Origin", "https://evil.example")],
        vec![("Origin", "null")],
        vec![("Origin", "")],
        vec![("Origin", "http://127.0.0.1:1"), ("Referer", own)],
        vec![("Origin", own), ("Origin", "https://evil.example")],
        vec![("Referer", "https://evil.example/")],
        vec![("Referer", "http://127.0.0.1:1/profile")],
        vec![("Referer", "nonsense")],
    ]
}

#[tokio::test]
async fn refuses_post_from_another_site() {
    let site = Site::start().await;
    let (user, _) = site.signed_in(USER).await;
    let own = site.url.origin().ascii_serialization();
    for headers in foreign(&own) {
        for path in ["/theme", "/sessions/end", "/sessions/end-others"] {
            let answer = send(&user, &site, Method::POST, path, &headers).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path} {headers:?}");
            assert!(!sets_cookie(&answer), "{path} {headers:?}");
            let page = answer.text().await.unwrap();
            assert!(page.contains("Request refused"), "{path} {headers:?}: {page}");
        }
        let answer = send(&user, &site, Method::POST, "/logout", &headers).await;
        assert_eq!(answer.status(), StatusCode::OK, "{headers:?}");
        assert!(!sets_cookie(&answer), "{headers:?}");
        assert!(answer.text().await.unwrap().contains(LOG_OUT_PAGE), "{headers:?}");
    }
    assert_eq!(user.get("/profile").await.status, StatusCode::OK);
}

#[tokio::test]
async fn accepts_same_origin_post_by_any_of_three_headers() {
    let site = Site::start().await;
    let (user, _) = site.signed_in(USER).await;
    let own = site.url.origin().ascii_serialization();
    let page = format!("{own}/profile?a=b");
    for headers in [
        vec![("Sec-Fetch-Site", "same-origin")],
        vec![("Sec-Fetch-Site", "none")],
        vec![("Origin", &*own)],
        vec![("Referer", &*page)],
    ] {
        for path in ["/theme", "/sessions/end", "/sessions/end-others"] {
            let answer = send(&user, &site, Method::POST, path, &headers).await;
            assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path} {headers:?}");
        }
        let (user, _) = site.signed_in(USER).await;
        let answer = send(&user, &site, Method::POST, "/logout", &headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{headers:?}");
        assert!(sets_cookie(&answer), "{headers:?}");
    }
}

#[tokio::test]
async fn get_logout_asks_for_confirmation_unless_user_navigated() {
    let site = Site::start().await;
    let (user, _) = site.signed_in(USER).await;
    let with = |name, value| [LINK, &[(name, value)]].concat();
    let replaced = |name, value| {
        let mut headers = LINK.to_vec();
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value));
        headers
    };
    let without = |name| LINK.iter().copied().filter(|(it, _)| *it != name).collect::<Vec<_>>();
    for headers in [
        with("Sec-Purpose", "prefetch"),
        with("Sec-Purpose", "prefetch;prerender"),
        with("Purpose", "prefetch"),
        with("X-Moz", "prefetch"),
        replaced("Sec-Fetch-Site", "cross-site"),
        replaced("Sec-Fetch-Site", "same-site"),
        replaced("Sec-Fetch-Dest", "iframe"),
        replaced("Sec-Fetch-Dest", "image"),
        replaced("Sec-Fetch-Mode", "no-cors"),
        replaced("Sec-Fetch-Mode", "cors"),
        without("Sec-Fetch-Site"),
        without("Sec-Fetch-Mode"),
        without("Sec-Fetch-Dest"),
        vec![],
    ] {
        let answer = send(&user, &site, Method::GET, "/logout", &headers).await;
        assert_eq!(answer.status(), StatusCode::OK, "{headers:?}");
        assert!(!sets_cookie(&answer), "{headers:?}");
        assert!(answer.text().await.unwrap().contains(LOG_OUT_PAGE), "{headers:?}");
    }
    let answer = send(&user, &site, Method::HEAD, "/logout", LINK).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!sets_cookie(&answer));
    assert_eq!(user.get("/profile").await.status, StatusCode::OK);

    for headers in [TYPED, LINK] {
        let (user, _) = site.signed_in(USER).await;
        let answer = send(&user, &site, Method::GET, "/logout", headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{headers:?}");
        assert!(sets_cookie(&answer), "{headers:?}");
    }
}

#[tokio::test]
async fn prefetch_head_and_subresource_start_no_login() {
    let site = Site::start().await;
    let visitor = site.browser();
    let with = |name, value| [TYPED, &[(name, value)]].concat();
    for path in ["/login", "/login?next=%2Fadmin", "/signup"] {
        for headers in [
            with("Sec-Purpose", "prefetch"),
            with("Sec-Purpose", "prefetch;prerender"),
            with("Purpose", "prefetch"),
            with("X-Moz", "prefetch"),
            vec![("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")],
        ] {
            let answer = send(&visitor, &site, Method::GET, path, &headers).await;
            // An error, so that the browser does not show a prefetched answer later.
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path} {headers:?}");
            assert!(!sets_cookie(&answer), "{path} {headers:?}");
            assert!(!answer.headers().contains_key("location"), "{path} {headers:?}");
        }
        let answer = send(&visitor, &site, Method::HEAD, path, TYPED).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(!sets_cookie(&answer), "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    for headers in [TYPED, &[]] {
        let answer = send(&visitor, &site, Method::GET, "/login", headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{headers:?}");
        assert!(sets_cookie(&answer), "{headers:?}");
    }
}

#[tokio::test]
async fn head_and_prefetch_of_callback_keep_attempt() {
    let site = Site::start().await;
    let user = site.browser();
    let form = user.visit("/login").await;
    let cancelled = user.get(form.link("Cancel").unwrap().as_str()).await;
    let callback = cancelled.header("location").unwrap().to_owned();
    assert!(callback.contains("/callback?"), "{callback}");

    let head = send(&user, &site, Method::HEAD, &callback, TYPED).await;
    assert!(head.status().is_success() && !sets_cookie(&head));
    let prefetch = [TYPED, &[("Sec-Purpose", "prefetch")]].concat();
    let prefetch = send(&user, &site, Method::GET, &callback, &prefetch).await;
    assert_eq!(prefetch.status(), StatusCode::FORBIDDEN);
    assert!(!sets_cookie(&prefetch));

    let page = user.get(&callback).await;
    assert!(page.text().contains("You were not let in"), "{}", page.text());
}
