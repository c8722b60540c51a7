//! The guide from end to end in Chromium.

use portico_tests::{
    browser::{Browser, ENTER, ESCAPE},
    site::{Site, SiteOptions},
    stub_server::{Response, StubServer},
};

use super::log_in;

/// Chromium logs what it blocks or fails to load.
async fn assert_empty_console(browser: &Browser) {
    let console = browser.console().await;
    assert!(console.is_empty(), "{console:?}");
}

async fn goto(browser: &Browser, site: &Site, path: &str) {
    browser.goto(site.url.join(path).unwrap().as_str()).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn sign_up_logout_and_login_work() {
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
    assert_empty_console(&browser).await;
    browser.click_text("Admin").await;
    browser.wait_for_text("Permission denied").await;
    // Chromium logs every status from 400 on.
    let console = browser.console().await;
    assert!(console.iter().all(|line| line.contains("403 (Forbidden)")), "{console:?}");

    browser.click_text("Log Out").await;
    browser.wait_for_text("Log In").await;
    assert_eq!(browser.url().await.path(), "/");
    // The back button shows no page of the earlier session.
    browser.back().await;
    browser.wait_for_text("Password").await;
    assert_ne!(browser.url().await.path(), "/admin");

    goto(&browser, &site, "/admin").await;
    log_in(&browser, "admin@example.com").await;
    browser.wait_for_text("This is an admin message.").await;
    assert_eq!(browser.url().await.path(), "/admin");
    assert_empty_console(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn guide_works_by_keyboard_alone() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/public").await;
    browser.tab_to("Skip to content").await;
    browser.press(ENTER).await;
    browser.wait_for_script("return document.activeElement.id === 'main'").await;
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
    browser.wait_for_script("return document.documentElement.dataset.theme === 'dark'").await;
    browser.tab_to("Log Out").await;
    browser.press(ENTER).await;
    browser.wait_for_text("Sign Up").await;
    assert_eq!(browser.url().await.path(), "/");
    browser.wait_for_script("return document.documentElement.dataset.theme === 'dark'").await;
    assert_empty_console(&browser).await;
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
    assert_empty_console(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn guide_works_without_script() {
    let site = Site::start().await;
    let browser = Browser::without_scripts().await;
    browser.look(320, false).await;
    goto(&browser, &site, "/").await;
    browser.click_text("Menu").await;
    browser.click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    // Without a script, dates stay as the server formatted them.
    browser.wait_for_text(" UTC").await;
    browser.wait_for_text("\"email_verified\": true").await;
    browser.click_text("Dark").await;
    browser.wait_for_script("return document.documentElement.dataset.theme === 'dark'").await;
    browser.wait_for_text("Decoded ID token").await;
    assert_eq!(browser.url().await.path(), "/profile");
    browser.click_text("Menu").await;
    browser.click_text("Log Out").await;
    browser.wait_for_text("Sign Up").await;
    assert_eq!(browser.url().await.path(), "/");
    assert_empty_console(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn menu_has_same_links_as_navigation_bar() {
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
    let links = "Profile,Public,Protected,Admin,Logged in as Uma User,Sessions,Log Out";
    assert_eq!(wide[0], links);
    browser.press(ESCAPE).await;
    assert_eq!(browser.script(shown).await, serde_json::json!([]));
    assert_eq!(browser.script("return document.activeElement.tagName").await, "SUMMARY");
    browser.press(ENTER).await;
    browser.click_text("Sessions").await;
    browser.wait_for_text("This device").await;
    browser.click_text("Menu").await;
    browser.click_text("Logged in as Uma User").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.click_text("Menu").await;
    browser.click_text("Admin").await;
    browser.wait_for_text("read:admin-messages").await;
    browser.wait_for_text("an administrator of this site").await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn two_tabs_log_in_and_return_to_their_pages() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/protected").await;
    browser.wait_for_text("Password").await;
    let first = browser.tab().await;
    browser.open_tab().await;
    goto(&browser, &site, "/public").await;
    browser.click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.switch_to(&first).await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("This is a protected message.").await;
    assert_empty_console(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn double_click_on_log_in_completes_login() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/").await;
    browser.double_click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    assert_empty_console(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn bookmarked_callback_shows_profile_or_error_page() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    let bookmark = "/callback?code=old&state=old";
    goto(&browser, &site, bookmark).await;
    browser.wait_for_text("This log-in cannot be completed").await;
    browser.click_text("Log in again").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    goto(&browser, &site, bookmark).await;
    browser.wait_for_text("Decoded ID token").await;
    assert_eq!(browser.url().await.path(), "/profile");
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn expired_session_leads_to_login_and_back() {
    let settings = vec![("SESSION_ROLLING_SECONDS", "4".to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/profile").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.wait_until_no_cookie("portico_session").await;
    browser.click_text("Protected").await;
    // The provider redirects back if its session still exists, and asks for the password if not.
    let shown = browser.wait_for_either("Password", "This is a protected message.").await;
    if shown == "Password" {
        log_in(&browser, "user@example.com").await;
        browser.wait_for_text("This is a protected message.").await;
    }
    assert_eq!(browser.url().await.path(), "/protected");
    assert_empty_console(&browser).await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn logout_link_of_another_site_asks_for_confirmation() {
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
    browser.click_text("Stay logged in").await;
    browser.click_text("Profile").await;
    browser.wait_for_text("Decoded ID token").await;
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn back_button_shows_page_as_logged_in() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/public").await;
    browser.click_text("Log In").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    while browser.url().await.path() != "/public" {
        browser.back().await;
    }
    browser.wait_for_text("Log Out").await;
    assert_eq!(browser.url().await.path(), "/public");
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn claims_can_be_copied() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    goto(&browser, &site, "/profile").await;
    log_in(&browser, "user@example.com").await;
    browser.wait_for_text("Decoded ID token").await;
    browser.click_text("Copy").await;
    browser.wait_for_text("Copied").await;
    assert_empty_console(&browser).await;
}
