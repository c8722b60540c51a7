//! Accessibility of every page according to axe-core, at both ends of the widths and in both themes.

use portico_tests::stub_server::{Response, StubServer};

use super::{pages, visitor};

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
async fn public_pages_are_accessible() {
    assert_accessible(None).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(browser, axe)),
    ignore = "missing: apt-get install chromium chromium-driver, npm ci --prefix tests/axe"
)]
async fn pages_of_logged_in_user_are_accessible() {
    assert_accessible(Some("user@example.com")).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(browser, axe)),
    ignore = "missing: apt-get install chromium chromium-driver, npm ci --prefix tests/axe"
)]
async fn menu_and_confirmation_are_accessible() {
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
async fn wrong_password_is_announced() {
    let (site, browser) = visitor(None).await;
    browser.goto(site.url.join("/login").unwrap()).await;
    browser.fill_label("Email", "user@example.com").await;
    browser.fill_label("Password", "mistyped").await;
    browser.click_text("Log In").await;
    browser.wait_for_script("return document.querySelector('[role=alert]') !== null").await;
    assert_eq!(browser.violations().await, Vec::<String>::new());
}
