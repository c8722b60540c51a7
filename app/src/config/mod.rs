//! The site's settings: read from four places, checked all at once.

mod addresses;
mod client;
mod entry;
mod env_file;
mod files;
mod hints;
mod inspection;
mod issuer;
mod plaintext;
mod provider;
mod reader;
mod rocket;
mod sessions;
mod sources;
mod unknown;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use figment::Figment;
use portico_adapters::{identity::oidc::ResponseMode, sessions::KeyMaterial};
use portico_domain::model::{EntryRules, Lifetimes, PermissionRules};
use url::Url;

pub use addresses::DatabaseUrl;
use addresses::web_address;
pub use client::ClientOptions;
use files::Files;
pub(crate) use hints::is_placeholder;
pub use inspection::{GivenValue, Inspection};
pub use provider::Provider;
use reader::Reader;
pub use reader::{KEYS, Problem, Problems};
pub use sessions::Store;
use sources::Environment;

use crate::web::client_address::TrustedProxies;

/// Everything that can be set. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The files that were read.
    files: Vec<PathBuf>,
    warnings: Vec<String>,
    /// Rocket's `debug` profile: the only one with the development provider.
    pub debug_profile: bool,
    /// Rocket's own settings, without the secret key.
    pub rocket: Figment,
    /// `ROCKET_SECRET_KEY`; `None` in the `debug` profile, where one is made.
    pub secret_key: Option<SecretKey>,
    /// `PREVIOUS_SECRET_KEYS`: they open what was sealed earlier, and seal nothing.
    pub previous_secret_keys: Vec<SecretKey>,
    /// `PUBLIC_URL`: what browsers see; without path.
    pub public_url: Url,
    /// The identity provider.
    pub provider: Provider,
    /// `AUTH0_AUDIENCE` or `OIDC_AUDIENCE`: the API that access tokens are for.
    pub audience: Option<String>,
    /// `OIDC_SCOPES`.
    pub scopes: Vec<String>,
    /// `OIDC_RESPONSE_MODE`.
    pub response_mode: ResponseMode,
    /// `OIDC_PAR`: whether authorization requests are pushed also where they need not be.
    pub pushed_requests: bool,
    /// `PERMISSIONS_CLAIMS`, and the mapping in `Portico.toml`.
    pub permissions: PermissionRules,
    /// `ALLOWED_EMAIL_DOMAINS`, `REQUIRED_CLAIMS` and `REQUIRE_VERIFIED_EMAIL`.
    pub entry_rules: EntryRules,
    /// Further `OIDC_…` settings.
    pub client: ClientOptions,
    /// `API_SERVER_URL`.
    pub api_server_url: Option<String>,
    /// `DATABASE_URL`; may hold a password.
    pub database_url: DatabaseUrl,
    /// The keys of addresses that lead to another machine without TLS.
    pub plaintext: Vec<&'static str>,
    /// `AUTO_MIGRATE`.
    pub auto_migrate: bool,
    /// `SESSION_STORE`, with `REDIS_URL`.
    pub session_store: Store,
    /// `SESSION_ROLLING_SECONDS` and `SESSION_ABSOLUTE_SECONDS`.
    pub lifetimes: Lifetimes,
    /// `TRUSTED_PROXIES`: the proxies whose forwarded headers are trusted.
    pub trusted_proxies: TrustedProxies,
    /// `METRICS_ADDRESS`; `None` where metrics are not served.
    pub metrics_address: Option<SocketAddr>,
    /// `ROCKET_LOG_LEVEL`, as it was set; `None` where it was not.
    pub log_level: Option<String>,
    /// `SSL_CERT_FILE`.
    pub ssl_cert_file: Option<PathBuf>,
}

/// A key that seals cookies: 256 bits. `Debug` hides it.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// A key with these bits.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// `None` unless the text is base64 of 256 bits, and for zeroes alone: Rocket takes them for no
    /// key, and generates a key of its own.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = STANDARD.decode(text.trim()).ok()?.try_into().ok()?;
        (bytes != [0; 32]).then_some(Self(bytes))
    }

    /// Number of different bytes: small for a key that was not made at random.
    pub(crate) fn different_bytes(&self) -> usize {
        self.0.iter().collect::<std::collections::HashSet<_>>().len()
    }

    /// The key itself, in base64.
    pub fn expose(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// For the session store.
    pub(crate) fn material(&self) -> KeyMaterial {
        self.0.into()
    }
}

impl Settings {
    /// Reads `Portico.toml`, `.env` and the environment, each over the one before. The files are
    /// those of the working directory; in the debug profile also of the folders above it. Elsewhere
    /// whoever can write in such a folder would choose provider and key.
    ///
    /// `config` names a file to read in place of both: TOML where its name ends in `.toml`, else
    /// lines of `KEY=value`.
    ///
    /// # Errors
    /// [`Problems`]: every unknown key, malformed value and missing setting at once.
    pub fn load(config: Option<&Path>) -> Result<Self, Problems> {
        Inspection::load(config).into_settings()
    }

    #[cfg(test)]
    fn from_files(files: Files, environment: &Environment) -> Result<Self, Problems> {
        Inspection::of_files(files, environment).into_settings()
    }

    /// Like [`Settings::load`], from values given as text by their keys: for tests.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Problems> {
        Self::from_figment(Figment::from(sources::Text::new("the given values", pairs)))
    }

    fn from_figment(figment: Figment) -> Result<Self, Problems> {
        Self::inspect(figment).into_settings()
    }

    fn inspect(figment: Figment) -> Inspection {
        let mut read = Reader::new(figment);
        read.refuse_unknown_keys();
        read.read_secret_files();
        let rocket = read.rocket();
        rocket::check(&mut read, &rocket);
        let debug_profile = read.is_debug();
        let port = rocket.extract_inner::<u16>("port").unwrap_or(4040);
        let public_url = read
            .parsed(
                "PUBLIC_URL",
                "an http:// or https:// address without a path",
                addresses::public_url,
            )
            .or_else(|| Url::parse(&format!("http://127.0.0.1:{port}")).ok());
        let secret_key = read.parsed(
            "ROCKET_SECRET_KEY",
            "256 bits in base64, as `portico secret` prints them",
            SecretKey::parse,
        );
        if read.text("ROCKET_SECRET_KEY").is_none() && !debug_profile {
            read.missing("ROCKET_SECRET_KEY", "a key, as `portico secret` prints it");
        }
        let (provider, audience) = provider::read(&mut read, debug_profile);
        let api_server_url = read.parsed(
            "API_SERVER_URL",
            "an http:// or https:// address without a query",
            addresses::api_address,
        );
        let database_url = read
            .parsed("DATABASE_URL", DatabaseUrl::EXPECTED, DatabaseUrl::parse)
            .unwrap_or_default();
        let auto_migrate =
            read.parsed("AUTO_MIGRATE", "true or false", |text| text.parse().ok()).unwrap_or(true);
        let session_store = sessions::store(&mut read);
        let lifetimes = sessions::lifetimes(&mut read);
        let previous_secret_keys = sessions::previous_keys(&mut read);
        let trusted_proxies = read
            .parsed(
                "TRUSTED_PROXIES",
                "networks such as 10.0.0.0/8, comma-separated",
                TrustedProxies::parse,
            )
            .unwrap_or_default();
        let metrics_address = read.parsed(
            "METRICS_ADDRESS",
            "an IP address and a port, such as 127.0.0.1:9464",
            |text| text.parse().ok().filter(|address: &SocketAddr| address.port() != 0),
        );
        let ssl_cert_file = read.parsed("SSL_CERT_FILE", "a file that exists", |text| {
            let file = PathBuf::from(text);
            file.is_file().then_some(file)
        });
        let scopes = scopes(read.text("OIDC_SCOPES").as_deref());
        let response_mode = provider::response_mode(&mut read, public_url.as_ref());
        let pushed_requests =
            read.parsed("OIDC_PAR", "true or false", |text| text.parse().ok()).unwrap_or(false);
        let client = client::read(&mut read);
        let at_development = matches!(provider, Some(Provider::Development));
        let permissions = entry::permissions(&mut read, at_development);
        let entry_rules = entry::rules(&mut read);
        let plaintext = plaintext::read(&mut read, debug_profile);
        let session_store =
            if plaintext.is_allowed { session_store } else { session_store.without_plaintext() };
        let has_provider = provider.is_some();
        let log_level = read.text("ROCKET_LOG_LEVEL");
        let settings = public_url.map(|public_url| Self {
            files: Vec::new(),
            warnings: Vec::new(),
            debug_profile,
            rocket,
            secret_key,
            previous_secret_keys,
            public_url,
            provider: provider.unwrap_or(Provider::Development),
            audience,
            scopes,
            response_mode,
            pushed_requests,
            permissions,
            entry_rules,
            client,
            api_server_url,
            database_url,
            plaintext: plaintext.keys,
            auto_migrate,
            session_store,
            lifetimes,
            trusted_proxies,
            metrics_address,
            log_level,
            ssl_cert_file,
        });
        let given = read.given();
        let (problems, warnings) = (read.into_problems(), Vec::new());
        Inspection { settings, problems, warnings, given, has_provider }
    }

    /// The files that were read and that other users of the machine can write. In the debug profile
    /// the group does not count: many systems make files that the user's own group can write.
    pub fn files_that_others_can_write(&self) -> impl Iterator<Item = &Path> {
        let mode = if self.debug_profile { 0o002 } else { 0o022 };
        self.files.iter().map(PathBuf::as_path).filter(move |file| has_mode(file, mode))
    }

    /// What in `.env` and the environment looks like a setting and is none, a text each. No values.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether browsers come by https, so that cookies can be `Secure`.
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// An absolute address of this site.
    pub fn address_of(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }
}

/// Whether the file has any of these bits of a mode; never where files have none.
fn has_mode(file: &Path, bits: u32) -> bool {
    #[cfg(unix)]
    return std::fs::metadata(file).is_ok_and(|data| {
        std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & bits != 0
    });
    #[cfg(not(unix))]
    return false;
}

fn scopes(text: Option<&str>) -> Vec<String> {
    let text = text.unwrap_or("openid profile email");
    let mut scopes: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".into());
    }
    scopes
}

#[cfg(test)]
mod tests;
