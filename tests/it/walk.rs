//! The guide in a real browser.

use portico_tests::{browser::Browser, site::Site};

/// What a browser tells when it blocks or misses something.
async fn assert_quiet(browser: &Browser) {
    let console = browser.console().await;
    assert!(console.is_empty(), "{console:?}");
}

async fn goto(browser: &Browser, site: &Site, path: &str) {
    browser.goto(site.url.join(path).unwrap().as_str()).await;
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
    browser.wait_for_text("Password").await;
    browser.fill_label("Email", "admin@example.com").await;
    browser.fill_label("Password", "portico").await;
    browser.click_text("Log In").await;
    browser.wait_for_text("This is an admin message.").await;
    assert_eq!(browser.url().await.path(), "/admin");
    assert_quiet(&browser).await;
}
