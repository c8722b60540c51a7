//! Instances of one site, each in its own process.

use std::{
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use portico_development::DevelopmentServers;
use portico_tests::{
    free_port::free_port,
    http_browser::HttpBrowser,
    postgres::Schema,
    redis::Redis,
    site::{servers_for, settings},
};
use reqwest::Method;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use url::Url;

/// Settings that override the default ones.
pub(crate) type Overrides<'a> = &'a [(&'static str, String)];

/// The session store, and its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    CookieAndSqlite,
    CookieAndPostgres,
    DatabaseSqlite,
    DatabasePostgres,
    Redis,
}

/// Several instances of a site with their development servers. All stop when it is dropped.
pub(crate) struct Cluster {
    pub(crate) servers: DevelopmentServers,
    /// The port of `PUBLIC_URL`, on which the first instance listens.
    public_port: u16,
    common: Vec<(&'static str, String)>,
    folder: TempDir,
    _schema: Option<Schema>,
    _redis: Option<Redis>,
}

impl Cluster {
    /// Starts the development servers and the session store, but no instance.
    pub(crate) async fn new(store: Store) -> Self {
        let public = Url::parse(&format!("http://127.0.0.1:{}/", free_port())).unwrap();
        Self::at(public, store).await
    }

    /// The same with this `PUBLIC_URL`.
    pub(crate) async fn at(public: Url, store: Store) -> Self {
        let kind = match store {
            Store::CookieAndSqlite | Store::CookieAndPostgres => "cookie",
            Store::DatabaseSqlite | Store::DatabasePostgres => "database",
            Store::Redis => "redis",
        };
        let postgres = matches!(store, Store::CookieAndPostgres | Store::DatabasePostgres);
        let schema = postgres.then(Schema::fresh);
        let redis = (store == Store::Redis).then(Redis::start);
        let mut common = vec![
            ("PUBLIC_URL", public.to_string()),
            ("SESSION_STORE", kind.to_owned()),
            ("OIDC_SCOPES", "openid profile email offline_access".to_owned()),
            ("ROCKET_PROFILE", "debug".to_owned()),
            ("ROCKET_LOG_LEVEL", "critical".to_owned()),
        ];
        common.extend(schema.as_ref().map(|schema| ("DATABASE_URL", schema.url())));
        common.extend(redis.as_ref().map(|redis| ("REDIS_URL", redis.url())));
        let servers = servers_for(&public).await;
        let public_port = public.port().unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { servers, public_port, common, folder, _schema: schema, _redis: redis }
    }

    /// The instance at the public address.
    pub(crate) async fn first(&self, overrides: Overrides<'_>) -> Instance {
        self.start(self.public_port, overrides).await
    }

    /// Another instance, on its own port.
    pub(crate) async fn another(&self) -> Instance {
        self.start(free_port(), &[]).await
    }

    /// An instance on this port.
    pub(crate) async fn on(&self, port: u16, overrides: Overrides<'_>) -> Instance {
        self.start(port, overrides).await
    }

    /// The standard output of a command.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let output = self.program(self.public_port, &[]).args(arguments).output().await.unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
        stdout
    }

    /// The standard error of an instance that does not start.
    pub(crate) async fn error(&self, overrides: Overrides<'_>) -> String {
        let output = self.program(self.public_port, overrides).output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn program(&self, port: u16, overrides: Overrides<'_>) -> Command {
        let overrides = [&self.common, overrides].concat();
        let mut program = Command::new(env!("CARGO_BIN_EXE_portico-under-test"));
        program
            .current_dir(&self.folder)
            .env_clear()
            .envs(settings(port, self.folder.path(), &self.servers, &overrides))
            .kill_on_drop(true);
        program
    }

    async fn start(&self, port: u16, overrides: Overrides<'_>) -> Instance {
        let process = self.program(port, overrides).stdout(Stdio::null()).spawn().unwrap();
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let mut instance = Instance { url, process };
        instance.until_ready().await;
        instance
    }
}

/// One process, which is killed when it is dropped.
pub(crate) struct Instance {
    url: Url,
    process: Child,
}

impl Instance {
    async fn until_ready(&mut self) {
        let browser = self.browser();
        let start = Instant::now();
        loop {
            let answer = browser.request(Method::GET, "/health/ready").send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "the instance ended: {ended:?}");
            assert!(start.elapsed() < Duration::from_secs(60), "the instance is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A browser with an empty cookie jar at this instance.
    pub(crate) fn browser(&self) -> HttpBrowser {
        HttpBrowser::new(self.url.clone())
    }

    /// An address on this instance.
    pub(crate) fn at(&self, path: &str) -> String {
        self.url.join(path).unwrap().into()
    }

    /// Sends SIGTERM, and returns the exit code.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").arg(id).status().await.unwrap().success());
        self.process.wait().await.unwrap()
    }

    /// Sends SIGKILL, so that the process cannot clean up, and waits until it has ended.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}
