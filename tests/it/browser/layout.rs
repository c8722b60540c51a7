//! Layout at every screen width: overflow, layout shift, target sizes, console messages and requests.

use portico_tests::{
    browser::{Browser, RIGHT, TAB},
    free_port::free_port,
    relay::Relay,
    site::{Site, SiteOptions},
};
use url::Url;

use super::{LOGGED_IN, PUBLIC, log_in, pages, visitor};

/// The widths of a small phone, a tablet, a laptop and a large screen, in CSS pixels.
const WIDTHS: [u32; 4] = [320, 768, 1280, 1920];

/// Cumulative Layout Shift of a page on which nothing moves, with room for rounding.
const MAXIMUM_SHIFT: f64 = 0.001;

/// Console messages, except those that Chromium logs for every status from 400 on.
async fn console_errors(browser: &Browser) -> Vec<String> {
    let console = browser.console().await.into_iter();
    console.filter(|line| !line.contains("the server responded with a status of 4")).collect()
}

/// At every width: no horizontal overflow, no layout shift, no console message, no request to other
/// hosts, and touch targets that are large enough (WCAG 2.2, 2.5.8).
async fn assert_pages_fit(email: Option<&str>) {
    let (site, browser) = visitor(email).await;
    let provider = Url::parse(site.servers.issuer()).unwrap();
    let pages = pages(&site, &browser, email.is_some()).await;
    browser.requests().await;
    browser.console().await;
    for (width, dark) in WIDTHS.into_iter().zip([false, true].into_iter().cycle()) {
        browser.look(width, dark).await;
        for page in &pages {
            browser.goto(page).await;
            let overflows =
                "const e = document.documentElement; return e.scrollWidth > e.clientWidth";
            assert_eq!(browser.script(overflows).await, false, "{page} overflows at {width}");
            let small = browser.script(SMALL_TARGETS).await;
            assert_eq!(small, serde_json::json!([]), "{page} at {width}");
            let shift = browser.layout_shift().await;
            assert!(shift < MAXIMUM_SHIFT, "{page} at {width} shifts by {shift}");
            assert_eq!(console_errors(&browser).await, Vec::<String>::new(), "{page} at {width}");
        }
    }
    // Before the log-in the provider's own pages are visited, afterwards only its picture is loaded.
    for url in browser.requests().await {
        let picture = url.origin() == provider.origin() && url.path().starts_with("/picture/");
        let own = url.origin() == site.url.origin();
        let provider_page = email.is_none() && url.origin() == provider.origin();
        assert!(
            own || provider_page || picture || ["data", "chrome"].contains(&url.scheme()),
            "{url}"
        );
    }
}

/// Adds `MORE` tabs, opens the menu if there is one at this width, and returns whether "Log Out" is
/// within the screen.
const LOG_OUT_WITH_MORE_TABS: &str = "\
    for (const list of document.querySelectorAll('header .tabs')) \
        for (let i = 0; i < MORE; i++) list.append(list.lastElementChild.cloneNode(true)); \
    const menu = document.querySelector('header details'); menu.open = menu.checkVisibility(); \
    const shown = [...document.querySelectorAll('header button')].filter(e => e.checkVisibility()); \
    const r = shown[0]?.getBoundingClientRect(); \
    return shown.length === 1 && r.left >= 0 && r.right <= innerWidth && r.width > 0";

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn more_tabs_do_not_push_log_out_off_the_screen() {
    let (site, browser) = visitor(Some("user@example.com")).await;
    for width in [320, 768, 992, 1024, 1280] {
        browser.look(width, false).await;
        for more in [1, 6] {
            browser.goto(site.url.join("/public").unwrap()).await;
            let script = LOG_OUT_WITH_MORE_TABS.replace("MORE", &more.to_string());
            assert_eq!(browser.script(&script).await, true, "{more} more tabs at {width}");
        }
    }
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn code_wider_than_the_screen_scrolls_by_keyboard_and_shows_so() {
    let (site, browser) = visitor(Some("user@example.com")).await;
    browser.look(390, false).await;
    browser.goto(site.url.join("/profile").unwrap()).await;
    let code = "const e = document.querySelector('pre');";
    let wider = format!("{code} return e.scrollWidth > e.clientWidth");
    assert_eq!(browser.script(&wider).await, true);
    let shadows = format!("{code} return getComputedStyle(e).backgroundAttachment");
    assert_eq!(browser.script(&shadows).await, "local, local, scroll, scroll");
    browser.tab_to("Copy").await;
    browser.press(TAB).await;
    assert_eq!(browser.script("return document.activeElement.tagName").await, "PRE");
    browser.press(RIGHT).await;
    browser.wait_for_script(&format!("{code} return e.scrollLeft > 0")).await;
}

/// Controls smaller than 24 CSS pixels, except links within a sentence.
const SMALL_TARGETS: &str = "return [...document.querySelectorAll('a, button, input, summary')]\
    .filter(e => e.type !== 'hidden' && e.checkVisibility() && !e.closest('p') && !e.closest('.skip'))\
    .filter(e => { const r = e.getBoundingClientRect(); return r.width < 24 || r.height < 24; })\
    .map(e => e.outerHTML)";

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn public_pages_fit_every_screen_width() {
    assert_pages_fit(None).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn pages_of_logged_in_user_fit_every_screen_width() {
    assert_pages_fit(Some("user@example.com")).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn nothing_moves_while_page_arrives_in_pieces() {
    let port = free_port();
    let relay = Relay::slow_to(port).await;
    let (port, public_port) = (Some(port), Some(relay.port()));
    let site = Site::start_with(SiteOptions { port, public_port, ..SiteOptions::default() }).await;
    let browser = Browser::start().await;
    let mut moved = Vec::new();
    for paths in [&PUBLIC[..], &LOGGED_IN[..]] {
        for width in WIDTHS {
            browser.look(width, false).await;
            for path in paths {
                browser.goto(site.url.join(path).unwrap()).await;
                // A word that arrives in two pieces may move to the next line: only elements count.
                for element in browser.moved_elements().await {
                    moved.push(format!("{path} at {width}: {element}"));
                }
            }
        }
        if paths == PUBLIC {
            browser.goto(site.url.join("/login").unwrap()).await;
            log_in(&browser, "user@example.com").await;
            browser.wait_for_text("Decoded ID token").await;
        }
    }
    assert!(moved.is_empty(), "{}", moved.join("\n"));
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn shows_initials_when_picture_fails_to_load() {
    let (site, browser) = visitor(None).await;
    let pictures = "document.querySelectorAll('.avatar img').length";
    let initials = "document.querySelector('.avatar span').textContent";
    browser.block("*/picture/*").await;
    browser.goto(site.url.join("/profile").unwrap()).await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.wait_for_script(&format!("return {pictures} === 0")).await;
    assert_eq!(browser.script(&format!("return {initials}")).await, "UU");
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn chosen_theme_overrides_system_before_first_paint() {
    let (site, browser) = visitor(None).await;
    browser.look(1280, false).await;
    browser.goto(&site.url).await;
    let background = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.script(background).await;
    browser.click_text("Dark").await;
    let dark = browser.script(background).await;
    assert_ne!(light, dark);
    browser.goto(site.url.join("/docs").unwrap()).await;
    assert_eq!(browser.script(background).await, dark);
    // The server renders the theme, because a script might run after the first paint.
    let visitor = site.browser();
    visitor.set_cookie("portico_theme=dark");
    assert!(visitor.get("/").await.body.contains("<html lang=\"en\" data-theme=\"dark\">"));
    browser.click_text("Auto").await;
    assert_eq!(browser.script(background).await, light);
    browser.look(1280, true).await;
    assert_eq!(browser.script(background).await, dark);
}
