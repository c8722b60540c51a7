use rocket::{Build, Request, Rocket, http::Status};
use rocket_dyn_templates::{
    Template,
    minijinja::{AutoEscape, Environment, Error, Value},
};
use serde::Serialize;

/// Each page template's name and source, as `build.rs` found them.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The templates of the pages.
#[derive(Debug)]
pub(crate) enum Templates {
    /// Those in the program.
    Embedded(Box<Environment<'static>>),
    /// Those in Rocket's `template_dir`; a debug build reads them again when they change.
    Folder,
}

/// The templates in the program, ready to be rendered.
///
/// # Errors
/// A template with a syntax error.
pub fn embedded_templates() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    // The names have no extension from which the escaping could follow.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    for (name, source) in EMBEDDED {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// The names of the templates in the program: their paths without `.html.j2`.
pub(crate) fn embedded_template_names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

impl Templates {
    /// Lets `rocket` render pages with these templates.
    pub(crate) fn attach_to(self, rocket: Rocket<Build>) -> Rocket<Build> {
        match &self {
            Self::Embedded(_) => rocket.manage(self),
            Self::Folder => rocket.attach(Template::fairing()).manage(self),
        }
    }

    /// A page as HTML. The context is serialised once: Rocket's layer would convert it to its own
    /// value type first.
    pub(crate) fn render(
        request: &Request<'_>,
        name: &'static str,
        context: impl Serialize,
    ) -> Result<String, Status> {
        let rocket = request.rocket();
        let Some(Self::Embedded(environment)) = rocket.state() else {
            return Template::show(rocket, name, context).ok_or(Status::InternalServerError);
        };
        let page = environment
            .get_template(name)
            .and_then(|template| template.render(Value::from_serialize(context)));
        page.map_err(|cause| {
            log::error!("failed to render {name}: {cause:#}");
            Status::InternalServerError
        })
    }
}
