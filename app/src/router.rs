use std::path::{Path, PathBuf};

use rocket::{Build, Rocket, figment::Figment};

use crate::{
    About, Ports,
    metrics::{Metrics, RequestMetrics},
    sign_in::{self, LoginLimit},
    site,
    web::{
        Compression, Tabs, Templates,
        assets::{self, Assets},
        fairings,
        health::{self, Readiness},
        notice, public_address, theme,
    },
};

/// The Rocket of a site: its templates, tabs, routes, catchers and headers over the given ports.
/// `rocket` holds Rocket's own settings with the secret key.
pub(crate) fn build(
    rocket: Figment,
    templates: Templates,
    ports: Ports,
    metrics: Metrics,
    about: About,
    tabs: Tabs,
) -> Rocket<Build> {
    let rocket = rocket
        // Rocket's log names requests with their query, and that can hold a code: ours does not.
        .merge(("log_level", "off"))
        .merge(("cli_colors", false))
        .join(("template_dir", template_dir()))
        .merge(("ident", "Portico"));
    let assets = Assets::new();
    let readiness = Readiness::new(&ports);
    let rocket = rocket::custom(rocket)
        .mount("/", site::routes())
        .mount("/", sign_in::routes())
        .mount("/", health::routes())
        .mount("/", assets::routes())
        .mount("/", theme::routes())
        .mount("/", public_address::routes())
        .register("/", sign_in::catchers::all())
        .attach(notice::fairing())
        .attach(fairings::shield(about.https))
        .attach(fairings::ContentSecurityPolicy::new(&about))
        .attach(Compression::default())
        .attach(fairings::AccessLog)
        .attach(RequestMetrics(metrics.clone()))
        .manage(metrics)
        .manage(assets)
        .manage(site::Records::default())
        .manage(ports)
        .manage(readiness)
        .manage(LoginLimit::default())
        .manage(about)
        .manage(tabs);
    templates.attach_to(rocket)
}

/// `templates` where the program was started, else where it was built.
pub(crate) fn template_dir() -> PathBuf {
    let here = Path::new("templates");
    if here.is_dir() {
        here.to_owned()
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates")
    }
}
