//! Portico under test: assembled as in production, with the development servers, all on free ports
//! and in a temporary folder.

use std::path::{Path, PathBuf};

use portico::{
    Ports, assemble,
    config::Settings,
    open_database,
    server::{Limits, serve},
};
use portico_development::{DevelopmentServers, DevelopmentSettings, RegisteredClient};
use rocket::{Route, Shutdown};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use url::Url;

use crate::{free_port::free_port, http_browser::HttpBrowser, page::Page};

/// A key to seal cookies with.
pub const SECRET_KEY: &str = "cG9ydGljbyB0ZXN0cyBzZWFsIHdpdGggdGhpcyBrZXk=";
/// The client's secret at the development provider.
pub const CLIENT_SECRET: &str = "the client's secret of the tests";
/// The API that access tokens are for.
pub const AUDIENCE: &str = "https://api.portico.test";

/// Puts something else behind a port.
pub type Change = Box<dyn FnOnce(&mut Ports) + Send>;

/// What is particular about a site under test.
#[derive(Default)]
pub struct SiteOptions {
    /// The site's port, where something must know it before the site starts; `None`: a free one.
    pub port: Option<u16>,
    /// Settings over the usual ones.
    pub settings: Vec<(&'static str, String)>,
    /// Routes beside the site's own.
    pub routes: Vec<Route>,
    /// Changes the ports after they were assembled.
    pub ports: Option<Change>,
    /// The limits of connections.
    pub limits: Limits,
}

/// A running site. Dropping it stops it and its development servers.
pub struct Site {
    /// Where it is.
    pub url: Url,
    /// The provider and the API around it.
    pub servers: DevelopmentServers,
    /// The ports that it uses.
    pub ports: Ports,
    shutdown: Shutdown,
    task: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Site {
    /// A site like any other.
    pub async fn start() -> Self {
        Self::start_with(SiteOptions::default()).await
    }

    /// A site with something particular about it.
    pub async fn start_with(particular: SiteOptions) -> Self {
        // First, or Rocket puts its own log in place.
        portico::logging::start(Some("off"));
        let folder = tempfile::tempdir().unwrap();
        let port = particular.port.unwrap_or_else(free_port);
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let servers = servers_for(&url).await;
        let settings = settings(port, folder.path(), &servers, &particular.settings);
        let settings = Settings::from_pairs(settings.iter().map(|(key, value)| (*key, &**value)));
        let settings = settings.unwrap();
        let database = open_database(&settings).unwrap();
        database.migrate().await.unwrap();
        let mut assembly = assemble(settings, &database).await.unwrap();
        if let Some(change) = particular.ports {
            change(&mut assembly.ports);
        }
        let (lifted_off, liftoff) = oneshot::channel();
        let site = assembly.site().mount("/", particular.routes).attach(
            rocket::fairing::AdHoc::on_liftoff("lifted off", move |_| {
                Box::pin(async move { lifted_off.send(()).unwrap() })
            }),
        );
        let site = site.ignite().await.unwrap();
        let shutdown = site.shutdown();
        let task = tokio::spawn(async move { serve(site, particular.limits).await.unwrap() });
        liftoff.await.expect("the site's port is free");
        Self { url, servers, ports: assembly.ports, shutdown, task: Some(task), _folder: folder }
    }

    /// Somebody with an empty cookie jar.
    pub fn person(&self) -> HttpBrowser {
        HttpBrowser::new(self.url.clone())
    }

    /// Somebody who has signed in: the person and the page where the login ended.
    pub async fn signed_in(&self, email: &str) -> (HttpBrowser, Page) {
        let person = self.person();
        let page = log_in(&person, "/login", email).await;
        assert_eq!(page.url.path(), "/profile", "{}", page.text());
        (person, page)
    }

    /// Ends the site and waits until its port is free.
    pub async fn stop(mut self) {
        self.shutdown.clone().notify();
        if let Some(task) = self.task.take() {
            task.await.unwrap();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.clone().notify();
    }
}

/// Walks to a page that wants a login, and signs in with the development provider's password.
pub async fn log_in(person: &HttpBrowser, address: &str, email: &str) -> Page {
    let form = person.visit(address).await;
    person.submit(&form, "Log In", &[("Email", email), ("Password", "portico")]).await
}

/// A development provider and API for the site at this address.
pub async fn servers_for(site: &Url) -> DevelopmentServers {
    DevelopmentServers::start(DevelopmentSettings {
        // Not port 0: they stop and come back.
        provider_port: free_port(),
        api_port: free_port(),
        next_free: true,
        client: RegisteredClient {
            id: "portico".into(),
            secret: CLIENT_SECRET.into(),
            redirect_uri: site.join("/callback").unwrap().into(),
            post_logout_redirect_uri: site.clone().into(),
        },
        audience: AUDIENCE.into(),
        template_dir: templates(),
    })
    .await
    .unwrap()
}

/// The site's templates.
pub fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates")
}

/// The settings of a site with these development servers. The particular ones take precedence.
pub fn settings(
    port: u16,
    folder: &Path,
    servers: &DevelopmentServers,
    particular: &[(&'static str, String)],
) -> Vec<(&'static str, String)> {
    let database = format!("sqlite://{}", folder.join("portico.db").display());
    let usual = [
        ("ROCKET_PORT", port.to_string()),
        ("ROCKET_SHUTDOWN", "{ctrlc=false,signals=[],grace=0,mercy=0}".into()),
        ("ROCKET_SECRET_KEY", SECRET_KEY.into()),
        ("PUBLIC_URL", format!("http://127.0.0.1:{port}")),
        ("DATABASE_URL", database),
        ("OIDC_ISSUER_URL", servers.issuer().into()),
        ("OIDC_CLIENT_ID", "portico".into()),
        ("OIDC_CLIENT_SECRET", CLIENT_SECRET.into()),
        ("OIDC_AUDIENCE", AUDIENCE.into()),
        ("API_SERVER_URL", servers.api_url()),
    ];
    let replaced = |key: &str| particular.iter().any(|(other, _)| *other == key);
    let usual = usual.into_iter().filter(|(key, _)| !replaced(key));
    usual.chain(particular.iter().cloned()).collect()
}
