use rocket::{Route, get, routes};
use serde::Serialize;

use crate::{
    sign_in::guards::Visitor,
    web::{Page, View},
};

pub(super) fn routes() -> Vec<Route> {
    routes![home, docs, developers]
}

/// The home page.
#[derive(Debug, Serialize)]
struct HomeView {}

impl View for HomeView {
    const TEMPLATE: &'static str = "home";
}

#[get("/")]
fn home(visitor: Visitor<'_>) -> Page<'_, HomeView> {
    Page::new(visitor, HomeView {})
}

/// How the site works, for its visitors.
#[derive(Debug, Serialize)]
struct DocsView {}

impl View for DocsView {
    const TEMPLATE: &'static str = "docs";
}

#[get("/docs")]
fn docs(visitor: Visitor<'_>) -> Page<'_, DocsView> {
    Page::new(visitor, DocsView {})
}

/// How the site works, for those who build on it.
#[derive(Debug, Serialize)]
struct DevelopersView {}

impl View for DevelopersView {
    const TEMPLATE: &'static str = "developers";
}

#[get("/docs/developers")]
fn developers(visitor: Visitor<'_>) -> Page<'_, DevelopersView> {
    Page::new(visitor, DevelopersView {})
}
