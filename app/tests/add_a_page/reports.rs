use rocket::get;
use serde::Serialize;

use crate::{
    sign_in::guards::{Needs, Permitted},
    web::{Page, View},
};

/// What the page needs.
pub(super) struct ReadReports;

impl Needs for ReadReports {
    const PERMISSION: &'static str = "read:reports";
}

/// The reports.
#[derive(Debug, Serialize)]
pub(super) struct ReportsView {
    subject: String,
}

impl View for ReportsView {
    const TEMPLATE: &'static str = "reports";
}

#[get("/reports")]
pub(super) fn reports(user: Permitted<'_, ReadReports>) -> Page<'_, ReportsView> {
    let view = ReportsView { subject: user.subject().subject.clone() };
    Page::new(user, view)
}

#[cfg(test)]
mod tests {
    use crate::testing::MockSite;

    #[rocket::async_test]
    async fn shows_reports_to_users_with_the_permission() {
        let site = MockSite::signed_in_as("ada@example.com");
        assert_eq!(site.get("/reports").await.status, 403);
        let page = site.with_permission("read:reports").get("/reports").await;
        assert!(page.body.contains("Reports for ada@example.com"), "{}", page.body);
    }
}
