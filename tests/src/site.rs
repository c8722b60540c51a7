//! Portico under test: assembled as in production, with the development servers, all on free ports
//! and in a temporary folder.

use std::path::{Path, PathBuf};

use portico::{
    Assembly, Ports, assemble,
    config::Settings,
    metrics::Metrics,
    open_database,
    server::{Limits, serve},
};
use portico_development::{
    DevelopmentAccount, DevelopmentServers, DevelopmentSettings, RegisteredClient,
};
use portico_domain::model::Permission;
use rocket::{Route, Shutdown};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use url::Url;

use crate::{free_port::free_port, http_browser::HttpBrowser, log_capture, page::Page};

/// A key to seal cookies with.
pub const SECRET_KEY: &str = "cG9ydGljbyB0ZXN0cyBzZWFsIHdpdGggdGhpcyBrZXk=";
/// The client's secret at the development provider.
pub const CLIENT_SECRET: &str = "the client's secret of the tests";
/// The API that access tokens are for.
pub const AUDIENCE: &str = "https://api.portico.test";

/// Replaces the adapter of a port.
pub type Change = Box<dyn FnOnce(&mut Ports) + Send>;

/// The options of a site under test.
#[derive(Default)]
pub struct SiteOptions {
    /// The site's port, if a test needs it before the site starts; `None`: a free one.
    pub port: Option<u16>,
    /// The port that browsers use, if it is another one.
    pub public_port: Option<u16>,
    /// Settings that override the default ones.
    pub settings: Vec<(&'static str, String)>,
    /// What a value of a claim of `PERMISSIONS_CLAIMS` grants: the table `[permissions]`.
    pub mapping: Vec<(&'static str, &'static str)>,
    /// Additional routes.
    pub routes: Vec<Route>,
    /// Changes the ports after they were assembled.
    pub ports: Option<Change>,
    /// The limits of connections.
    pub limits: Limits,
}

/// A running site. Dropping it stops it and its development servers.
pub struct Site {
    /// Its address.
    pub url: Url,
    /// Its provider and API.
    pub servers: DevelopmentServers,
    /// The ports that it uses.
    pub ports: Ports,
    /// What it counts.
    pub metrics: Metrics,
    shutdown: Shutdown,
    task: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Site {
    /// Starts a site with default options.
    pub async fn start() -> Self {
        Self::start_with(SiteOptions::default()).await
    }

    /// Starts a site with these options.
    pub async fn start_with(options: SiteOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = options.port.unwrap_or_else(free_port);
        let public_port = options.public_port.unwrap_or(port);
        let url = Url::parse(&format!("http://127.0.0.1:{public_port}/")).unwrap();
        let servers = servers_for(&url).await;
        let mut overrides = options.settings;
        if options.public_port.is_some() {
            overrides.push(("PUBLIC_URL", format!("http://127.0.0.1:{public_port}")));
        }
        let settings = settings(port, folder.path(), &servers, &overrides);
        let settings = Settings::from_pairs(settings.iter().map(|(key, value)| (*key, &**value)));
        let mut settings = settings.unwrap();
        let mapping = options.mapping.into_iter();
        let mapping = mapping.map(|(value, name)| (value.to_owned(), vec![Permission::new(name)]));
        settings.permissions.mapping.extend(mapping);
        let database = open_database(&settings).unwrap();
        database.migrate().await.unwrap();
        let mut assembly = assemble(settings, &database).await.unwrap();
        if let Some(change) = options.ports {
            change(&mut assembly.ports);
        }
        let (lifted_off, liftoff) = oneshot::channel();
        let site =
            assembly
                .site()
                .mount("/", options.routes)
                .attach(rocket::fairing::AdHoc::on_liftoff("lifted off", move |_| {
                    Box::pin(async move { lifted_off.send(()).unwrap() })
                }));
        let site = site.ignite().await.unwrap();
        let shutdown = site.shutdown();
        let task = tokio::spawn(async move { serve(site, options.limits).await.unwrap() });
        liftoff.await.expect("the site's port is free");
        let Assembly { ports, metrics, .. } = assembly;
        Self { url, servers, ports, metrics, shutdown, task: Some(task), _folder: folder }
    }

    /// A browser with an empty cookie jar.
    pub fn browser(&self) -> HttpBrowser {
        HttpBrowser::new(self.url.clone())
    }

    /// A browser in which this user has logged in, and the page after the log-in.
    pub async fn signed_in(&self, email: &str) -> (HttpBrowser, Page) {
        let browser = self.browser();
        let page = log_in(&browser, "/login", email).await;
        assert_eq!(page.url.path(), "/profile", "{}", page.text());
        (browser, page)
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

/// Opens a page that requires a log-in, and logs in at the development provider.
pub async fn log_in(browser: &HttpBrowser, address: &str, email: &str) -> Page {
    let form = browser.visit(address).await;
    browser.submit(&form, "Log In", &[("Email", email), ("Password", "portico")]).await
}

/// A development provider and API for the site at this address.
pub async fn servers_for(site: &Url) -> DevelopmentServers {
    // First, because Rocket would install its own logger.
    log_capture::install();
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
        accounts: DevelopmentAccount::defaults(),
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

/// The settings of a site with these development servers. `overrides` take precedence.
pub fn settings(
    port: u16,
    folder: &Path,
    servers: &DevelopmentServers,
    overrides: &[(&'static str, String)],
) -> Vec<(&'static str, String)> {
    let database = format!("sqlite://{}", folder.join("portico.db").display());
    let defaults = [
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
    let replaced = |key: &str| overrides.iter().any(|(other, _)| *other == key);
    let defaults = defaults.into_iter().filter(|(key, _)| !replaced(key));
    defaults.chain(overrides.iter().cloned()).collect()
}
