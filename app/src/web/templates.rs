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
pub enum Templates {
    /// Those in the program.
    Embedded(Box<Environment<'static>>),
    /// Those in Rocket's `template_dir`; a debug build reads them again when they change.
    Folder,
}

impl Templates {
    /// The templates in the program.
    ///
    /// # Errors
    /// A template with a syntax error.
    pub fn embedded() -> Result<Self, Error> {
        let mut environment = Environment::new();
        // The names have no extension from which the escaping could follow.
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, source) in EMBEDDED {
            environment.add_template(name, source)?;
        }
        Ok(Self::Embedded(Box::new(environment)))
    }

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

    /// A page of the embedded templates; for tests.
    ///
    /// # Errors
    /// The engine's error, and one for templates from a folder.
    #[doc(hidden)]
    pub fn show(&self, name: &str, context: impl Serialize) -> Result<String, Error> {
        match self {
            Self::Embedded(environment) => {
                environment.get_template(name)?.render(Value::from_serialize(context))
            }
            Self::Folder => Err(Error::new(
                rocket_dyn_templates::minijinja::ErrorKind::InvalidOperation,
                "these templates need a Rocket",
            )),
        }
    }
}
