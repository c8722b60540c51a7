use super::*;
use crate::stub_server::{Request, Response, StubServer};

fn respond(request: &Request) -> Response {
    let header = |name| request.header(name).unwrap_or("-").to_owned();
    let echo = || {
        let names = ["accept", "sec-fetch-mode", "sec-fetch-site", "origin", "cookie"];
        let list: String = names.map(|name| format!("<li>{name}={}</li>", header(name))).concat();
        format!("<p>{} {}</p><ul>{list}</ul>", request.method, request.body)
    };
    match request.path.split('?').next().unwrap_or_default() {
        "/" => Response::html(
            200,
            "<title>Start</title><h1>Hello <b>you</b></h1><script>no()</script>
             <a href='/private'>Log <span>In</span></a>
             <form method=post action=/private><input name=a aria-label=A><button>Go</button>
             <button formaction=/again>Again</button></form>",
        ),
        "/private" => Response::redirect(303, "/login?next=1").with("Set-Cookie", "seen=1; Path=/"),
        "/again" => Response::redirect(307, "/echo"),
        "/login" => Response::redirect(302, "echo"),
        "/echo" => Response::html(200, echo()),
        "/loop" => Response::redirect(302, "/loop"),
        _ => Response::html(404, "<h1>Nothing here</h1>"),
    }
}

async fn start() -> (StubServer, HttpBrowser) {
    let server = StubServer::start(respond).await;
    let browser = HttpBrowser::new(server.url());
    (server, browser)
}

fn requests(page: &Page) -> Vec<(u16, &str)> {
    page.hops.iter().map(|hop| (hop.status.as_u16(), hop.url.path())).collect()
}

#[tokio::test]
async fn reads_visible_text_links_and_attributes() {
    let (server, browser) = start().await;
    let page = browser.get("/").await;
    assert_eq!((page.status.as_u16(), page.title()), (200, "Start".into()));
    assert_eq!(page.heading(), "Hello you");
    assert_eq!(page.text(), "Hello you Log In Go Again");
    assert_eq!(page.link("Log In"), server.url().join("/private").ok());
    assert_eq!(page.link("Log"), None);
    assert_eq!(page.attribute("form", "method").as_deref(), Some("post"));
    assert_eq!(browser.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn typed_address_has_no_initiator_and_follows_no_redirect() {
    let (_server, browser) = start().await;
    let page = browser.get("/private").await;
    assert_eq!((page.status.as_u16(), page.location().unwrap().path()), (303, "/login"));
    let page = browser.follow(page).await;
    assert_eq!(requests(&page), [(303, "/private"), (302, "/login"), (200, "/echo")]);
    assert!(page.text().contains("sec-fetch-site=none"), "{}", page.text());
    assert!(page.text().contains("sec-fetch-mode=navigate"), "{}", page.text());
}

#[tokio::test]
async fn follows_link_and_redirects_with_cookies() {
    let (_server, browser) = start().await;
    let page = browser.click(&browser.visit("/").await, "Log In").await;
    assert_eq!(requests(&page), [(303, "/private"), (302, "/login"), (200, "/echo")]);
    assert!(page.text().contains("sec-fetch-site=same-origin"), "{}", page.text());
    assert!(page.text().contains("cookie=seen=1"), "{}", page.text());
    assert_eq!(browser.cookies().as_deref(), Some("seen=1"));
    browser.set_cookie("seen=2; Path=/");
    assert_eq!(browser.cookies().as_deref(), Some("seen=2"));
}

#[tokio::test]
async fn repeats_post_after_307_only() {
    let (server, browser) = start().await;
    let start = browser.visit("/").await;
    let see_other = browser.submit(&start, "Go", &[("A", "x y")]).await;
    assert_eq!(see_other.select("p"), ["GET"]);
    let repeated = browser.submit(&start, "Again", &[("A", "x y")]).await;
    assert_eq!(repeated.select("p"), ["POST a=x+y"]);
    let origin = format!("origin={}", server.url().origin().ascii_serialization());
    assert!(repeated.text().contains(&origin), "{}", repeated.text());
}

#[tokio::test]
async fn other_port_is_same_site_and_other_host_cross_site() {
    let (server, browser) = start().await;
    let (other, _) = start().await;
    let start = server.url();
    assert_eq!(relation(&start, &other.url()), Initiator::SameSite);
    assert_eq!(relation(&start, &Url::parse("https://id.example/").unwrap()), Initiator::CrossSite);
    // A redirect back to the first origin stays same-site.
    let round_trip =
        StubServer::start(move |_| Response::redirect(302, start.join("/echo").unwrap().as_str()))
            .await;
    let page = browser.visit("/").await;
    let page = browser.navigate(Some(&page.url), Method::GET, round_trip.url(), Vec::new()).await;
    assert!(page.text().contains("sec-fetch-site=same-site"), "{}", page.text());
}

#[tokio::test]
async fn json_request_is_no_navigation() {
    let (_server, browser) = start().await;
    let echo = browser.get_json("/echo").await.text();
    assert!(echo.contains("accept=application/json sec-fetch-mode=-"), "{echo}");
    assert_eq!(browser.get_json("/private").await.status, 303);
}

#[tokio::test]
#[should_panic(expected = "redirected 20 times")]
async fn stops_after_too_many_redirects() {
    let (_server, browser) = start().await;
    browser.visit("/loop").await;
}
