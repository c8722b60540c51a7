//! Follows docs/add-a-page.md: the page, its template, route and tab are the documented ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

// Where the page finds them in the application.
use portico::{sign_in, web};
use rocket::routes;

mod reports;

const DOCUMENT: &str = include_str!("../../../docs/add-a-page.md");

/// The application with the page.
mod testing {
    use portico::web::{ShownTo, Tab};

    use super::{reports, routes};

    pub(crate) struct MockSite;

    impl MockSite {
        pub(crate) fn signed_in_as(email: &str) -> portico::testing::MockSite {
            portico::testing::MockSite::signed_in_as(email)
                .with_routes(routes![reports::reports])
                .with_tab(Tab::new("/reports", "Reports", ShownTo::Permitted("read:reports")))
                .with_template("reports", include_str!("reports.html.j2"))
        }
    }
}

/// The code block of the document in this language that contains `part`, without its indentation.
fn documented(language: &str, part: &str) -> String {
    let fence = format!("   ```{language}\n");
    let blocks = DOCUMENT.split(&fence).skip(1).filter_map(|rest| rest.split("   ```").next());
    let found = blocks.into_iter().find(|block| block.contains(part));
    let block = found.unwrap_or_else(|| panic!("no {language} block with {part}"));
    let lines = block.lines().map(|line| line.strip_prefix("   ").unwrap_or(line));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn code_is_that_of_the_document() {
    assert_eq!(documented("rust", "struct ReportsView"), include_str!("reports.rs"));
    assert_eq!(documented("jinja", "page.subject"), include_str!("reports.html.j2"));
    let own = include_str!("main.rs");
    for (block, line) in [
        ("routes![", "routes![reports::reports]"),
        ("Tab::new(", r#"Tab::new("/reports", "Reports", ShownTo::Permitted("read:reports"))"#),
    ] {
        assert!(documented("rust", block).contains(line) && own.contains(line), "{line}");
    }
}

#[rocket::async_test]
async fn tab_is_shown_to_users_with_the_permission() {
    let tab = ">Reports</a>";
    let site = testing::MockSite::signed_in_as("ada@example.com");
    assert!(!site.get("/public").await.body.contains(tab));
    let page = site.with_permission("read:reports").get("/public").await;
    assert!(page.body.contains(tab), "{}", page.body);
}
