use std::path::Path;

use portico_adapters::identity::oidc::Registration;
use portico_domain::model::{Check, CheckStatus, ClaimPath, Permission, PermissionRules};

use super::report::Report;
use crate::{
    config::{Inspection, Provider, SecretKey, Settings, is_placeholder},
    router::template_dir,
    web::embedded_template_names,
};

const AREA: &str = "settings";

/// Length of a client secret in characters below which it can be guessed. Providers generate longer
/// ones.
const SHORT_SECRET: usize = 16;

/// Number of different bytes in a key below which it was not made at random: of 32 random bytes, 30
/// are different on average.
const FEW_BYTES: usize = 20;

/// The key in the documentation of Rocket, which examples copy.
const PUBLISHED_KEY: &str = "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=";

/// Everything that is wrong with the settings, each that was given, and what does not fit together.
pub(super) fn examine(inspection: &Inspection, report: &mut Report) {
    for problem in &inspection.problems {
        report.add_problem(problem);
    }
    let is_refused = |key: &str| inspection.problems.iter().any(|problem| problem.key == key);
    for given in inspection.given.iter().filter(|given| !is_refused(&given.key)) {
        let value = given.value.as_deref().unwrap_or("(hidden)");
        let text = format!("{value} (from {})", given.source);
        report.add_named(AREA, given.key.clone(), CheckStatus::Passed, text);
    }
    if inspection.given.is_empty() && inspection.problems.is_empty() {
        report.add(AREA, Check::passed("all", "the defaults"));
    }
    for warning in &inspection.warnings {
        report.add(AREA, Check::warning("unknown variable", warning));
    }
    let Some(settings) = &inspection.settings else { return };
    let mut add = |check: Option<Check>| {
        if let Some(check) = check {
            report.add(AREA, check);
        }
    };
    for file in settings.files_that_others_can_write() {
        let text = format!("other users can write {}: chmod go-w it", file.display());
        add(Some(Check::warning("file mode", text)));
    }
    for key in &settings.plaintext {
        let text = format!("{key} leads to another machine without TLS");
        add(Some(Check::warning("plain http", text)));
    }
    if !is_refused("PUBLIC_URL") {
        add(public_url(settings));
        add(proxy_headers(settings));
    }
    if settings.trusted_proxies.include_everybody() {
        let text = "TRUSTED_PROXIES includes every address: any client can forge its own";
        add(Some(Check::warning("proxy headers", text)));
    }
    add(keys(settings));
    add(Some(Check::passed("permissions", permissions(&settings.permissions))));
    if !is_refused("ROCKET_TEMPLATE_DIR") {
        add(Some(templates(settings)));
    }
    if let Provider::Registered(registration) = &settings.provider {
        add(client_secret(registration));
        add(placeholders(registration));
        for (name, path) in [
            ("callback", "/callback"),
            ("log-out address", "/"),
            ("back-channel log-out", "/backchannel-logout"),
        ] {
            if !is_refused("PUBLIC_URL") {
                let address = settings.address_of(path);
                report.add("register", Check::passed(name, format!("{address} at the provider")));
            }
        }
    }
}

fn public_url(settings: &Settings) -> Option<Check> {
    let plain = !settings.is_https() && !settings.debug_profile;
    plain.then(|| {
        let text = "PUBLIC_URL is not https://: cookies and tokens travel in the clear";
        Check::warning("plain http", text)
    })
}

/// Portico speaks plain http: with https a proxy is in front of it.
fn proxy_headers(settings: &Settings) -> Option<Check> {
    const NAME: &str = "proxy headers";
    match (settings.is_https(), settings.trusted_proxies.is_empty()) {
        (true, true) => Some(Check::warning(
            NAME,
            "PUBLIC_URL is https://, so a proxy is in front: set TRUSTED_PROXIES to its network, or \
             all clients have the proxy's address in the log",
        )),
        (true, false) => Some(Check::passed(NAME, "those of TRUSTED_PROXIES are used")),
        _ => None,
    }
}

fn keys(settings: &Settings) -> Option<Check> {
    let current = settings.secret_key.iter().map(|key| ("ROCKET_SECRET_KEY", key));
    let previous = settings.previous_secret_keys.iter().map(|key| ("PREVIOUS_SECRET_KEYS", key));
    let (setting, _) = current.chain(previous).find(|(_, key)| is_weak(key))?;
    let text = format!("{setting} can be guessed: make a key with `portico secret`");
    Some(Check::failed("weak key", text))
}

fn is_weak(key: &SecretKey) -> bool {
    key.expose() == PUBLISHED_KEY || key.different_bytes() < FEW_BYTES
}

fn client_secret(registration: &Registration) -> Option<Check> {
    let secret = registration.client_secret.as_ref()?.secret();
    if is_placeholder(secret) {
        return Some(Check::warning(
            "client secret",
            "it looks like a placeholder from an example",
        ));
    }
    (secret.chars().count() < SHORT_SECRET).then(|| {
        let text =
            format!("shorter than {SHORT_SECRET} characters: let the provider make a new one");
        Check::warning("client secret", text)
    })
}

fn placeholders(registration: &Registration) -> Option<Check> {
    let found = [("the issuer", &registration.issuer), ("the client id", &registration.client_id)]
        .into_iter()
        .find(|(_, value)| is_placeholder(value));
    found.map(|(what, _)| {
        Check::warning("placeholder", format!("{what} looks like a placeholder from an example"))
    })
}

/// The claims that grant permissions, and what the mapping makes of their values. Which of them a user
/// has, or is only referred to, is known at a log-in: `users show` tells it.
fn permissions(rules: &PermissionRules) -> String {
    let paths: Vec<_> = rules.claims.iter().map(ClaimPath::as_str).collect();
    let mut text = format!("PERMISSIONS_CLAIMS: {}", paths.join(", "));
    for (value, permissions) in &rules.mapping {
        let names: Vec<_> = permissions.iter().map(Permission::as_str).collect();
        let names = if names.is_empty() { "nothing".into() } else { names.join(", ") };
        text += &format!("; {value:?} grants {names}");
    }
    text
}

/// Each template of the program must be in the folder, if there is one.
fn templates(settings: &Settings) -> Check {
    const NAME: &str = "templates";
    let set = settings.rocket.extract_inner::<String>("template_dir").ok();
    let folder = match set {
        Some(folder) => Path::new(&folder).to_owned(),
        None if settings.debug_profile => template_dir(),
        None => return Check::passed(NAME, "those in the program"),
    };
    let is_missing = |name: &&str| !folder.join(format!("{name}.html.j2")).is_file();
    let missing: Vec<_> = embedded_template_names().filter(is_missing).collect();
    let folder = folder.display();
    if missing.is_empty() {
        return Check::passed(NAME, format!("those in {folder}"));
    }
    Check::failed(NAME, format!("{folder} lacks {}", missing.join(", ")))
}
