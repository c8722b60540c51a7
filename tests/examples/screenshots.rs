//! Pictures of every page, in `target/screenshots`: `cargo run -p portico-tests --example screenshots`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for developers, who see what fails"
)]

use std::path::{Path, PathBuf};

use portico_tests::{
    browser::Browser,
    site::Site,
    stub_server::{Response, StubServer},
};

#[tokio::main]
async fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    for width in [320, 390, 768, 1280, 1920] {
        for dark in [false, true] {
            Walk::begin(&folder, width, dark).await.take_all().await;
        }
    }
    println!("{}", folder.canonicalize().unwrap().display());
}

/// Takes screenshots of a site in a browser.
struct Walk {
    site: Site,
    browser: Browser,
    folder: PathBuf,
    look: String,
}

impl Walk {
    async fn begin(folder: &Path, width: u32, dark: bool) -> Self {
        let (site, browser) = (Site::start().await, Browser::start().await);
        browser.look(width, dark).await;
        let look = format!("{width}-{}", if dark { "dark" } else { "light" });
        Self { site, browser, folder: folder.to_owned(), look }
    }

    async fn take(&self, name: &str) {
        self.browser.picture(&self.folder.join(format!("{name}-{}.png", self.look))).await;
    }

    async fn visit(&self, name: &str, path: &str) {
        self.browser.goto(self.site.url.join(path).unwrap()).await;
        self.take(name).await;
    }

    async fn take_all(self) {
        let browser = &self.browser;
        self.visit("home", "/").await;
        self.visit("docs", "/docs").await;
        self.visit("developers", "/docs/developers").await;
        self.visit("public", "/public").await;
        self.visit("not-found", "/nowhere").await;
        self.visit("login-failed", "/callback?error=access_denied&state=x").await;
        browser.goto(self.site.servers.issuer()).await;
        self.take("provider").await;
        browser.goto(&format!("{}/misbehave", self.site.servers.issuer())).await;
        self.take("provider-misbehave").await;
        self.visit("provider-signup", "/signup").await;
        self.visit("provider-login", "/login").await;
        browser.fill_label("Email", "user@example.com").await;
        browser.fill_label("Password", "portico").await;
        browser.click_text("Log In").await;
        browser.wait_for_text("Decoded ID token").await;
        self.take("profile").await;
        if browser.script("return document.querySelector(\"a[href='/sessions']\") !== null").await
            == true
        {
            self.visit("sessions", "/sessions").await;
        }
        self.visit("home-signed-in", "/").await;
        self.visit("protected", "/protected").await;
        self.visit("admin-refused", "/admin").await;
        let link = format!("<a href='{}'>Log out</a>", self.site.url.join("/logout").unwrap());
        let other = StubServer::start(move |_| Response::html(200, link.clone())).await;
        browser.goto(other.url()).await;
        browser.click_text("Log out").await;
        browser.wait_for_text("Do you want to log out?").await;
        self.take("log-out-confirm").await;
        if browser.script("return innerWidth < 768").await == true {
            browser.click_text("Menu").await;
            self.take("menu").await;
        }
    }
}
