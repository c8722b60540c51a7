//! How much a visitor has to load.

use std::io::Read;

use portico_tests::{
    http_browser::HttpBrowser,
    site::{Site, log_in},
};
use reqwest::{Method, Response, header};

/// For a page, as it is sent.
const PAGE: usize = 8 * 1024;
/// For style sheet and script together, as they are sent.
const ASSETS: usize = 20 * 1024;

async fn get(person: &HttpBrowser, path: &str, tag: Option<&str>) -> Response {
    let mut request = person.request(Method::GET, path).header(header::ACCEPT_ENCODING, "gzip");
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    request.send().await.unwrap()
}

fn told<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// The addresses after `before` in the page.
fn addresses(html: &str, before: &str) -> Vec<String> {
    let pieces = html.split(before).skip(1);
    pieces.map(|rest| rest.split('"').next().unwrap().replace("&#x2f;", "/")).collect()
}

async fn unpacked(response: Response) -> String {
    assert_eq!(told(&response, "content-encoding"), "gzip");
    let bytes = response.bytes().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    text
}

async fn size(person: &HttpBrowser, path: &str) -> usize {
    get(person, path, None).await.bytes().await.unwrap().len()
}

#[tokio::test]
async fn every_page_is_under_8_kilobytes() {
    let site = Site::start().await;
    let person = site.person();
    let mut pages = Vec::new();
    for path in ["/", "/docs", "/public", "/nowhere", "/callback?error=access_denied&state=x"] {
        pages.push((path, size(&person, path).await));
    }
    log_in(&person, "/login", "user@example.com").await;
    for path in ["/", "/docs", "/profile", "/public", "/protected", "/admin"] {
        pages.push((path, size(&person, path).await));
    }
    for (path, size) in pages {
        assert!((500..PAGE).contains(&size), "{path}: {size} bytes");
    }
}

#[tokio::test]
async fn assets_are_under_20_kilobytes_and_immutable() {
    let site = Site::start().await;
    let person = site.person();
    let html = unpacked(get(&person, "/", None).await).await;
    let styles = addresses(&html, "<link rel=\"stylesheet\" href=\"");
    let scripts = addresses(&html, "<script src=\"");
    assert_eq!((styles.len(), scripts.len()), (1, 1), "{html}");
    let mut sum = 0;
    for path in styles.iter().chain(&scripts) {
        let response = get(&person, path, None).await;
        assert_eq!(told(&response, "content-encoding"), "gzip");
        assert_eq!(told(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert!(told(&response, "vary").contains("Accept-Encoding"));
        sum += response.bytes().await.unwrap().len();
    }
    assert!(sum < ASSETS, "{sum} bytes");
}

#[tokio::test]
async fn unchanged_public_page_is_not_sent_again() {
    let site = Site::start().await;
    let person = site.person();
    for path in ["/", "/docs", "/public"] {
        let first = get(&person, path, None).await;
        let tag = told(&first, "etag").to_owned();
        assert!(tag.starts_with("W/\""), "{path}: {tag:?}");
        let again = get(&person, path, Some(&tag)).await;
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(told(&again, "etag"), tag);
        assert!(told(&again, "vary").contains("Cookie"));
        assert!(again.bytes().await.unwrap().is_empty());
        let other = get(&person, path, Some("W/\"other\"")).await;
        assert_eq!(other.status(), 200, "{path}");
    }
    // What is the person's is kept nowhere.
    log_in(&person, "/login", "user@example.com").await;
    for path in ["/", "/profile"] {
        let page = get(&person, path, Some("*")).await;
        assert_eq!((page.status().as_u16(), told(&page, "etag")), (200, ""), "{path}");
        assert_eq!(told(&page, "cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn chosen_theme_applies_and_redirects_back() {
    let site = Site::start().await;
    let person = site.person();
    let choose = async |theme: &str, from: &str| {
        let request = person.request(Method::POST, "/theme");
        let request = request.header(header::REFERER, from).form(&[("theme", theme)]);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), told(&answer, "location").to_owned())
    };
    let colours = async || {
        let page = person.get("/").await.body;
        let (_, start) = page.split_once("<html lang=\"en\"").unwrap();
        start.split('>').next().unwrap().trim().to_owned()
    };
    assert_eq!(colours().await, "");
    let page = site.url.join("/public?a=b").unwrap();
    assert_eq!(choose("dark", page.as_str()).await, (303, "/public?a=b".into()));
    assert_eq!(colours().await, "data-theme=\"dark\"");
    // Only the path is believed, and no step of signing in.
    for from in ["https://elsewhere.example//evil.example", "https://elsewhere.example/logout"] {
        assert_eq!(choose("light", from).await, (303, "/".into()), "{from}");
    }
    assert_eq!(colours().await, "data-theme=\"light\"");
    assert_eq!(choose("auto", page.as_str()).await.0, 303);
    assert_eq!(colours().await, "");
    assert_eq!(choose("purple", page.as_str()).await.0, 422);
}

#[tokio::test]
async fn page_with_request_data_is_not_compressed() {
    let site = Site::start().await;
    let person = site.person();
    let path = "/callback?error=access_denied&error_description=guess&state=x";
    let page = get(&person, path, None).await;
    assert_eq!(page.status(), 400);
    assert_eq!(told(&page, "content-encoding"), "");
}
