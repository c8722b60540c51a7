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
async fn profile(person: LoginRequired<'_>, ports: &State<Ports>) -> Page<ProfileView> {
    // The session knows all but the dates, so that the page does without the record.
    let user = ports.users.find(person.subject()).await.unwrap_or_else(|cause| {
        log::warn!("a profile without its dates: {cause}");
        None
    });
    Page::new(ProfileView::new(&person, user))
}
