//! The browser harness itself.

use portico_tests::{
    browser::Browser,
    stub_server::{Request, Response, StubServer},
};

const START: &str = "<title>Start</title><h1>Start</h1>
    <a href='/nowhere' hidden>Log In</a><a href='/log-in'> Log <b>In</b></a>";
const LOG_IN: &str = "<form method=post action='/welcome'>
    <label for=e>Email</label><input id=e name=email value=old>
    <label>Password <input name=password type=password></label>
    <button>Continue</button></form>
    <script>console.error('a console message')</script>";

fn answer(request: &Request) -> Response {
    match request.path.as_str() {
        "/" => Response::html(200, START),
        "/log-in" => Response::html(200, LOG_IN),
        "/welcome" => Response::html(200, format!("<h1>Welcome</h1><p>{}</p>", request.body)),
        _ => Response::html(404, ""),
    }
}

#[tokio::test]
#[cfg_attr(not(browser), ignore = "Chromium is missing: apt-get install chromium chromium-driver")]
async fn browser_follows_links_fills_in_forms_and_reads_console() {
    let server = StubServer::start(answer).await;
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::start().await;
    browser.goto(server.url()).await;
    browser.click_text("Log In").await;
    browser.fill_label("Email", "ann@example.com").await;
    browser.fill_label("Password", "secret").await;
    let console = browser.console().await;
    assert!(console.iter().any(|line| line.contains("a console message")), "{console:?}");
    let again = browser.console().await;
    assert!(!again.iter().any(|line| line.contains("a console")), "reported once: {again:?}");
    browser.click_text("Continue").await;
    browser.wait_for_text("email=ann%40example.com&password=secret").await;
    assert_eq!(browser.url().await.path(), "/welcome");
    assert!(browser.text().await.starts_with("Welcome"));

    let picture = folder.path().join("welcome.png");
    browser.screenshot(&picture).await;
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
}
