//! The pages in Chromium: the guide from end to end, layout, and accessibility.

mod accessibility;
mod guide;
mod harness;
mod layout;

use portico_tests::{browser::Browser, site::Site};
use url::Url;

/// Paths that a visitor without a session opens.
const PUBLIC: [&str; 6] = [
    "/",
    "/docs",
    "/docs/developers",
    "/public",
    "/nowhere",
    "/callback?error=access_denied&state=x",
];
/// Paths that a logged-in user opens.
const LOGGED_IN: [&str; 5] = ["/", "/profile", "/public", "/protected", "/admin"];

/// A site and a browser in it. With an email address, the browser is logged in.
async fn visitor(email: Option<&str>) -> (Site, Browser) {
    let (site, browser) = (Site::start().await, Browser::start().await);
    if let Some(email) = email {
        browser.goto(site.url.join("/login").unwrap()).await;
        log_in(&browser, email).await;
        browser.wait_for_text("Decoded ID token").await;
    }
    (site, browser)
}

/// Logs in at the development provider, whose form the browser is about to show.
async fn log_in(browser: &Browser, email: &str) {
    browser.wait_for_text("Password").await;
    browser.fill_label("Email", email).await;
    browser.fill_label("Password", "portico").await;
    browser.click_text("Log In").await;
}

/// The URLs of all pages for a visitor: with a session, also those that the profile links to;
/// without, also the pages of the development provider.
async fn pages(site: &Site, browser: &Browser, logged_in: bool) -> Vec<Url> {
    let on_site = |path: &str| site.url.join(path).unwrap();
    if logged_in {
        browser.goto(on_site("/profile")).await;
        let found = browser.script(LINKS).await;
        let found = found.as_array().unwrap().iter().map(|path| on_site(path.as_str().unwrap()));
        let listed: Vec<Url> = LOGGED_IN.map(on_site).into();
        let linked: Vec<Url> = found.filter(|url| !listed.contains(url)).collect();
        return [listed, linked].concat();
    }
    let provider = Url::parse(site.servers.issuer()).unwrap();
    let provider_pages = ["/", "/misbehave", "/nowhere"].map(|path| provider.join(path).unwrap());
    [
        PUBLIC.map(on_site).to_vec(),
        provider_pages.to_vec(),
        ["/login", "/signup"].map(on_site).to_vec(),
    ]
    .concat()
}

/// The paths on the site that a page links to.
const LINKS: &str = "return [...new Set([...document.querySelectorAll(\"main a[href^='/']\")]\
    .map(a => a.pathname))]";
