use super::*;
use crate::tiny_server::{Answer, Request, TinyServer};

fn answer(request: &Request) -> Answer {
    let header = |name| request.header(name).unwrap_or("-").to_owned();
    let echo = || {
        let names = ["accept", "sec-fetch-mode", "sec-fetch-site", "origin", "cookie"];
        let list: String = names.map(|name| format!("<li>{name}={}</li>", header(name))).concat();
        format!("<p>{} {}</p><ul>{list}</ul>", request.method, request.body)
    };
    match request.path.split('?').next().unwrap_or_default() {
        "/" => Answer::html(
            200,
            "<title>Start</title><h1>Hello <b>you</b></h1><script>no()</script>
             <a href='/private'>Log <span>In</span></a>
             <form method=post action=/private><input name=a aria-label=A><button>Go</button>
             <button formaction=/again>Again</button></form>",
        ),
        "/private" => Answer::redirect(303, "/login?next=1").with("Set-Cookie", "seen=1; Path=/"),
        "/again" => Answer::redirect(307, "/echo"),
        "/login" => Answer::redirect(302, "echo"),
        "/echo" => Answer::html(200, echo()),
        "/loop" => Answer::redirect(302, "/loop"),
        _ => Answer::html(404, "<h1>Nothing here</h1>"),
    }
}

async fn somebody() -> (TinyServer, Person) {
    let server = TinyServer::start(answer).await;
    let person = Person::new(server.url());
    (server, person)
}

fn trail(page: &Page) -> Vec<(u16, &str)> {
    page.hops.iter().map(|hop| (hop.status.as_u16(), hop.url.path())).collect()
}

#[tokio::test]
async fn a_page_is_read_as_a_person_reads_it() {
    let (server, person) = somebody().await;
    let page = person.get("/").await;
    assert_eq!((page.status.as_u16(), page.title()), (200, "Start".into()));
    assert_eq!(page.heading(), "Hello you");
    assert_eq!(page.text(), "Hello you Log In Go Again");
    assert_eq!(page.link("Log In"), server.url().join("/private").ok());
    assert_eq!(page.link("Log"), None);
    assert_eq!(page.attribute("form", "method").as_deref(), Some("post"));
    assert_eq!(person.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn a_typed_address_comes_from_no_site_and_stays_at_a_redirect() {
    let (_server, person) = somebody().await;
    let page = person.get("/private").await;
    assert_eq!((page.status.as_u16(), page.location().unwrap().path()), (303, "/login"));
    let page = person.follow(page).await;
    assert_eq!(trail(&page), [(303, "/private"), (302, "/login"), (200, "/echo")]);
    assert!(page.text().contains("sec-fetch-site=none"), "{}", page.text());
    assert!(page.text().contains("sec-fetch-mode=navigate"), "{}", page.text());
}

#[tokio::test]
async fn a_link_is_followed_to_its_end_with_the_cookies_met_on_the_way() {
    let (_server, person) = somebody().await;
    let page = person.click(&person.visit("/").await, "Log In").await;
    assert_eq!(trail(&page), [(303, "/private"), (302, "/login"), (200, "/echo")]);
    assert!(page.text().contains("sec-fetch-site=same-origin"), "{}", page.text());
    assert!(page.text().contains("cookie=seen=1"), "{}", page.text());
    assert_eq!(person.cookies().as_deref(), Some("seen=1"));
    person.set_cookie("seen=2; Path=/");
    assert_eq!(person.cookies().as_deref(), Some("seen=2"));
}

#[tokio::test]
async fn a_form_is_posted_once_and_repeated_only_after_307() {
    let (server, person) = somebody().await;
    let start = person.visit("/").await;
    let see_other = person.submit(&start, "Go", &[("A", "x y")]).await;
    assert_eq!(see_other.select("p"), ["GET"]);
    let repeated = person.submit(&start, "Again", &[("A", "x y")]).await;
    assert_eq!(repeated.select("p"), ["POST a=x+y"]);
    let origin = format!("origin={}", server.url().origin().ascii_serialization());
    assert!(repeated.text().contains(&origin), "{}", repeated.text());
}

#[tokio::test]
async fn a_walk_to_another_port_is_same_site_and_to_another_host_cross_site() {
    let (server, person) = somebody().await;
    let (other, _) = somebody().await;
    let start = server.url();
    assert_eq!(relation(&start, &other.url()), From::SameSite);
    assert_eq!(relation(&start, &Url::parse("https://id.example/").unwrap()), From::CrossSite);
    // The way back does not make it a walk of the same origin again.
    let there_and_back =
        TinyServer::start(move |_| Answer::redirect(302, start.join("/echo").unwrap().as_str()))
            .await;
    let page = person.visit("/").await;
    let page = person.walk(Some(&page.url), Method::GET, there_and_back.url(), Vec::new()).await;
    assert!(page.text().contains("sec-fetch-site=same-site"), "{}", page.text());
}

#[tokio::test]
async fn a_script_asks_for_json_and_is_no_navigation() {
    let (_server, person) = somebody().await;
    let echo = person.get_json("/echo").await.text();
    assert!(echo.contains("accept=application/json sec-fetch-mode=-"), "{echo}");
    assert_eq!(person.get_json("/private").await.status, 303);
}

#[tokio::test]
#[should_panic(expected = "redirected 20 times")]
async fn a_ring_of_redirects_is_left() {
    let (_server, person) = somebody().await;
    person.visit("/loop").await;
}
