use rocket::{Route, State, get, routes};

use crate::{
    guards::{LoginRequired, Visitor},
    ports::Ports,
    views::{DocsView, HomeView, Page, ProfileView},
};

pub(super) fn routes() -> Vec<Route> {
    routes![home, docs, profile]
}

#[get("/")]
fn home(_visitor: Visitor<'_>) -> Page<HomeView> {
    Page::new(HomeView {})
}

#[get("/docs")]
fn docs(_visitor: Visitor<'_>) -> Page<DocsView> {
    Page::new(DocsView {})
}

#[get("/profile")]
async fn profile(user: LoginRequired<'_>, ports: &State<Ports>) -> Page<ProfileView> {
    // The session has everything but the dates: without the record the page is still useful.
    let record = ports.users.find(user.subject()).await.unwrap_or_else(|cause| {
        log::warn!("failed to read user for the profile page: {cause}");
        None
    });
    Page::new(ProfileView::new(&user, record))
}
