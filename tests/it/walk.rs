//! The site in a real browser, as people use it.

use portico_tests::{
    browser::{Browser, ENTER, ESCAPE},
    site::{Site, SiteOptions},
    stub_server::{Response, StubServer},
};

/// What a browser tells when it blocks or misses something.
async fn assert_quiet(browser: &Browser) {
    let console = browser.console().await;
    assert!(console.is_empty(), "{console:?}");
}

async fn goto(browser: &Browser, site: &Site, path: &str) {
    browser.goto(site.url.join(path).unwrap().as_str()).await;
}

async fn log_in(browser: &Browser, email: &str) {
    browser.wait_for_text("Password").await;
    browser.fill_label("Email", email).await;
    browser.fill_label("Password", "portico").await;
    browser.click_text("Log In").await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn a_person_signs_up_reads_signs_out_and_signs_in_again() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/").await;
    browser.click_text("Sign Up").await;
    browser.wait_for_text("Password").await;
    browser.fill_label("Email", "ann@example.com").await;
    browser.fill_label("Password", "correct horse").await;
    browser.click_text("Sign Up").await;
    browser.wait_for_text("ann@example.com").await;
    assert_eq!(browser.url().await.path(), "/profile");
    browser.click_text("Protected").await;
    browser.wait_for_text("This is a protected message.").await;
    assert_quiet(&browser).await;
    browser.click_text("Admin").await;
    browser.wait_for_text("Permission denied").await;
    // The browser tells of every status above 400.
    let console = browser.console().await;
    assert!(console.iter().all(|line| line.contains("403 (Forbidden)")), "{console:?}");

    browser.click_text("Log Out").await;
    browser.wait_for_text("Log In").await;
    assert_eq!(browser.url().await.path(), "/");
    // Back shows nothing of the person.
    browser.client().back().await.unwrap();
    browser.wait_for_text("Password").await;
    assert_ne!(browser.url().await.path(), "/admin");

    goto(&browser, &site, "/admin").await;
    log_in(&browser, "admin@example.com").await;
    browser.wait_for_text("This is an admin message.").await;
    assert_eq!(browser.url().await.path(), "/admin");
    assert_quiet(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn the_keyboard_is_enough() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/public").await;
    browser.tab_to("Skip to content").await;
    browser.press(ENTER).await;
    assert_eq!(browser.script("return document.activeElement.id").await, "main");
    browser.tab_to("Log In").await;
    browser.press(ENTER).await;
    browser.wait_for_text("Password").await;
    // The first field has the focus.
    browser.press("user@example.com").await;
    browser.tab_to("Password").await;
    browser.press("portico").await;
    browser.press(ENTER).await;
    browser.wait_for_text("Decoded ID token").await;
    browser.tab_to("Protected").await;
    browser.press(ENTER).await;
    browser.wait_for_text("This is a protected message.").await;
    browser.tab_to("Dark").await;
    browser.press(ENTER).await;
    assert_eq!(browser.script("return document.documentElement.dataset.theme").await, "dark");
    browser.tab_to("Log Out").await;
    browser.press(ENTER).await;
    browser.wait_for_text("Sign Up").await;
    assert_eq!(browser.url().await.path(), "/");
    assert_eq!(browser.script("return document.documentElement.dataset.theme").await, "dark");
    assert_quiet(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn test_account_logs_in_by_keyboard_without_script() {
    let site = Site::start().await;
    let browser = Browser::without_scripts().await;
    browser.look(320, false).await;
    goto(&browser, &site, "/login?next=%2Fadmin").await;
    browser.wait_for_text("Password").await;
    browser.tab_to("Continue as admin@example.com").await;
    browser.press(ENTER).await;
    browser.wait_for_text("This is an admin message.").await;
    assert_eq!(browser.url().await.path(), "/admin");
    assert_quiet(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn nothing_needs_a_script() {
    let site = Site::start().await;
    let browser = Browser::without_scripts().await;
    browser.look(320, false).await;
    goto(&browser, &site, "/").await;
    browser.click_text("Menu").await;
    browser.click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    // Dates as the server wrote them: there was no script to change them.
    browser.wait_for_text(" UTC").await;
    browser.wait_for_text("\"email_verified\": true").await;
    browser.click_text("Dark").await;
    browser.wait_for_text("Decoded ID token").await;
    assert_eq!(browser.url().await.path(), "/profile");
    assert_eq!(browser.script("return document.documentElement.dataset.theme").await, "dark");
    browser.click_text("Menu").await;
    browser.click_text("Log Out").await;
    browser.wait_for_text("Sign Up").await;
    assert_eq!(browser.url().await.path(), "/");
    assert_quiet(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn the_menu_of_a_narrow_screen_has_all_that_the_bar_of_a_wide_one_has() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/profile").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    let shown = "return [...document.querySelectorAll('header nav')].filter(n => n.checkVisibility())\
        .map(n => [...n.querySelectorAll('a, button')].map(e => e.textContent).join())";
    let wide = browser.script(shown).await;
    browser.look(320, false).await;
    browser.click_text("Menu").await;
    assert_eq!(browser.script(shown).await, wide);
    assert_eq!(wide[0], "Profile,Public,Protected,Admin,Log Out");
    browser.press(ESCAPE).await;
    assert_eq!(browser.script(shown).await, serde_json::json!([]));
    assert_eq!(browser.script("return document.activeElement.tagName").await, "SUMMARY");
    browser.press(ENTER).await;
    browser.click_text("Admin").await;
    browser.wait_for_text("read:admin-messages").await;
    browser.wait_for_text("an administrator of this site").await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn two_tabs_log_in_at_once_and_both_arrive() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/protected").await;
    browser.wait_for_text("Password").await;
    let first = browser.client().window().await.unwrap();
    let second = browser.client().new_window(true).await.unwrap().handle;
    browser.client().switch_to_window(second).await.unwrap();
    goto(&browser, &site, "/public").await;
    browser.click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.client().switch_to_window(first).await.unwrap();
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("This is a protected message.").await;
    assert_quiet(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn a_double_click_on_log_in_is_one_login() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/").await;
    browser.double_click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    assert_quiet(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn a_bookmarked_callback_leads_home_who_is_signed_in_and_tells_others_what_to_do() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    let bookmark = "/callback?code=old&state=old";
    goto(&browser, &site, bookmark).await;
    browser.wait_for_text("This login cannot be completed").await;
    browser.click_text("Log in again").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    goto(&browser, &site, bookmark).await;
    browser.wait_for_text("Decoded ID token").await;
    assert_eq!(browser.url().await.path(), "/profile");
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn a_session_that_ends_while_a_page_is_open_leads_to_login_and_back() {
    let settings = vec![("SESSION_ROLLING_SECONDS", "4".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/profile").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.wait_until_no_cookie("portico_session").await;
    browser.click_text("Protected").await;
    // The provider still knows the person, or asks again: either way leads back.
    let seen = browser.wait_for_either("Password", "This is a protected message.").await;
    if seen == "Password" {
        log_in(&browser, "user@example.com").await;
        browser.wait_for_text("This is a protected message.").await;
    }
    assert_eq!(browser.url().await.path(), "/protected");
    assert_quiet(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn a_link_of_another_site_does_not_log_out_before_it_is_confirmed() {
    let site = Site::start().await;
    let link = format!("<a href='{}'>Win</a>", site.url.join("/logout").unwrap());
    let other = StubServer::start(move |_| Response::html(200, link.clone())).await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/profile").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.goto(other.url()).await;
    browser.click_text("Win").await;
    browser.wait_for_text("Do you want to log out?").await;
    browser.click_text("Stay signed in").await;
    browser.click_text("Profile").await;
    browser.wait_for_text("Decoded ID token").await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn a_page_from_before_the_login_knows_the_person_when_back_brings_it() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/public").await;
    browser.click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    while browser.url().await.path() != "/public" {
        browser.client().back().await.unwrap();
    }
    browser.wait_for_text("Log Out").await;
    assert_eq!(browser.url().await.path(), "/public");
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn the_claims_can_be_copied() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/profile").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.click_text("Copy").await;
    browser.wait_for_text("Copied").await;
    assert_quiet(&browser).await;
}
