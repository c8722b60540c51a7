//! Size, compression and caching of pages and static files.

use std::io::Read;

use portico_tests::{
    http_browser::HttpBrowser,
    site::{Site, log_in},
};
use reqwest::{Method, Response, header};

/// Maximum size of a page, compressed.
const MAX_PAGE_BYTES: usize = 8 * 1024;
/// Maximum size of style sheet and script together, compressed.
const MAX_ASSET_BYTES: usize = 20 * 1024;

async fn get(browser: &HttpBrowser, path: &str, tag: Option<&str>) -> Response {
    let mut request = browser.request(Method::GET, path).header(header::ACCEPT_ENCODING, "gzip");
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    request.send().await.unwrap()
}

fn header_value<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// The URLs that follow `before` in the page.
fn addresses(html: &str, before: &str) -> Vec<String> {
    let pieces = html.split(before).skip(1);
    pieces.map(|rest| rest.split('"').next().unwrap().replace("&#x2f;", "/")).collect()
}

async fn decompressed(response: Response) -> String {
    assert_eq!(header_value(&response, "content-encoding"), "gzip");
    let bytes = response.bytes().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    text
}

async fn size(browser: &HttpBrowser, path: &str) -> usize {
    get(browser, path, None).await.bytes().await.unwrap().len()
}

#[tokio::test]
async fn every_page_is_under_8_kilobytes() {
    let site = Site::start().await;
    let browser = site.browser();
    let mut pages = Vec::new();
    for path in [
        "/",
        "/docs",
        "/docs/developers",
        "/public",
        "/nowhere",
        "/callback?error=access_denied&state=x",
    ] {
        pages.push((path, size(&browser, path).await));
    }
    log_in(&browser, "/login", "user@example.com").await;
    for path in ["/", "/docs", "/profile", "/public", "/protected", "/admin"] {
        pages.push((path, size(&browser, path).await));
    }
    for (path, size) in pages {
        assert!((500..MAX_PAGE_BYTES).contains(&size), "{path}: {size} bytes");
    }
}

#[tokio::test]
async fn assets_are_under_20_kilobytes_and_immutable() {
    let site = Site::start().await;
    let browser = site.browser();
    let html = decompressed(get(&browser, "/", None).await).await;
    let styles = addresses(&html, "<link rel=\"stylesheet\" href=\"");
    let scripts = addresses(&html, "<script src=\"");
    assert_eq!((styles.len(), scripts.len()), (1, 1), "{html}");
    let mut sum = 0;
    for path in styles.iter().chain(&scripts) {
        let response = get(&browser, path, None).await;
        assert_eq!(header_value(&response, "content-encoding"), "gzip");
        assert_eq!(header_value(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert!(header_value(&response, "vary").contains("Accept-Encoding"));
        sum += response.bytes().await.unwrap().len();
    }
    assert!(sum < MAX_ASSET_BYTES, "{sum} bytes");
}

#[tokio::test]
async fn unchanged_public_page_is_not_sent_again() {
    let site = Site::start().await;
    let browser = site.browser();
    for path in ["/", "/docs", "/public"] {
        let first = get(&browser, path, None).await;
        let tag = header_value(&first, "etag").to_owned();
        assert!(tag.starts_with("W/\""), "{path}: {tag:?}");
        let again = get(&browser, path, Some(&tag)).await;
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(header_value(&again, "etag"), tag);
        assert!(header_value(&again, "vary").contains("Cookie"));
        assert!(again.bytes().await.unwrap().is_empty());
        let other = get(&browser, path, Some("W/\"other\"")).await;
        assert_eq!(other.status(), 200, "{path}");
    }
    // Pages of a logged-in user are not cached.
    log_in(&browser, "/login", "user@example.com").await;
    for path in ["/", "/profile"] {
        let page = get(&browser, path, Some("*")).await;
        assert_eq!((page.status().as_u16(), header_value(&page, "etag")), (200, ""), "{path}");
        assert_eq!(header_value(&page, "cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn chosen_theme_applies_and_redirects_back() {
    let site = Site::start().await;
    let browser = site.browser();
    let choose = async |theme: &str, from: &str| {
        let request = browser.request(Method::POST, "/theme");
        let request = request.header(header::REFERER, from).form(&[("theme", theme)]);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), header_value(&answer, "location").to_owned())
    };
    let theme_attribute = async || {
        let page = browser.get("/").await.body;
        let (_, start) = page.split_once("<html lang=\"en\"").unwrap();
        start.split('>').next().unwrap().trim().to_owned()
    };
    assert_eq!(theme_attribute().await, "");
    let page = site.url.join("/public?a=b").unwrap();
    assert_eq!(choose("dark", page.as_str()).await, (303, "/public?a=b".into()));
    assert_eq!(theme_attribute().await, "data-theme=\"dark\"");
    // Only the path of the Referer is used, and never that of a log-in or log-out page.
    for from in ["https://elsewhere.example//evil.example", "https://elsewhere.example/logout"] {
        assert_eq!(choose("light", from).await, (303, "/".into()), "{from}");
    }
    assert_eq!(theme_attribute().await, "data-theme=\"light\"");
    assert_eq!(choose("auto", page.as_str()).await.0, 303);
    assert_eq!(theme_attribute().await, "");
    assert_eq!(choose("purple", page.as_str()).await.0, 422);
}

#[tokio::test]
async fn page_with_request_data_is_not_compressed() {
    let site = Site::start().await;
    let browser = site.browser();
    let path = "/callback?error=access_denied&error_description=guess&state=x";
    let page = get(&browser, path, None).await;
    assert_eq!(page.status(), 400);
    assert_eq!(header_value(&page, "content-encoding"), "");
}
