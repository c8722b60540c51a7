use rocket::{Route, get, routes};

use crate::{
    guards::{LoginRequired, Visitor},
    views::{HomeView, Page, ProfileView},
};

pub(super) fn routes() -> Vec<Route> {
    routes![home, profile]
}

#[get("/")]
fn home(_visitor: Visitor<'_>) -> Page<HomeView> {
    Page::new(HomeView {})
}

#[get("/profile")]
fn profile(person: LoginRequired<'_>) -> Page<ProfileView> {
    Page::new(ProfileView::new(&person))
}
