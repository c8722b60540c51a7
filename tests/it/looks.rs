//! Each page in a real browser, in every look: what is wrong for eyes, ears and fingers, what the
//! console says, whither requests go, and whether the page holds still.

use portico_tests::{
    browser::Browser,
    site::Site,
    stub_server::{Response, StubServer},
};
use url::Url;

/// The widths of a small phone, a tablet, a laptop and a large screen, in CSS pixels.
const WIDTHS: [u32; 4] = [320, 768, 1280, 1920];

const SIGNED_OUT: [&str; 5] =
    ["/", "/docs", "/public", "/nowhere", "/callback?error=access_denied&state=x"];
const SIGNED_IN: [&str; 5] = ["/", "/profile", "/public", "/protected", "/admin"];

/// A browser that signed in, and the site; `None`: it did not sign in.
async fn visitor(email: Option<&str>) -> (Site, Browser) {
    let (site, browser) = (Site::start().await, Browser::start().await);
    if let Some(email) = email {
        browser.goto(site.url.join("/login").unwrap()).await;
        browser.wait_for_text("Password").await;
        browser.fill_label("Email", email).await;
        browser.fill_label("Password", "portico").await;
        browser.click_text("Log In").await;
        browser.wait_for_text("Decoded ID token").await;
    }
    (site, browser)
}

/// What the visitors see: the addresses of all pages that they come to, those that the profile
/// leads to among them.
async fn pages(site: &Site, browser: &Browser, signed_in: bool) -> Vec<Url> {
    let here = |path: &str| site.url.join(path).unwrap();
    if signed_in {
        browser.goto(here("/profile")).await;
        let found = browser.script(LINKS).await;
        let found = found.as_array().unwrap().iter().map(|path| here(path.as_str().unwrap()));
        let known: Vec<Url> = SIGNED_IN.map(here).into();
        let new: Vec<Url> = found.filter(|url| !known.contains(url)).collect();
        return [known, new].concat();
    }
    let provider = Url::parse(site.servers.issuer()).unwrap();
    let theirs = ["/", "/misbehave", "/nowhere"].map(|path| provider.join(path).unwrap());
    [SIGNED_OUT.map(here).to_vec(), theirs.to_vec(), ["/login", "/signup"].map(here).to_vec()]
        .concat()
}

/// The pages of the site that a page leads to.
const LINKS: &str = "return [...new Set([...document.querySelectorAll(\"main a[href^='/']\")]\
    .map(a => a.pathname))]";

/// Chromium tells of every status of 400 and above; nothing else may be told.
async fn complaints(browser: &Browser) -> Vec<String> {
    let console = browser.console().await.into_iter();
    console.filter(|line| !line.contains("the server responded with a status of 4")).collect()
}

async fn assert_accessible(email: Option<&str>) {
    let (site, browser) = visitor(email).await;
    let mut wrong = Vec::new();
    for page in pages(&site, &browser, email.is_some()).await {
        browser.goto(&page).await;
        for (width, dark) in [(320, false), (1280, true), (320, true), (1280, false)] {
            browser.look(width, dark).await;
            let found = browser.violations().await;
            wrong.extend(found.into_iter().map(|line| format!("{page} {width} {dark}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
#[cfg_attr(
    not(all(browser, axe)),
    ignore = "missing: apt-get install chromium chromium-driver, npm ci --prefix tests/axe"
)]
async fn a_stranger_finds_every_page_accessible() {
    assert_accessible(None).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(browser, axe)),
    ignore = "missing: apt-get install chromium chromium-driver, npm ci --prefix tests/axe"
)]
async fn a_person_finds_every_page_accessible() {
    assert_accessible(Some("user@example.com")).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(browser, axe)),
    ignore = "missing: apt-get install chromium chromium-driver, npm ci --prefix tests/axe"
)]
async fn open_menus_and_questions_are_accessible_too() {
    let (site, browser) = visitor(Some("admin@example.com")).await;
    let link = format!("<a href='{}'>Win</a>", site.url.join("/logout").unwrap());
    let other = StubServer::start(move |_| Response::html(200, link.clone())).await;
    for dark in [false, true] {
        browser.look(320, dark).await;
        browser.goto(site.url.join("/admin").unwrap()).await;
        browser.click_text("Menu").await;
        assert_eq!(browser.violations().await, Vec::<String>::new(), "menu");
        browser.goto(other.url()).await;
        browser.click_text("Win").await;
        browser.wait_for_text("Do you want to log out?").await;
        assert_eq!(browser.violations().await, Vec::<String>::new(), "question");
    }
}

#[tokio::test]
#[cfg_attr(
    not(all(browser, axe)),
    ignore = "missing: apt-get install chromium chromium-driver, npm ci --prefix tests/axe"
)]
async fn a_mistyped_password_is_announced() {
    let (site, browser) = visitor(None).await;
    browser.goto(site.url.join("/login").unwrap()).await;
    browser.fill_label("Email", "user@example.com").await;
    browser.fill_label("Password", "mistyped").await;
    browser.click_text("Log In").await;
    browser.wait_for_script("return document.querySelector('[role=alert]') !== null").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
}

/// On every screen: nothing sticks out, nothing moves, nothing complains, nothing is fetched from
/// elsewhere, and fingers find what they want (WCAG 2.2, 2.5.8).
async fn assert_sound(email: Option<&str>) {
    let (site, browser) = visitor(email).await;
    let provider = Url::parse(site.servers.issuer()).unwrap();
    let pages = pages(&site, &browser, email.is_some()).await;
    browser.requests().await;
    browser.console().await;
    for (width, dark) in WIDTHS.into_iter().zip([false, true].into_iter().cycle()) {
        browser.look(width, dark).await;
        for page in &pages {
            browser.goto(page).await;
            let out = "const e = document.documentElement; return e.scrollWidth > e.clientWidth";
            assert_eq!(browser.script(out).await, false, "{page} sticks out at {width}");
            let small = browser.script(SMALL_TARGETS).await;
            assert_eq!(small, serde_json::json!([]), "{page} at {width}");
            let shift = browser.layout_shift().await;
            assert!(shift < 0.001, "{page} at {width} moves by {shift}");
            assert_eq!(complaints(&browser).await, Vec::<String>::new(), "{page} at {width}");
        }
    }
    // The provider's own pages are the stranger's way, its picture is the person's.
    for url in browser.requests().await {
        let picture = url.origin() == provider.origin() && url.path().starts_with("/picture/");
        let own = url.origin() == site.url.origin();
        let way = email.is_none() && url.origin() == provider.origin();
        assert!(own || way || picture || ["data", "chrome"].contains(&url.scheme()), "{url}");
    }
}

/// What can be pressed and is smaller than 24 pixels; links within a sentence may be.
const SMALL_TARGETS: &str = "return [...document.querySelectorAll('a, button, input, summary')]\
    .filter(e => e.type !== 'hidden' && e.checkVisibility() && !e.closest('p') && !e.closest('.skip'))\
    .filter(e => { const r = e.getBoundingClientRect(); return r.width < 24 || r.height < 24; })\
    .map(e => e.outerHTML)";

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn pages_are_sound_on_every_screen_for_strangers() {
    assert_sound(None).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn pages_are_sound_on_every_screen_for_people() {
    assert_sound(Some("user@example.com")).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn a_picture_that_does_not_load_leaves_the_initials() {
    let (site, browser) = visitor(None).await;
    let picture = "document.querySelectorAll('.avatar img').length";
    let initials = "document.querySelector('.avatar span').textContent";
    browser.block("*/picture/*").await;
    browser.goto(site.url.join("/profile").unwrap()).await;
    browser.wait_for_text("Password").await;
    browser.fill_label("Email", "user@example.com").await;
    browser.fill_label("Password", "portico").await;
    browser.click_text("Log In").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.wait_for_script(&format!("return {picture} === 0")).await;
    assert_eq!(browser.script(&format!("return {initials}")).await, "UU");
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn the_chosen_colours_are_there_before_the_first_paint_whatever_the_system_says() {
    let (site, browser) = visitor(None).await;
    browser.look(1280, false).await;
    browser.goto(&site.url).await;
    let ground = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.script(ground).await;
    browser.click_text("Dark").await;
    let dark = browser.script(ground).await;
    assert_ne!(light, dark);
    browser.goto(site.url.join("/docs").unwrap()).await;
    assert_eq!(browser.script(ground).await, dark);
    // The server wrote it: it does not take a script, which could come after the first paint.
    let person = site.person();
    person.set_cookie("portico_theme=dark");
    assert!(person.get("/").await.body.contains("<html lang=\"en\" data-theme=\"dark\">"));
    browser.click_text("Auto").await;
    assert_eq!(browser.script(ground).await, light);
    browser.look(1280, true).await;
    assert_eq!(browser.script(ground).await, dark);
}
